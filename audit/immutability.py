"""The trail cannot be changed: triggers in the database, and SQLite's authorizer besides.

``install`` is called by a migration and again after every migrate, because a table that SQLite
rebuilds for an ALTER comes back without its triggers. ``missing_triggers`` says whether they
stand as written, and a system check asks it.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import NotSupportedError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from . import authorizer
from .authorizer import TABLES
from .triggers import DIALECTS, Dialect, Trigger

logger = logging.getLogger(__name__)


def install(connection: BaseDatabaseWrapper) -> None:
    """Put in place the triggers that are missing or altered; leave the others alone."""
    dialect = _dialect(connection)
    for table in _tables(connection, TABLES):
        absent = _absent(connection, dialect, table)
        if not absent:
            continue
        with authorizer.disarmed(connection), connection.cursor() as cursor:
            if dialect.before:
                cursor.execute(dialect.before.format(table=table))
            for trigger in absent:
                cursor.execute(dialect.drop.format(name=trigger.name, table=table))
                cursor.execute(trigger.create)


def uninstall(connection: BaseDatabaseWrapper, tables: Sequence[str] = TABLES) -> None:
    """Drop the triggers of *tables*. For the migrations backwards and ``lifted`` alone."""
    dialect = _dialect(connection)
    for table in _tables(connection, tables):
        with authorizer.disarmed(connection), connection.cursor() as cursor:
            for trigger in dialect.triggers(table):
                cursor.execute(dialect.drop.format(name=trigger.name, table=table))
            if dialect.after:
                cursor.execute(dialect.after.format(table=table))


def missing_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Name every trigger that is absent, disabled or not as written.

    A table that does not exist yet misses nothing. On MariaDB the database user sees
    triggers only with the TRIGGER privilege.
    """
    dialect = _dialect(connection)
    return [trigger.name for table in _tables(connection, TABLES) for trigger in _absent(connection, dialect, table)]


@contextmanager
def lifted(connection: BaseDatabaseWrapper, *, reason: str) -> Iterator[None]:
    """Drop the triggers and disarm SQLite's authorizer inside the block; restore both after.

    For the flush between tests, and for archiving. Nothing else may use it: while it is
    open, every connection of the database can change the trail. *reason* goes to the log.

    Use it outside a transaction: MariaDB commits at each of these statements, so there an
    open transaction is refused.
    """
    if connection.in_atomic_block and not connection.features.can_rollback_ddl:
        raise TransactionManagementError("lifted() would commit the open transaction.")
    logger.warning("audit guard lifted on %s: %s", connection.alias, reason)
    with authorizer.disarmed(connection):
        uninstall(connection)
        try:
            yield
        finally:
            install(connection)


def before_migrate(using: str, **kwargs: object) -> None:
    """Disarm the authorizer, so that a migration may alter the tables. The triggers stay."""
    authorizer.disarm(connections[using])


def after_migrate(using: str, **kwargs: object) -> None:
    """Put back what a migration took away, and arm the authorizer again."""
    install(connections[using])
    authorizer.arm(connections[using])


def on_connection(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Arm the authorizer of a new connection."""
    authorizer.arm(connection)


def _dialect(connection: BaseDatabaseWrapper) -> Dialect:
    try:
        return DIALECTS[connection.vendor]
    except KeyError:
        raise NotSupportedError(f"The audit trail has no guard for {connection.vendor}.") from None


def _tables(connection: BaseDatabaseWrapper, wanted: Sequence[str]) -> list[str]:
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
    return [table for table in wanted if table in present]


def _absent(connection: BaseDatabaseWrapper, dialect: Dialect, table: str) -> list[Trigger]:
    with connection.cursor() as cursor:
        cursor.execute(dialect.standing, [table])
        standing = {name: tuple(state) for name, *state in cursor.fetchall()}
    return [t for t in dialect.triggers(table) if standing.get(t.name) != t.state]
