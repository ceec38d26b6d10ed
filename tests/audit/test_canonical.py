"""The bytes that a seal covers: sorted JSON of every column, the same whatever database they come from."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical
from audit.models import Event

MOMENT = datetime(2026, 11, 21, 7, 8, 9, 120000, UTC)
ROW = {
    "action": "authn_login_success",
    "actor_id": "7",
    "actor_label": "user",
    "actor_type": "user",
    "event_type": "SECURITY",
    "failure_reason": "",
    "id": 5,
    "network": b"\x01\xff\xfe",
    "personal": None,
    "request_id": "",
    "resource": 'ü\n"b"\u2028',
    "session_id": None,
    "success": True,
    "timestamp": MOMENT,
    "user_id": "7",
}
NULLABLE = {field.column for field in Event._meta.concrete_fields if field.null}
TEXTS = [name for name, value in ROW.items() if isinstance(value, str | None) and name != "personal"]
TEXT = (
    '{"action":"authn_login_success","actor_id":"7","actor_label":"user","actor_type":"user","event_type":"SECURITY"'
    ',"failure_reason":"","id":5,"network":"Af/+","personal":null,"request_id":"","resource":"ü\\n\\"b\\"\u2028"'
    ',"session_id":null,"success":true,"timestamp":"2026-11-21T07:08:09.120000Z","user_id":"7","v":1}'
)


def leaf(**changes):
    return canonical.leaf_bytes([{**ROW, **changes}[name] for name in canonical.COLUMNS])


def test_every_column_of_the_table_is_covered():
    assert list(canonical.COLUMNS) == sorted(str(field.column) for field in Event._meta.concrete_fields)


def test_the_form_is_this():
    assert leaf().decode() == TEXT


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": MOMENT.replace(tzinfo=None)},  # SQLite, MariaDB
        {"timestamp": "2026-11-21T07:08:09.120000ZAD"},  # PostgreSQL
        {"timestamp": MOMENT.astimezone(timezone(timedelta(hours=2)))},
        {"success": 1},
        {"network": memoryview(b"\x01\xff\xfe")},
    ],
)
def test_it_is_the_same_however_a_driver_gives_a_value(changes):
    assert leaf(**changes).decode() == TEXT


def test_a_whole_second_has_its_digits_everywhere():
    assert b'"timestamp":"2026-11-21T07:08:09.000000Z"' in leaf(timestamp=MOMENT.replace(microsecond=0))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "5"},
        {"id": None},
        {"success": 2},
        {"success": None},
        {"timestamp": None},
        {"timestamp": 5},
        {"action": b"blob"},
        {"action": datetime(2026, 1, 1, tzinfo=UTC)},
        {"network": "text"},
    ],
)
def test_what_no_event_can_hold_is_said_to_be_so(changes):
    with pytest.raises(canonical.UnreadableError):
        leaf(**changes)


@given(
    st.fixed_dictionaries({name: st.text() | (st.none() if name in NULLABLE else st.nothing()) for name in TEXTS}),
    st.integers(1, 2**63 - 1),
    st.booleans(),
    st.datetimes(timezones=st.just(UTC)),
)
def test_it_is_what_json_writes_sorted(texts, number, flag, moment):
    texts = {name: text and text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    given_row = {**ROW, **texts, "id": number, "success": flag, "timestamp": moment}
    plain = {**given_row, "v": 1, "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z")}
    for name, value in plain.items():
        if isinstance(value, bytes):
            plain[name] = base64.b64encode(value).decode()
    assert (
        canonical.leaf_bytes([given_row[name] for name in canonical.COLUMNS])
        == json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


@pytest.mark.django_db
def test_j13_a_row_has_the_same_bytes_on_every_database(event):
    (row,) = canonical.rows(connection, "e.id = %s", [event.pk])
    values = Event.objects.values(*canonical.COLUMNS).get(pk=event.pk)
    values["timestamp"] = canonical.moment(values["timestamp"])
    values = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in values.items()}
    values = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in values.items()
    }

    assert canonical.leaf_bytes(row) == canonical.dumps({**values, "v": 1})
