"""What each kind of ``DATABASE_URL`` becomes: engine, pool and options."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import environ
import pymysql

from config.env import BASE_DIR, Environment, Fault

CONNECT_TIMEOUT = 3  # seconds; a dead database answers 503 within 5
MYSQL_TIMEOUT = 10  # seconds; config.patience gives a web process less
_UNACKNOWLEDGED = 4000  # milliseconds until a peer that acknowledges nothing counts as gone
_SQLITE_TIMEOUT = 5

_FILE = "gatehouse.sqlite3"  # in VAR_DIR, where no database is named

_SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
_MYSQL = "django.db.backends.mysql"
_ENGINES = {
    "sqlite": _SQLITE,
    "sqlite3": _SQLITE,
    "postgres": POSTGRESQL,
    "postgresql": POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}

# WAL and an immediate lock let the web processes and the worker write side by side; recursive_triggers makes
# REPLACE run the delete triggers that keep the audit trail from being rewritten.
_PRAGMAS = (
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=NORMAL;"
    "PRAGMA foreign_keys=ON;"
    f"PRAGMA busy_timeout={_SQLITE_TIMEOUT * 1000};"
    "PRAGMA recursive_triggers=ON"
)


def database(env: Environment) -> dict[str, Any]:
    """Return Django's settings for the database the environment names."""
    try:
        url = env.text("DATABASE_URL") or f"sqlite:///{env.text('VAR_DIR')}/{_FILE}"
        return from_url(url, pool=pool_options(env))
    except ValueError as error:
        env.faults.append(Fault("DATABASE_URL", str(error)))
        return from_url("sqlite://:memory:")


def from_url(url: str, *, pool: dict[str, float] | None = None) -> dict[str, Any]:
    """Return Django's settings for *url*; raise ValueError that says what a URL looks like."""
    scheme = url.partition(":")[0].lower()
    if scheme not in _ENGINES:
        raise ValueError("must begin with sqlite:///, postgresql:// or mysql://.")
    try:
        found = environ.Env.db_url_config(_plus_kept(url), engine=_ENGINES[scheme])
    except ValueError:
        raise ValueError("is not a URL. Percent-encode the user name and the password in it.") from None
    if scheme.startswith("sqlite"):
        return _sqlite(found)
    if not found["NAME"]:
        raise ValueError("names no database. Put its name after the host: postgresql://user:password@host/name.")
    return _postgresql(found, pool) if found["ENGINE"] == POSTGRESQL else _mysql(found)


def pool_options(env: Environment) -> dict[str, float] | None:
    """Return psycopg's pool as the environment wants it, or None where it is off."""
    if env.text("DB_POOL") == "off":
        return None
    least, most = env.number("DB_POOL_MIN"), env.number("DB_POOL_MAX")
    if least > most:
        env.faults.append(Fault("DB_POOL_MAX", "is smaller than DB_POOL_MIN. Put the larger number there."))
        most = least
    return {"min_size": least, "max_size": most, "timeout": env.duration("DB_POOL_TIMEOUT").total_seconds()}


def is_sqlite(settings: dict[str, Any]) -> bool:
    """Tell whether these settings mean SQLite."""
    return bool(settings["ENGINE"] == _SQLITE)


def _sqlite(found: dict[str, Any]) -> dict[str, Any]:
    name = found["NAME"]
    if name != ":memory:":
        path = BASE_DIR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        name = str(path)
    return {
        "ENGINE": _SQLITE,
        "NAME": name,
        "OPTIONS": {"timeout": _SQLITE_TIMEOUT, "transaction_mode": "IMMEDIATE", "init_command": _PRAGMAS},
    }


def _postgresql(found: dict[str, Any], pool: dict[str, float] | None) -> dict[str, Any]:
    waits = {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": _UNACKNOWLEDGED}
    options: dict[str, Any] = {**waits, **found.pop("OPTIONS", {})}
    if pool:
        options["pool"] = pool
    return {
        **found,
        "CONN_MAX_AGE": 0,  # a pool keeps the connections; without one none may outlive a request
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": pool is None,  # a pooler in between may change the connection
        "TIME_ZONE": None,  # None is UTC on the connection, whatever the server or the machine says
        "OPTIONS": options,
    }


def _mysql(found: dict[str, Any]) -> dict[str, Any]:
    pymysql.install_as_MySQLdb()
    options: dict[str, Any] = {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        "init_command": "SET sql_mode='TRADITIONAL', time_zone='+00:00', innodb_lock_wait_timeout=5",
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": MYSQL_TIMEOUT,
        "write_timeout": MYSQL_TIMEOUT,
        **found.pop("OPTIONS", {}),
    }
    return {
        **found,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
        "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"},
    }


def _plus_kept(url: str) -> str:
    """Keep a ``+`` in a user name or password: it means itself there, not a blank."""
    parts = urlsplit(url)
    account, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=account.replace("+", "%2B") + at + host)) if at else url
