"""Runs the web server and the mail worker side by side, and stops both when either stops: what script/server starts."""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import django  # noqa: E402 - the project's folder comes first
from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import DatabaseError, connections  # noqa: E402

from config import env, refusals  # noqa: E402

START_LIMIT = 30  # seconds until the server must answer
STOP_LIMIT = 25  # seconds for requests under way
MANAGE = [sys.executable, str(ROOT / "manage.py")]
GUNICORN = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi"]


Children = list[tuple[str, subprocess.Popen[bytes]]]


class Stopped(Exception):  # noqa: N818 - a request to stop is no error
    """Raised by a signal: somebody wants everything to stop."""


def main() -> None:
    """Check, migrate, start, wait; leave nothing running behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    children: Children = []
    status = 0
    try:
        environment = _environment()
        host, port = environment.text("BIND"), environment.number("PORT")
        _refuse_taken_port(host, port)
        _migrate()
        _ensure_signing_key()
        children.append(("web", _started(GUNICORN)))
        children.append(("worker", _started([*MANAGE, "worker"])))
        _wait_until_it_answers(host, port, children)
        if all(child.poll() is None for _, child in children):
            _say_where(environment)
        status = _watch(children)
    except Stopped:
        print("\nStopping.", flush=True)
    finally:
        _end(children)
    sys.exit(status)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _environment() -> env.Environment:
    env.prepare()
    try:
        django.setup()
    except ImproperlyConfigured as refusal:
        sys.exit(str(refusal))
    current = env.current()
    for warning in refusals.warnings(current):
        print(f"Note: {warning}", flush=True)
    return current


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    """Start *command* away from the terminal's Ctrl-C: this process alone says when to stop, and in which order."""
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            again = f"Start with another: PORT={port + 1} script/server"
            sys.exit(f"Port {port} on {host} cannot be used: {error.strerror}. {again}")


def _migrate() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except (DatabaseError, CommandError) as error:
        engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
        sys.exit(f"The database ({engine}) could not be prepared. Look at DATABASE_URL.\n{error}")
    finally:
        connections.close_all()


def _ensure_signing_key() -> None:
    """Make the key that SIGNING_ALGORITHM asks for, so that the setting alone is enough."""
    try:
        call_command("keys", "generate", "--if-missing")
    except CommandError as error:
        sys.exit(f"Tokens cannot be signed as SIGNING_ALGORITHM says. Look at ENCRYPTION_KEY.\n{error}")
    finally:
        connections.close_all()


def _wait_until_it_answers(host: str, port: int, children: Children) -> None:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    url = f"http://{f'[{name}]' if ':' in name else name}:{port}/health/live"
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        if any(child.poll() is not None for _, child in children):
            return
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return


def _say_where(environment: env.Environment) -> None:
    base = settings.BASE_URL
    lines = [
        "",
        f"  Open         {base}/",
        f"  Staff area   {base}/{settings.GATEHOUSE.get('ADMIN_PATH', environment.text('ADMIN_PATH'))}",
        f"  API          {base}/api/v1/docs",
        f"  Mails go     {_mails_go(environment)}",
        "",
        "  Ctrl-C stops it.",
        "",
    ]
    print("\n".join(lines), flush=True)


def _mails_go(environment: env.Environment) -> str:
    backend = settings.EMAIL_BACKEND
    if "devmail" in backend:
        return f"here and to {settings.BASE_URL}/dev/mail/"
    if "sendgrid" in backend:
        return "out through SendGrid"
    if "smtp" in backend:
        return f"out through {settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    return f"to {environment.text('EMAIL_URL')}"


def _watch(children: Children) -> int:
    while True:
        for name, child in children:
            code = child.poll()
            if code is not None:
                print(f"The {name} process ended by itself (status {code}), so everything stops.", file=sys.stderr)
                return code if code > 0 else 1
        time.sleep(0.2)


def _end(children: Children) -> None:
    for _, child in children:
        if child.poll() is None:
            child.terminate()
    end = time.monotonic() + STOP_LIMIT
    for _, child in children:
        try:
            child.wait(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


if __name__ == "__main__":
    main()
