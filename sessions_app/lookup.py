"""One session with its account, by one query that is written once a connection; and the same as bytes for a cache."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from gatehouse import prepared
from gatehouse.prepared import Values
from sessions_app.conf import app_settings
from sessions_app.models import Session

Field = Any  # django.db.models.Field takes no parameters while the program runs

# What no request asks for but a refresh and a proof of identity, which read it where they need it.
_SELDOM = frozenset(
    {
        "refresh_id",
        "refresh_kid",
        "refresh_issued_at",
        "refresh_expires_at",
        "previous_refresh_id",
        "rotated_at",
        "rotation",
        "revoked_by",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Which columns of a session and of its account are read together; the others are read when somebody asks."""

    session: tuple[Field, ...]
    user: tuple[Field, ...]
    session_names: frozenset[str]
    user_names: frozenset[str]

    @property
    def names(self) -> list[str]:
        """The columns as a query of sessions calls them, in the order of their values."""
        return [field.attname for field in self.session] + [f"user__{field.attname}" for field in self.user]


def whole() -> Columns:
    """Return every column."""
    return _columns(frozenset(), ())


def usual() -> Columns:
    """Return what a request needs to know of its caller: no password hash, nothing of the refresh token."""
    return _columns(_SELDOM, app_settings().CACHE_LEAVES_OUT)


def ask(sid: UUID, columns: Columns) -> Values | None:
    """Return the values of *columns* for session *sid*, by one query; None where there is no such session."""
    connection = connections[router.db_for_read(Session)]
    return prepared.first(connection, query(connection, columns), [Session._meta.pk.get_db_prep_value(sid, connection)])


def query(connection: BaseDatabaseWrapper, columns: Columns) -> prepared.Query:
    """Return the query of *columns*: every request asks it, and writing it costs more than asking."""
    return prepared.query(
        connection, columns, lambda: Session.objects.filter(pk=UUID(int=0)).values_list(*columns.names)
    )


def session_of(columns: Columns, values: Values) -> Session:
    """Return the session, with its account, that *values* of *columns* describe."""
    database, number = router.db_for_read(Session), len(columns.session)
    session = Session.from_db(database, columns.session_names, values[:number])
    user = get_user_model().from_db(database, columns.user_names, values[number:])
    Session._meta.get_field("user").set_cached_value(session, user)
    return session


def pack(columns: Columns, values: Values) -> bytes:
    """Return *values* as bytes, marked by their columns: another release may have others."""
    coded = [_plain(value) for value in values]
    return _mark(columns) + json.dumps(coded, separators=(",", ":")).encode()


def unpack(columns: Columns, packed: bytes) -> Values | None:
    """Return the values in *packed*, or None where they are of other columns."""
    mark = _mark(columns)
    if not packed.startswith(mark):
        return None
    values: Values = json.loads(packed[len(mark) :])
    for place, read in _readers(columns):
        if values[place] is not None:
            values[place] = read(values[place])
    return values


@cache
def _columns(seldom: frozenset[str], left_out: tuple[str, ...]) -> Columns:
    session = tuple(field for field in Session._meta.concrete_fields if field.attname not in seldom)
    user = tuple(field for field in get_user_model()._meta.concrete_fields if field.attname not in left_out)
    if seldom:
        user = tuple(field for field in user if _is_portable(field))
    names = (frozenset(field.attname for field in fields) for fields in (session, user))
    return Columns(session, user, *names)


_PORTABLE: dict[str, Callable[[Any], Any] | None] = {
    "UUIDField": UUID,
    "DateTimeField": datetime.fromisoformat,
    **dict.fromkeys(
        (
            "AutoField",
            "BigAutoField",
            "SmallAutoField",
            "BigIntegerField",
            "IntegerField",
            "PositiveBigIntegerField",
            "PositiveIntegerField",
            "PositiveSmallIntegerField",
            "SmallIntegerField",
            "BooleanField",
            "CharField",
            "EmailField",
            "SlugField",
            "TextField",
            "URLField",
            "FileField",
            "GenericIPAddressField",
            "JSONField",
        )
    ),
}


def _is_portable(field: Field) -> bool:
    """Whether JSON brings the value of *field* back as it was; what it does not is read when somebody asks."""
    return _kind(field) in _PORTABLE and not hasattr(field, "from_db_value")


def _kind(field: Any) -> str:
    while field.is_relation:
        field = field.target_field
    return str(field.get_internal_type())


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return value.isoformat() if isinstance(value, datetime) else value


@cache
def _readers(columns: Columns) -> list[tuple[int, Callable[[Any], Any]]]:
    fields = [*columns.session, *columns.user]
    found = [(place, _PORTABLE[_kind(field)]) for place, field in enumerate(fields)]
    return [(place, read) for place, read in found if read is not None]


@cache
def _mark(columns: Columns) -> bytes:
    return hashlib.sha256(" ".join(columns.names).encode()).digest()[:8]
