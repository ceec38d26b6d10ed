"""The one conditional UPDATE of a refresh, written once a connection: building it costs more than running it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from gatehouse import prepared
from sessions_app import lookup
from sessions_app.models import Session

_KEPT = "_sessions_app_exchange"
_NEW = (
    "refresh_id",
    "refresh_kid",
    "refresh_issued_at",
    "previous_refresh_id",
    "rotated_at",
    "last_used_at",
    "ip",
    "user_agent",
)
_ENDS = ("refresh_expires_at", "idle_expires_at")


def put(sid: UUID, jti: UUID, new: Mapping[str, Any], *, end: datetime, now: datetime) -> Session | None:
    """Put *new* into the row of *sid*, where *jti* is its current token, it is live and its account is active.

    Both ends move to *end*, and never past the absolute one. Returns the session as it now is, with its account, where
    it was this call that did; of any number with the same *jti* one does.
    """
    connection = connections[router.db_for_write(Session)]
    statement: str = vars(connection).get(_KEPT) or vars(connection).setdefault(_KEPT, _statement(connection))
    values = [(name, new[name]) for name in _NEW]
    for name in _ENDS:
        values += [(name, end), (name, end)]
    values += [("id", sid), ("refresh_id", jti), ("idle_expires_at", now), ("absolute_expires_at", now)]
    field: Any = Session._meta.get_field
    columns = lookup.whole()
    with connection.cursor() as cursor:
        given = [field(name).get_db_prep_save(value, connection) for name, value in values]
        prepared.execute(connection, cursor, statement, given)
        if cursor.rowcount != 1:
            return None
        if _tells(connection):
            return lookup.session_of(columns, lookup.query(connection, columns).values(cursor.fetchone()))
    found = lookup.ask(sid, columns)
    return None if found is None else lookup.session_of(columns, found)


def _statement(connection: BaseDatabaseWrapper) -> str:
    quote = connection.ops.quote_name
    user_model: Any = get_user_model()
    mine, theirs = quote(Session._meta.db_table), quote(user_model._meta.db_table)
    column = {field.attname: quote(str(field.column)) for field in Session._meta.concrete_fields}
    key, active = quote(user_model._meta.pk.column), quote(user_model._meta.get_field("is_active").column)
    absolute = f"{mine}.{column['absolute_expires_at']}"
    changes = [f"{column[name]} = %s" for name in _NEW]
    changes += [f"{column[name]} = CASE WHEN {absolute} < %s THEN {absolute} ELSE %s END" for name in _ENDS]
    changes.append(f"{column['rotation']} = {mine}.{column['rotation']} + 1")
    update = f"UPDATE {mine} SET {', '.join(changes)}"  # noqa: S608
    holds = (
        f"{mine}.{column['id']} = %s AND {column['refresh_id']} = %s AND {column['revoked_at']} IS NULL "
        f"AND {column['idle_expires_at']} > %s AND {absolute} > %s"
    )
    is_active = f"{theirs}.{key} = {mine}.{column['user_id']} AND {theirs}.{active}"
    if not _tells(connection):
        return f"{update} WHERE {holds} AND EXISTS (SELECT 1 FROM {theirs} WHERE {is_active})"  # noqa: S608
    told = [f"{mine}.{quote(field.column)}" for field in lookup.whole().session]
    told += [f"{theirs}.{quote(field.column)}" for field in lookup.whole().user]
    return f"{update} FROM {theirs} WHERE {holds} AND {is_active} RETURNING {', '.join(told)}"


def _tells(connection: BaseDatabaseWrapper) -> bool:
    """Whether an UPDATE can give back its row and the one it is joined with: that spares the next statement."""
    return bool(connection.vendor == "postgresql")
