"""A source's signal becomes one row, in the transaction of the change, or the change is undone."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.dispatch import Signal

from audit import receivers
from audit.models import Event
from gatehouse.events import Actor, EventType, FailureReason, SecurityEvent, send
from tests.audit.conftest import CLIENT
from tests.faults.trail import no_new_events

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

source = Signal()
not_a_signal = object()


@dataclass(frozen=True, kw_only=True)
class RoleChanged(SecurityEvent):
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    action: ClassVar[str] = "authz_change"

    before: str
    after: str
    reason: str | None = None


@pytest.fixture
def listening():
    source.connect(receivers.receive, dispatch_uid="tests")
    yield
    source.disconnect(receivers.receive, dispatch_uid="tests")


def test_an_event_becomes_a_row_with_its_details(listening):
    with transaction.atomic():
        send(source, RoleChanged(client=CLIENT, user_id="7", before="user", after="admin", actor=Actor.system()))

    (row,) = Event.objects.all()
    assert (row.event_type, row.action, row.user_id, row.actor_type) == (
        "USER_MANAGEMENT",
        "authz_change",
        "7",
        "system",
    )
    assert row.details == {"before": "user", "after": "admin"}
    assert (row.success, row.failure_reason, row.ip_address) == (True, "", "203.0.113.7")


def test_a_failure_carries_its_reason_as_its_word(listening):
    with transaction.atomic():
        send(
            source,
            RoleChanged(
                client=CLIENT, before="a", after="b", success=False, failure_reason=FailureReason.NOT_PERMITTED
            ),
        )

    (row,) = Event.objects.all()
    assert (row.success, row.failure_reason, row.actor_type) == (False, "not_permitted", "anonymous")


def test_without_an_actor_the_account_itself_acted(listening):
    with transaction.atomic():
        send(source, RoleChanged(client=CLIENT, user_id="7", before="a", after="b"))

    (row,) = Event.objects.all()
    assert (row.actor_type, row.actor_id) == ("user", "7")


@pytest.mark.django_db(transaction=True)
def test_j07_an_event_of_a_change_that_is_rolled_back_leaves_no_row(listening):
    with pytest.raises(RuntimeError), transaction.atomic():
        send(source, RoleChanged(client=CLIENT, before="a", after="b"))
        raise RuntimeError

    assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_j08_no_change_without_its_record(listening, django_user_model):
    with no_new_events(), pytest.raises(DatabaseError), transaction.atomic():
        django_user_model.objects.create(
            **{django_user_model.USERNAME_FIELD: "jane@example.com", "email": "jane@example.com"}
        )
        send(source, RoleChanged(client=CLIENT, before="a", after="b"))

    assert django_user_model.objects.count() == 0


def test_every_source_named_in_the_settings_is_heard_once(settings):
    settings.AUDIT = settings.AUDIT | {"SOURCES": (f"{__name__}.source",)}
    receivers.subscribe()
    receivers.subscribe()
    try:
        with transaction.atomic():
            send(source, RoleChanged(client=CLIENT, before="a", after="b"))
    finally:
        source.disconnect(dispatch_uid=f"audit:{__name__}.source")

    assert Event.objects.count() == 1


@pytest.mark.parametrize("path", ["nowhere.signals.security_event", "gatehouse.events.missing", "tests.nothing"])
def test_a_source_that_is_not_there_stops_the_start(settings, path):
    settings.AUDIT = settings.AUDIT | {"SOURCES": (path,)}

    with pytest.raises(ImproperlyConfigured, match=path):
        receivers.subscribe()
