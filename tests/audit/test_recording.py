"""``audit.record``: what it writes, what it refuses, and whose transaction it stands in."""

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

import audit
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from tests.audit.conftest import CLIENT, stored
from tests.faults.trail import no_new_events

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def test_every_column_is_written(write):
    event = write(
        event_type="ADMIN",
        action="authz_admin",
        user_id=UUID(int=7),
        actor=Actor("user", "9", "admin"),
        email="Jane@Example.com",
        resource="/users/7",
        success=False,
        failure_reason="not_permitted",
        error_message="No.",
        session_id=UUID(int=5),
        details={"before": {"role": "user"}, "at": datetime(2026, 11, 1, tzinfo=UTC)},
    )

    row = stored(event)
    assert row.pop("id") == event.pk
    assert row.pop("timestamp") == event.timestamp
    assert row == {
        "event_type": "ADMIN",
        "action": "authz_admin",
        "user_id": str(UUID(int=7)),
        "actor_type": "user",
        "actor_id": "9",
        "actor_label": "admin",
        "email": "Jane@Example.com",
        "resource": "/users/7",
        "success": False,
        "failure_reason": "not_permitted",
        "error_message": "No.",
        "details": {"before": {"role": "user"}, "at": "2026-11-01T00:00:00Z"},
        "ip_address": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
        "request_id": "request-1",
        "session_id": str(UUID(int=5)),
    }


def test_what_is_not_known_is_null_or_empty(write):
    row = stored(write(client=Client.local("cleanup"), success=False))

    assert row["actor_type"] == "anonymous"
    assert (row["user_id"], row["actor_id"], row["email"], row["ip_address"], row["session_id"]) == (None,) * 5
    assert (row["resource"], row["failure_reason"], row["error_message"], row["details"]) == ("", "", "", {})


@pytest.mark.parametrize(
    ("column", "length"), [("resource", 1000), ("email", 254), ("user_id", 255), ("session_id", 64)]
)
def test_a_longer_value_is_cut_with_a_mark(write, column, length):
    exact = stored(write(**{column: "x" * length}))
    cut = stored(write(**{column: "x" * (length + 1)}))

    assert exact[column] == "x" * length
    assert cut[column] == "x" * (length - 1) + "…"


def test_a_longer_user_agent_is_cut_with_a_mark(write):
    row = stored(write(client=Client(ip=None, user_agent="x" * 501)))

    assert row["user_agent"] == "x" * 499 + "…"


def test_text_that_a_database_cannot_store_never_fails_the_insert(write):
    row = stored(write(email="a\x00b\ud800", error_message="\udfff", client=Client(ip=None, user_agent="\x00")))

    assert (row["email"], row["error_message"], row["user_agent"]) == ("a\ufffdb\ufffd", "\ufffd", "\ufffd")


def test_details_with_such_text_are_stored_too(write):
    row = stored(write(details={"na\x00me": ["a\x00", {"b": "\ud800"}], "n": 1, "none": None}))

    assert row["details"] == {"na\ufffdme": ["a\ufffd", {"b": "\ufffd"}], "n": 1, "none": None}


@pytest.mark.parametrize("text", ["𝔘𝔫𝔦 🎉", "a\r\nb\u2028c\x1b[31m", "'; DROP TABLE audit_event; --", "%s %(x)s {}"])
def test_j09_any_other_text_comes_back_as_it_was(write, text):
    assert stored(write(error_message=text, email=text))["error_message"] == text


WRONG = {
    "event type": {"event_type": "OTHER"},
    "empty action": {"action": ""},
    "long action": {"action": "a" * 101},
    "loud action": {"action": "Login Failed"},
    "reason without failure": {"failure_reason": "locked"},
    "unknown reason": {"failure_reason": "just because", "success": False},
    "details that are no JSON": {"details": {"x": object()}},
    "details that are not a number": {"details": {"x": math.nan}},
    "too many details": {"details": {"x": "y" * 20_000}},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_the_trail_does_not_know_is_refused(write, wrong):
    with pytest.raises(ValueError):
        write(**wrong)

    assert Event.objects.count() == 0


def test_the_size_of_details_is_a_setting(write, settings):
    settings.AUDIT = settings.AUDIT | {"DETAILS_MAX_BYTES": 10}

    write(details={"x": 1})
    with pytest.raises(ValueError, match="10 bytes"):
        write(details={"x": 1000})


def test_an_event_goes_with_the_transaction_of_the_caller(db):
    with pytest.raises(RuntimeError), transaction.atomic():
        audit.record(event_type="SYSTEM", action="sys_started", client=CLIENT)
        raise RuntimeError

    assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_an_event_has_its_own():
    audit.record(event_type="SYSTEM", action="sys_started", client=CLIENT)
    connection.close()

    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_j08_a_failed_insert_dooms_the_caller_s_transaction_even_if_swallowed(django_user_model):
    with no_new_events(), transaction.atomic():
        django_user_model.objects.create(
            **{django_user_model.USERNAME_FIELD: "jane@example.com", "email": "jane@example.com"}
        )
        with pytest.raises(DatabaseError):
            audit.record(event_type="SYSTEM", action="sys_started", client=CLIENT)

    assert django_user_model.objects.count() == 0


def test_j05_the_time_is_the_database_s_own_and_in_utc(write):
    before = timezone.now()
    with time_machine.travel(before - timedelta(days=400)):
        event = write()
    later = write()

    assert abs(event.timestamp - before) < timedelta(seconds=30)
    assert event.timestamp.utcoffset() == timedelta(0)
    assert stored(event)["timestamp"] == event.timestamp
    assert later.timestamp >= event.timestamp


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("zone", ["-08:00", "+05:45"])
def test_the_time_is_utc_whatever_the_zone_of_the_connection_is(write, zone):
    hours, minutes = zone[1:].split(":")
    flipped = ("+" if zone[0] == "-" else "-") + f"{hours}:{minutes}"
    with connection.cursor() as cursor:
        match connection.vendor:
            case "postgresql":
                cursor.execute(f"SET TIME ZONE INTERVAL '{zone}' HOUR TO MINUTE")
            case "mysql":
                cursor.execute(f"SET time_zone = '{flipped}'")
    try:
        event = write()
    finally:
        connection.close()

    assert abs(stored(event)["timestamp"] - timezone.now()) < timedelta(seconds=30)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError):
        _ = audit.nothing


def test_j10_neither_str_nor_repr_shows_what_an_event_holds(event):
    assert "7" not in str(event).replace(f"#{event.pk}", "")
