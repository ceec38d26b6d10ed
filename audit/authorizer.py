"""SQLite's authorizer: this process cannot even prepare a statement that changes the trail.

A trigger can be dropped, and a table too, and SQLite has no privileges to forbid it. So every
connection that Django opens asks this function before it prepares a statement. It names
what is refused and lets all else pass, SELECT and introspection included. Another process that
opens the file is not held by it; that is for the seals to find.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from django.db.backends.base.base import BaseDatabaseWrapper

# Every table of the trail; a new one is added here and in a migration that installs its triggers.
TABLES = ("audit_event",)

# What names the table first. The last four would put something of the same name before it.
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
# What names something else first. A foreign trigger could swallow inserts without a word.
_BESIDE_TABLE = frozenset(
    {
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
    }
)

_armed: WeakSet[BaseDatabaseWrapper] = WeakSet()


def arm(connection: BaseDatabaseWrapper) -> None:
    """Have SQLite ask before each statement; nothing to do on another database.

    Setting it also expires what was prepared before, so no cached statement slips through.
    """
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.set_authorizer(_answer)
        _armed.add(connection)


def disarm(connection: BaseDatabaseWrapper) -> None:
    """Let every statement of this connection pass, until it is armed again or reopened."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.set_authorizer(None)
        _armed.discard(connection)


@contextmanager
def disarmed(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Disarm inside the block, and arm afterwards where it was armed before."""
    was_armed = connection in _armed
    disarm(connection)
    try:
        yield
    finally:
        if was_armed:
            arm(connection)


def _answer(
    action: int, first: str | None, second: str | None, database: str | None, inner: str | None
) -> int:
    if action in _ON_TABLE:
        refused = _is_guarded(first)
    elif action in _BESIDE_TABLE:
        refused = _is_guarded(second)
    else:
        refused = action == sqlite3.SQLITE_PRAGMA and _unlocks_schema(first, second)
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _is_guarded(name: str | None) -> bool:
    return name is not None and name.lower() in TABLES


def _unlocks_schema(pragma: str | None, value: str | None) -> bool:
    return value is not None and (pragma or "").lower() == "writable_schema"
