"""What stops this process from taking the guard of the trail away, as long as it is armed.

Triggers keep rows from being changed; this keeps a statement of ours from dropping the triggers, or the table, or
from emptying it in a way that no trigger sees (``manage.py flush`` does that on MariaDB). Only migrate and ``lifted``
disarm it.

* On SQLite it is the engine's own authorizer, asked before a statement is even prepared. Nothing gets round it within
  the process; another process that opens the file is not held by it. SQLite has no privileges to forbid more.
* Elsewhere it reads the statement's text, which stops accidents and plain raw SQL, not somebody who builds the text
  inside the database. The true fence there is a database user with SELECT and INSERT alone.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

# Every table of the trail; a new one is added here and in a migration that installs its triggers.
TABLES = ("audit_event", "audit_seal", "audit_sealedevent", "audit_archive")

# What names the table. The last four would put something of the same name before it.
_ON_TABLE = frozenset(
    {
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_VTABLE,
    }
)
# What names a trigger, then its table. A foreign trigger could swallow inserts without a word.
_ON_TRIGGER = frozenset(
    {sqlite3.SQLITE_DROP_TRIGGER, sqlite3.SQLITE_CREATE_TRIGGER, sqlite3.SQLITE_CREATE_TEMP_TRIGGER}
)
# A statement about the structure of a table of the trail, its triggers or their function. A plain CREATE TABLE or
# CREATE INDEX passes: it takes nothing away.
_STRUCTURE = re.compile(
    r"(?:^|;)(?:\s|/\*.*?\*/|--[^\n]*\n)*"
    r"(?:truncate|drop|rename|alter|create(?!\s+(?:unique\s+)?(?:table|index)\b))\b[^;]*"
    rf"\b(?:{'|'.join(TABLES)})(?:_no_\w+|_refuse)?\b",
    re.IGNORECASE | re.DOTALL,
)
_MARK = "audit_is_armed"  # set on the connection; a proxy of it passes that on


def arm(connection: BaseDatabaseWrapper) -> None:
    """Refuse from now on, on this connection, what would take the guard away.

    On SQLite this also expires what was prepared before, so that no cached statement slips through.
    """
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.set_authorizer(_answer)
    elif _read_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_read_statement)
    setattr(connection, _MARK, True)


def disarm(connection: BaseDatabaseWrapper) -> None:
    """Let every statement of this connection pass, until it is armed again or reopened."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.connection.set_authorizer(None)
    setattr(connection, _MARK, False)


@contextmanager
def disarmed(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Disarm inside the block, and arm afterwards where it was armed before."""
    was_armed = getattr(connection, _MARK, False)
    disarm(connection)
    try:
        yield
    finally:
        if was_armed:
            arm(connection)


@contextmanager
def letting_rows_go(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let a DELETE on ``audit_event`` come as far as its trigger inside the block; for ``clearing`` alone."""
    asked = connection.vendor == "sqlite" and getattr(connection, _MARK, False)
    if asked:
        connection.connection.set_authorizer(_answer_clearing)
    try:
        yield
    finally:
        if asked:
            arm(connection)


def _answer_clearing(*what: Any) -> int:
    return sqlite3.SQLITE_OK if what[:2] == (sqlite3.SQLITE_DELETE, "audit_event") else _answer(*what)


def _answer(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
    match action:
        case sqlite3.SQLITE_PRAGMA:
            refused = _unlocks_schema(first, second)
        case sqlite3.SQLITE_CREATE_TABLE:
            refused = database == "temp" and _is_guarded(first)
        case sqlite3.SQLITE_ALTER_TABLE:
            # a temporary table could be renamed to stand before the real one
            refused = first == "temp" or _is_guarded(second)
        case _:
            refused = (action in _ON_TABLE and _is_guarded(first)) or (action in _ON_TRIGGER and _is_guarded(second))
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _read_statement(
    execute: Callable[..., Any], statement: Any, params: Any, many: Any, context: dict[str, Any]
) -> Any:
    armed = getattr(context["connection"], _MARK, False)
    if armed and isinstance(statement, str) and _STRUCTURE.search(statement):
        raise OperationalError("not authorized: the audit trail keeps its table and its triggers")
    return execute(statement, params, many, context)


def _is_guarded(name: str | None) -> bool:
    return name is not None and name.lower() in TABLES


def _unlocks_schema(pragma: str | None, value: str | None) -> bool:
    return value is not None and (pragma or "").lower() == "writable_schema"
