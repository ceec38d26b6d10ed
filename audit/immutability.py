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
from .triggers import ASKED, DIALECTS, LETS_GO, Dialect, Trigger

logger = logging.getLogger(__name__)


def install(connection: BaseDatabaseWrapper, *, migrating: bool = False) -> None:
    """Put in place the triggers that are missing or altered; leave the others alone.

    While *migrating* no row may go, archived or not: a trigger that asks other tables would keep
    SQLite from rebuilding these. The end of every migrate brings it back.
    """
    dialect = _dialect(connection)
    for table in _tables(connection, TABLES):
        lets_go = not migrating and _lets_go(connection, table)
        absent = _absent(connection, dialect, table, dialect.triggers(table, lets_go))
        if not absent:
            continue
        with authorizer.disarmed(connection), connection.cursor() as cursor:
            if dialect.before:
                cursor.execute(dialect.before(table, lets_go))
            for trigger in absent:
                cursor.execute(dialect.drop.format(name=trigger.name, table=table))
                cursor.execute(trigger.create)


def uninstall(connection: BaseDatabaseWrapper, tables: Sequence[str] = TABLES) -> None:
    """Drop the triggers of *tables*. For the migrations backwards and ``lifted`` alone."""
    dialect = _dialect(connection)
    for table in _tables(connection, tables):
        with authorizer.disarmed(connection), connection.cursor() as cursor:
            for trigger in dialect.triggers(table, False):  # noqa: FBT003 - either has the same names
                cursor.execute(dialect.drop.format(name=trigger.name, table=table))
            if dialect.after:
                cursor.execute(dialect.after.format(table=table))


def missing_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Name every trigger that is absent, disabled or not as written.

    A table that does not exist yet misses nothing, and one from which nothing may go, as during a
    migrate, misses nothing either. On MariaDB the database user sees triggers only with the
    TRIGGER privilege.
    """
    dialect, found = _dialect(connection), list[str]()
    for table in _tables(connection, TABLES):
        kinds = {False, _lets_go(connection, table)}
        absent = [{t.name for t in _absent(connection, dialect, table, dialect.triggers(table, k))} for k in kinds]
        found += [t.name for t in dialect.triggers(table, False) if all(t.name in names for names in absent)]  # noqa: FBT003
    return found


@contextmanager
def lifted(connection: BaseDatabaseWrapper, *, reason: str) -> Iterator[None]:
    """Drop the triggers and disarm SQLite's authorizer inside the block; restore both after.

    For the flush between tests; no code of ours uses it: while it is open, every connection of
    the database can change the trail. *reason* goes to the log.

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
    """Disarm the authorizer, so that a migration may alter the tables. The triggers stay, and let nothing go."""
    connection = connections[using]
    authorizer.disarm(connection)
    if connection.vendor == "sqlite" and not missing_triggers(connection):
        install(connection, migrating=True)


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


def _lets_go(connection: BaseDatabaseWrapper, table: str) -> bool:
    return table == LETS_GO and len(_tables(connection, ASKED)) == len(ASKED)


def _absent(
    connection: BaseDatabaseWrapper, dialect: Dialect, table: str, triggers: Sequence[Trigger]
) -> list[Trigger]:
    with connection.cursor() as cursor:
        cursor.execute(dialect.standing, [table])
        standing = {name: tuple(state) for name, *state in cursor.fetchall()}
    return [t for t in triggers if standing.get(t.name) != t.state]
