"""What a seal covers: one event as bytes, the same on every database and after a move from one to another.

The form is JSON with sorted keys, without spaces, in UTF-8: every column under its own name, and the version of the
form under ``v``. Moments are as in RFC 3339, in UTC, with six digits and ``Z``; bytes are in standard base64; what is
NULL is ``null``. It is put together by hand from what the driver returns, because each event of a trail passes here
whenever that is verified (a test holds it against ``json``).
"""

import json
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring as quoted
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

VERSION = 1
# What a driver raises for a value that no event can hold: a text that is no UTF-8, a year past 9999.
FAULTS = (DatabaseError, ValueError, OverflowError)
_DIGITS = len("2026-11-21T07:08:09.120000")
_ERA = "AD"  # without it a year before Christ would look like one after
_AS_TEXT = f'YYYY-MM-DD"T"HH24:MI:SS.US"Z"{_ERA}'


class UnreadableError(ValueError):
    """Raised by leaf_bytes() for a row that holds what no event can hold."""


def dumps(value: Any) -> bytes:
    """Return *value* as canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def moment(value: datetime) -> str:
    """Return *value* as the form has it; one without a zone is in UTC, as SQLite and MariaDB give them."""
    text = value.isoformat(timespec="microseconds")
    if len(text) > _DIGITS and not text.endswith("+00:00"):
        text = value.astimezone(UTC).isoformat(timespec="microseconds")
    return text[:_DIGITS] + "Z"


# Every column of the table, sorted; leaf_bytes() writes them down in this order. A change of the table is a line in
# each of the two, and a new version of the form.
COLUMNS = (
    "action",
    "actor_id",
    "actor_label",
    "actor_type",
    "event_type",
    "failure_reason",
    "id",
    "network",
    "personal",
    "request_id",
    "resource",
    "session_id",
    "success",
    "timestamp",
    "user_id",
)
ID, TIMESTAMP = COLUMNS.index("id"), COLUMNS.index("timestamp")
_FLAGS = {True: "true", False: "false"}  # 1 and 0 are equal to these


def leaf_bytes(row: Sequence[Any]) -> bytes:
    """Return the canonical form of *row*, the values of COLUMNS as the driver returned them.

    Raises UnreadableError for values that no event can hold.
    """
    try:
        return _written(row).encode()
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UnreadableError("the row holds what no event can hold") from error


def _written(row: Sequence[Any]) -> str:
    action, actor_id, actor_label, actor_type, event_type, failure_reason, number, network, personal, *rest = row
    request_id, resource, session_id, success, timestamp, user_id = rest
    return (
        f'{{"action":{quoted(action)},"actor_id":{_text(actor_id)},"actor_label":{quoted(actor_label)}'
        f',"actor_type":{quoted(actor_type)},"event_type":{quoted(event_type)}'
        f',"failure_reason":{quoted(failure_reason)},"id":{number:d},"network":{_bytes(network)}'
        f',"personal":{_bytes(personal)},"request_id":{quoted(request_id)},"resource":{quoted(resource)}'
        f',"session_id":{_text(session_id)},"success":{_FLAGS[success]},"timestamp":"{_moment(timestamp)}"'
        f',"user_id":{_text(user_id)},"v":{VERSION}}}'
    )


def _moment(value: Any) -> str:
    return value.removesuffix(_ERA) if type(value) is str else moment(value)


def _text(value: Any) -> str:
    return "null" if value is None else quoted(value)


def _bytes(value: Any) -> str:
    return "null" if value is None else f'"{b2a_base64(value, newline=False).decode()}"'


def columns(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return the list of COLUMNS of *table* for a SELECT on *connection*."""
    quote = connection.ops.quote_name
    named = {name: f"{table}.{quote(name)}" for name in COLUMNS}
    if connection.vendor == "postgresql":  # reading a moment in Python costs half of what all the rest does
        named["timestamp"] = f"to_char({table}.timestamp AT TIME ZONE 'UTC', '{_AS_TEXT}')"
    return ", ".join(named.values())


def as_fetched(connection: BaseDatabaseWrapper, value: datetime) -> Any:
    """Return *value* as rows() gives moments, to be compared with them."""
    if connection.vendor == "postgresql":
        return moment(value) + _ERA
    return value.astimezone(UTC).replace(tzinfo=None)


def moment_in(line: bytes, like: Any) -> Any:
    """Return the moment of an event in its canonical form as rows() gives moments, of which *like* is one.

    None where *line* is no event.
    """
    try:
        text = json.loads(line)["timestamp"]
        return text + _ERA if type(like) is str else datetime.fromisoformat(text.removesuffix("Z"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def rows(connection: BaseDatabaseWrapper, condition: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Return the events for which *condition* holds of ``e``, by id; *condition* is SQL of our own."""
    statement = f"SELECT {columns(connection, 'e')} FROM audit_event e WHERE {condition}"  # noqa: S608 - our own names
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        yield from cursor.fetchall()
