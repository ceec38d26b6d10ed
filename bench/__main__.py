"""Prepares servers as production would run them, without and with Redis, on a database of their own, to be measured."""

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import redisserver
from bench.database import database

ROOT = Path(__file__).resolve().parent.parent
OTHERS = (  # what needs no server
    ("tables", "bench.tables", "measure how lookups grow with the tables: --sizes"),
    ("import", "bench.imports", "measure the import of a million accounts: --rows"),
    ("seals", "bench.seals", "measure sealing and verifying the trail: --events, --seconds"),
    ("trail-reads", "bench.reads", "measure the first page of each filter of the trail: --rows"),
    ("writers", "bench.writers", "measure what the trail costs those who write it: --seconds"),
)
RINGS = ("SECRET_KEY", "JWT_SECRET", "MAIL_KEY", "ENCRYPTION_KEY", "AUDIT_KEY")


def main() -> int:
    """Run everything, and return what the measurement returned."""
    options, further = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was made is removed then, too
    folder = ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with database() as url, redisserver.address(_free_port()) as redis_url:
        environment = _environment(url, folder, options)
        cached = {**environment, "PORT": str(_free_port()), "REDIS_URL": redis_url, "SESSION_CACHE": "true"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        if options.module:  # the services are called, or a command; no server is
            command = [sys.executable, "-m", options.module, *further]
            return subprocess.run(
                command, cwd=ROOT, env={**environment, "LOG_LEVEL": "WARNING"}, check=False
            ).returncode
        with ExitStack() as servers:
            servers.enter_context(_server(environment, folder, "server"))
            if redis_url and not options.purge:
                servers.enter_context(_server(cached, folder, "server-with-redis"))
                environment["CACHED_PORT"] = cached["PORT"]
            command = [sys.executable, "-m", "bench.measure", *further]
            if options.purge:
                command = [sys.executable, "-m", "bench.purge", *further]
            environment["LOG_LEVEL"] = "WARNING"  # of what measures; the servers write their lines
            return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="web processes")
    parser.add_argument(
        "--purge", action="store_true", help="measure the clean-up instead: --rows, --marked, --pace, --seconds"
    )
    for name, module, what in OTHERS:
        parser.add_argument(f"--{name}", dest="module", action="store_const", const=module, help=what)
    return parser.parse_known_args()  # the rest is for what measures


def _environment(url: str, folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Return the environment of the server: nothing of the caller's settings but where programs are."""
    port = _free_port()
    return {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        **{name: secrets.token_urlsafe(48) for name in RINGS},
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "ENV_FILE": "",
        "VAR_DIR": str(folder),
        "PORT": str(port),
        "BASE_URL": f"http://127.0.0.1:{port}",  # a second server on another port believes the same tokens
        "DATABASE_URL": url,
        "EMAIL_URL": "smtp://127.0.0.1:9",  # no worker runs, so nothing is sent
        "EMAIL_FROM": "Gatehouse <no-reply@example.com>",
        "LIMITS_SCALE": "1000000",
        "WEB_WORKERS": str(options.workers),
        "LOG_FORMAT": "json",
    }


@contextmanager
def _server(environment: dict[str, str], folder: Path, name: str) -> Iterator[None]:
    """Serve by gunicorn with the project's own configuration until the block ends."""
    command = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi"]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(int(environment["PORT"]), process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("The server did not start. Look at the logs in var/bench/.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
