"""The site as processes: gunicorn and the worker on a database of their own, started and killed by a test."""

import atexit
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pymysql
import pytest
from django.conf import settings
from psycopg.types.json import set_json_loads

from tests.mailsink import Sink

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0
_numbers = itertools.count()
Process = subprocess.Popen[bytes]


class LiveSite:
    """One running site. ``env`` adds variables; mails go to ``mails``, a sink of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.mails = Sink()
        self.mails.start()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = _Database(folder)
        self.env = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TZ"}},
            "ENV_FILE": "",
            "VAR_DIR": str(folder),
            "PORT": str(self.port),
            "DATABASE_URL": self.database.url,
            "EMAIL_URL": self.mails.url,
            "EMAIL_FROM": "Gatehouse <no-reply@example.com>",
            "ARGON2_MEMORY": "8",
            "DB_POOL_MAX": "6",
            "WEB_THREADS": "8",
            **dict.fromkeys(("LIMIT_ANONYMOUS", "LIMIT_GUEST", "LIMIT_USER", "LIMIT_STAFF"), "100000"),
            **env,
        }
        self.web: Process | None = None
        self.worker: Process | None = None

    @property
    def log(self) -> str:
        """All that the processes have written."""
        path = self.folder / "log.txt"
        return path.read_text() if path.exists() else ""

    def start(self, *, worker: bool = True) -> "LiveSite":
        """Migrate, serve and, unless told otherwise, send mails."""
        self.migrate()
        self.start_web()
        if worker:
            self.start_worker()
        return self

    def migrate(self) -> None:
        """Make the database: by the command for the first site of a process, as a copy of that one for the others."""
        if _pattern.copy_to(self.database):
            return
        self.database.create()
        self.manage("migrate", "--noinput")
        _pattern.keep(self.database)

    def start_web(self) -> None:
        self.web = self._popen("-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi")
        _wait(self._answers, f"the web server did not answer:\n{self.log}")

    def start_worker(self) -> None:
        self.worker = self._popen("manage.py", "worker")

    def kill_web(self) -> None:
        """End the web server the hard way, its workers included."""
        _kill(self.web)

    def kill_worker(self) -> None:
        _kill(self.worker)

    def manage(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of Django's commands on this site."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, f"manage.py {words[0]} failed:\n{done.stdout}{done.stderr}"
        return done

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the site's database past the site."""
        return [tuple(row) for row in json.loads(json.dumps(self.database.query(sql), default=str))]

    def stop(self) -> None:
        self.kill_worker()
        self.kill_web()
        self.mails.stop()
        self.database.drop()

    def _popen(self, *words: str) -> Process:
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self) -> bool:
        assert self.web is None or self.web.poll() is None, f"the web server ended:\n{self.log}"
        try:
            urllib.request.urlopen(f"{self.url}/health/live", timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


class _Database:
    """A database of its own for one site, on the engine that the tests run on."""

    def __init__(self, folder: Path) -> None:
        self.engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
        self.name = f"gatehouse_live_{os.getpid()}_{next(_numbers)}"
        self.server = str(settings.TEST_SERVER_URL)
        self.file = folder / "site.sqlite3"
        self.url = f"sqlite:///{self.file}"
        if self.engine != "sqlite3":
            self.url = urlunsplit(urlsplit(self.server)._replace(path=f"/{self.name}"))

    def create(self) -> None:
        self.run(f"CREATE DATABASE {self.name}" + (" CHARACTER SET utf8mb4" if self.engine == "mysql" else ""))

    def drop(self) -> None:
        self.run(f"DROP DATABASE IF EXISTS {self.name}" + (" WITH (FORCE)" if self.engine == "postgresql" else ""))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Read it by the bare driver: a process of Django's for each question would take longer than most tests."""
        if self.engine == "sqlite3":
            with contextlib.closing(sqlite3.connect(self.file, timeout=20)) as file:
                return file.execute(sql).fetchall()
        if self.engine == "postgresql":
            with psycopg.connect(self.url, autocommit=True) as connection:
                set_json_loads(bytes.decode, connection)  # the text, as the other two give it
                return connection.execute(sql.encode()).fetchall()
        with self._mariadb(self.name) as link, link.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def run(self, sql: str) -> None:
        """Run a statement on the server, where there is one."""
        if self.engine == "postgresql":
            with psycopg.connect(self.server, autocommit=True) as connection:
                connection.execute(sql.encode())
        elif self.engine == "mysql":
            with self._mariadb() as link:
                link.cursor().execute(sql)

    def _mariadb(self, name: str | None = None) -> Any:
        parts = urlsplit(self.server)
        user, password = parts.username or "root", parts.password or ""
        return pymysql.connect(
            host=parts.hostname, port=parts.port or 3306, user=user, password=password, database=name
        )


class _Pattern:
    """A migrated database that this process copies for its sites; MariaDB cannot copy one."""

    def __init__(self) -> None:
        self._name = f"gatehouse_pattern_{os.getpid()}"
        self._file: Path | None = None
        self._made = False

    def keep(self, database: _Database) -> None:
        """Keep a copy of *database*, as it is now, until the process ends."""
        if database.engine == "sqlite3":
            self._file = Path(tempfile.mkdtemp(prefix="gatehouse-pattern-")) / "site.sqlite3"
            with contextlib.closing(sqlite3.connect(database.file)) as source:
                source.execute("VACUUM INTO ?", (str(self._file),))
            atexit.register(shutil.rmtree, self._file.parent, ignore_errors=True)
        elif database.engine == "postgresql":
            database.run(f"CREATE DATABASE {self._name} TEMPLATE {database.name}")
            atexit.register(database.run, f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
        self._made = database.engine != "mysql"

    def copy_to(self, database: _Database) -> bool:
        """Make *database* as a copy of what was kept; return whether something was."""
        if self._file:
            shutil.copyfile(self._file, database.file)
        elif self._made:
            database.run(f"CREATE DATABASE {database.name} TEMPLATE {self._name}")
        return self._made


_pattern = _Pattern()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kill(process: Process | None) -> None:
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def _wait(until: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, complaint
        time.sleep(0.1)


@pytest.fixture(scope="session")
def live_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """One site for the whole run, with rate limits out of the way: for journeys that do not disturb each other."""
    site = LiveSite(tmp_path_factory.mktemp("site"), LIMITS_SCALE="1000")
    try:
        yield site.start()
    finally:
        site.stop()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., LiveSite]]:
    """Return a maker of sites that a test may kill, starve or limit: ``make_site(LIMITS_SCALE="1")``."""
    sites: list[LiveSite] = []

    def make(**env: str) -> LiveSite:
        folder = tmp_path / f"site{len(sites)}"
        folder.mkdir()
        sites.append(LiveSite(folder, **env))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()
