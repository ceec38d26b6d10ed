"""Statements of the busiest roads, written once a connection and planned once a connection of PostgreSQL: building one
costs more than running it, and so does planning a join.

Plans are kept only on connections that a pool of this process holds: behind a pooler in between, the next statement
may run on another connection, which knows nothing of what was prepared.
"""

import itertools
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

Values = list[Any]

_QUERIES = "_gatehouse_queries"
_PREPARED = "_gatehouse_prepared"
_PLACE = re.compile("%s")
_names = itertools.count(1)  # a connection of a pool belongs to one process


@dataclass(frozen=True, slots=True)
class Query:
    """A written query: its statement, its parameters, and what turns a row of this connection into values."""

    statement: str
    parameters: tuple[Any, ...]
    converters: dict[int, tuple[list[Any], Any]]
    compiler: SQLCompiler

    def values(self, row: Sequence[Any]) -> Values:
        """Return what *row* means in Python."""
        return list(*self.compiler.apply_converters([row], self.converters)) if self.converters else list(row)


def query(connection: BaseDatabaseWrapper, name: Hashable, rows: Callable[[], "QuerySet[Any, Any]"]) -> Query:
    """Return the query that *rows* makes, a ``values_list``; written at the first call for *name* on *connection*."""
    kept: dict[Hashable, Query] = vars(connection).setdefault(_QUERIES, {})
    found = kept.get(name)
    if found is None:
        compiler = rows().query.get_compiler(connection=connection)
        statement, parameters = compiler.as_sql()
        converters = compiler.get_converters([expression for expression, *_ in compiler.select])
        found = kept[name] = Query(statement, tuple(parameters), converters, compiler)
    return found


def first(connection: BaseDatabaseWrapper, query: Query, parameters: Sequence[Any]) -> Values | None:
    """Run *query* with *parameters* in place of its own; return the values of its first row, None without one."""
    with connection.cursor() as cursor:
        execute(connection, cursor, query.statement, parameters)
        row = cursor.fetchone()
    return None if row is None else query.values(row)


def insert(row: Model) -> None:
    """Insert *row*, as ``save(force_insert=True)`` would, but for its signals; a key that it has not, it gets.

    What the database fills in by itself is read when somebody asks for it.
    """
    meta, connection = row._meta, connections[router.db_for_write(type(row))]
    fields = [field for field in meta.local_concrete_fields if field is not meta.pk or row.pk is not None]
    given = [field for field in fields if not field.has_db_default()]
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in given]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in given)
    places = ", ".join(["%s"] * len(given))
    key = quote(str(meta.pk.column))
    statement = f"INSERT INTO {quote(meta.db_table)} ({names}) VALUES ({places}) RETURNING {key}"  # noqa: S608
    with connection.cursor() as cursor:
        execute(connection, cursor, statement, values)
        if row.pk is None:
            row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, connection.alias
    for field in set(fields).difference(given):
        vars(row).pop(field.attname, None)


def lock(model: type[Model], **facts: object) -> bool:
    """Lock the row of *model* of which *facts* hold, until the end of the transaction; return whether there is one.

    Rows that point to it may go on being written, where the database can tell the two apart. SQLite has no such lock;
    there a transaction that writes is alone. Raises TransactionManagementError outside a transaction.
    """
    connection = connections[router.db_for_write(model)]
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A row is locked inside a transaction only.")
    quote, features = connection.ops.quote_name, connection.features
    fields: dict[str, Any] = {name: model._meta.get_field(name) for name in facts}
    holds = " AND ".join(
        f"{quote(field.column)} {'IS NULL' if facts[name] is None else '= %s'}" for name, field in fields.items()
    )
    end = ""
    if features.has_select_for_update:
        end = " " + connection.ops.for_update_sql(no_key=features.has_select_for_no_key_update)
    statement = f"SELECT 1 FROM {quote(model._meta.db_table)} WHERE {holds}{end}"  # noqa: S608
    with connection.cursor() as cursor:
        known = [(field, facts[name]) for name, field in fields.items() if facts[name] is not None]
        given = [field.get_db_prep_value(value, connection) for field, value in known]
        execute(connection, cursor, statement, given)
        return cursor.fetchone() is not None


def execute(connection: BaseDatabaseWrapper, cursor: Any, statement: str, parameters: Sequence[Any]) -> None:
    """Run *statement*, in which each ``%s`` stands for one of *parameters*, on *cursor* of *connection*."""
    if connection.vendor != "postgresql" or "pool" not in connection.settings_dict["OPTIONS"]:
        cursor.execute(statement, parameters)
        return
    name, text, call = _as_prepared(statement)
    there: set[str] = vars(connection.connection).setdefault(_PREPARED, set())
    if name not in there:
        cursor.execute(text)
        there.add(name)
    cursor.execute(call, parameters)


@lru_cache(maxsize=32)
def _as_prepared(statement: str) -> tuple[str, str, str]:
    """Return a name, the text that prepares *statement* under it, and the call that runs it."""
    name = f"gatehouse_{next(_names)}"
    numbers = itertools.count(1)
    body = _PLACE.sub(lambda _place: f"${next(numbers)}", statement)
    places = ", ".join(["%s"] * (next(numbers) - 1))
    return name, f"PREPARE {name} AS {body}", f"EXECUTE {name} ({places})"
