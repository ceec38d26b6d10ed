"""The statements that raise, lower and read counters, in the words of each database: each guess of a password waits
for them, so they are written by hand.

1. Reading and then writing would let two requests pass at once; the one that raises cannot (ASVS 2.3.4, 6.3.1).
2. Keys are sorted, so two statements that share keys take their locks in one order.
3. It runs outside any transaction: a hit must outlive the refusal that follows, and a lock must not wait for it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.db import OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from .deadlocks import is_deadlock

if TYPE_CHECKING:
    from .models import Counter

T = TypeVar("T")

_TRIES = 5


class Counted(NamedTuple):
    """What a counter is after it was raised."""

    hits: int
    window_start: datetime


def raise_hits(
    model: "type[Counter]", hits: Mapping[str, timedelta], now: datetime, *, lowered: Iterable[str] = ()
) -> dict[str, Counted]:
    """Raise the counters of *hits* by one each and lower those of *lowered*; return what the raised ones then are."""
    if not hits:
        return {}
    connection = connections[router.db_for_write(model)]
    _refuse_inside_transaction(connection)
    adapt = connection.ops.adapt_datetimefield_value
    rows = [(key, adapt(now), adapt(now + window), 1) for key, window in hits.items()]
    rows += [(key, adapt(now), adapt(now), 0) for key in lowered]  # 0 lowers; one that is not there is over at once
    parameters = [value for row in sorted(rows, key=itemgetter(0)) for value in row]
    statement = _statement(connection, model._meta.db_table, len(rows))
    found = _run(connection, statement, parameters, lambda cursor: list(cursor.fetchall()))
    return {key: Counted(count, _aware(start)) for key, count, start in found if key in hits}


def lower_hits(model: "type[Counter]", keys: Iterable[str], now: datetime) -> int:
    """Give one hit back to each running counter among *keys*, never below 0; return how many were lowered."""
    connection, keys = connections[router.db_for_write(model)], sorted(keys)
    name, key, end, count = _quoted(connection, model, "key", "expires_at", "hits")
    marks = ", ".join(["%s"] * len(keys))
    mine = f"{key} IN ({marks}) AND {end} > %s AND {count} > 0"
    if connection.vendor == "postgresql":  # an UPDATE locks rows as it finds them, raise_hits in the order of keys
        mine = f"{key} IN (SELECT {key} FROM {name} WHERE {mine} ORDER BY {key} FOR UPDATE)"  # noqa: S608
    update = f"UPDATE {name} SET {count} = {count} - 1 WHERE {mine}"  # noqa: S608
    parameters = [*keys, connection.ops.adapt_datetimefield_value(now)]
    return _run(connection, update, parameters, lambda cursor: int(cursor.rowcount))


def read_hits(model: "type[Counter]", keys: Iterable[str], now: datetime) -> dict[str, Counted]:
    """Return what the running counters among *keys* are."""
    connection, keys = connections[router.db_for_write(model)], sorted(keys)
    name, key, start, end, count = _quoted(connection, model, "key", "window_start", "expires_at", "hits")
    marks = ", ".join(["%s"] * len(keys))
    select = f"SELECT {key}, {count}, {start} FROM {name} WHERE {key} IN ({marks}) AND {end} > %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(select, [*keys, connection.ops.adapt_datetimefield_value(now)])
        return {key: Counted(count, _aware(start)) for key, count, start in cursor.fetchall()}


def _quoted(connection: BaseDatabaseWrapper, model: "type[Counter]", *columns: str) -> list[str]:
    return [connection.ops.quote_name(name) for name in (model._meta.db_table, *columns)]


def _statement(connection: BaseDatabaseWrapper, table: str, rows: int) -> str:
    """Return the statement for *rows* counters.

    MariaDB assigns from left to right and sees what it has assigned, so the end of the window comes last there;
    the others see the row as it was.
    """
    quote = connection.ops.quote_name
    name, key, start, end, count = map(quote, (table, "key", "window_start", "expires_at", "hits"))
    values = ", ".join(["(%s, %s, %s, %s)"] * rows)
    insert = f"INSERT INTO {name} ({key}, {start}, {end}, {count}) VALUES {values}"  # noqa: S608
    if connection.vendor == "mysql":
        over, new = f"{name}.{end} <= VALUES({start})", "VALUES({})"
        update = "ON DUPLICATE KEY UPDATE"
    else:
        over, new = f"{name}.{end} <= EXCLUDED.{start}", "EXCLUDED.{}"
        update = f"ON CONFLICT ({key}) DO UPDATE SET"
    given, had = new.format(count), f"{name}.{count}"
    step = f"WHEN {given} > 0 THEN {had} + 1 WHEN {had} > 0 THEN {had} - 1 ELSE 0"
    return (
        f"{insert} {update} "
        f"{count} = CASE WHEN {over} THEN {given} {step} END, "
        f"{start} = CASE WHEN {over} THEN {new.format(start)} ELSE {name}.{start} END, "
        f"{end} = CASE WHEN {over} THEN {new.format(end)} ELSE {name}.{end} END "
        f"RETURNING {key}, {count}, {start}"
    )


def _run(connection: BaseDatabaseWrapper, statement: str, parameters: list[Any], read: Callable[[Any], T]) -> T:
    """Run *statement*, once more where another statement won a deadlock, and return what *read* makes of it."""
    for attempt in range(1, _TRIES + 1):
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return read(cursor)
        except OperationalError as error:
            if attempt == _TRIES or not is_deadlock(error):
                raise
            time.sleep(0.01 * attempt)
    raise AssertionError("unreachable")


def _refuse_inside_transaction(connection: BaseDatabaseWrapper) -> None:
    """Refuse to count inside somebody's transaction; the one that a test case opens does not count."""
    blocks: list[Any] = connection.atomic_blocks
    if any(not block._from_testcase for block in blocks):
        raise RuntimeError("Limits are taken before a transaction, never inside one.")


def _aware(value: Any) -> datetime:
    moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
