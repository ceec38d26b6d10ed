from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal

from gatehouse import events
from gatehouse.client import Client
from gatehouse.events import Actor, EventType, FailureReason, SecurityEvent
from gatehouse.models import Counter
from gatehouse.problems import Problem

CLIENT = Client(ip="192.0.2.1", request_id="r1")
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(SecurityEvent):
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    action: ClassVar[str] = "authn_password_change"

    ended: int = 0
    device: UUID | None = None
    reason: FailureReason | None = None
    at: datetime | None = None
    pause: timedelta | None = None
    names: frozenset[str] = frozenset()
    before: dict | None = None


def test_details_are_the_fields_of_the_subclass_ready_for_json():
    event = PasswordChanged(
        client=CLIENT,
        ended=3,
        device=ID,
        reason=FailureReason.LOCKED,
        at=datetime(2026, 11, 21, tzinfo=UTC),
        pause=timedelta(minutes=1),
        names=frozenset({"b", "a"}),
        before={"role": EventType.ADMIN, "ids": (ID,)},
    )
    assert event.details() == {
        "ended": 3,
        "device": str(ID),
        "reason": "locked",
        "at": "2026-11-21T00:00:00Z",
        "pause": 60,
        "names": ["a", "b"],
        "before": {"role": "ADMIN", "ids": [str(ID)]},
    }
    assert PasswordChanged(client=CLIENT).details() == {"ended": 0, "names": []}


def test_ids_become_text():
    event = PasswordChanged(client=CLIENT, user_id=ID, session_id=ID)
    assert (event.user_id, event.session_id) == (str(ID), str(ID))


def test_who_acted_is_the_account_where_it_succeeded_and_unknown_where_not():
    assert PasswordChanged(client=CLIENT, user_id="7").acting == Actor("user", "7", "user")
    assert PasswordChanged(client=CLIENT, user_id="7", success=False).acting == Actor.anonymous()
    assert PasswordChanged(client=CLIENT, actor=Actor.system()).acting == Actor.system()


def test_an_actor_is_labelled_by_role_never_by_address():
    person = SimpleNamespace(pk=ID, role="admin", email="a@x.test")
    assert Actor.user(person) == Actor("user", str(ID), "admin")
    assert Actor.user(SimpleNamespace(pk=1)).label == "user"
    assert Actor.command("deploy") == Actor("command", None, "deploy")
    assert Actor.command().label


def test_reasons_fit_their_column():
    assert all(len(reason) <= 50 for reason in FailureReason)


@pytest.mark.django_db(transaction=True)
def test_an_event_is_sent_inside_a_transaction_only():
    with pytest.raises(TransactionManagementError):
        events.send(Signal(), PasswordChanged(client=CLIENT))


@pytest.mark.django_db
def test_a_receiver_that_fails_takes_the_change_with_it():
    signal = Signal()

    def fail(**_kwargs):
        raise RuntimeError("no record")

    signal.connect(fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        events.send(signal, PasswordChanged(client=CLIENT))


@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_recorded_before_it_is_raised():
    signal = Signal()
    now = datetime(2026, 11, 21, tzinfo=UTC)

    def record(sender, event, **_kwargs):
        assert (sender, event.client) == (PasswordChanged, CLIENT)
        Counter.objects.create(key="recorded", window_start=now, expires_at=now, hits=1)

    signal.connect(record)
    with pytest.raises(Problem) as caught:
        events.refuse(signal, Problem("invalid_credentials"), PasswordChanged(client=CLIENT, success=False))
    assert caught.value.code == "invalid_credentials"
    assert Counter.objects.filter(key="recorded").exists()
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        events.refuse(signal, Problem("conflict"), PasswordChanged(client=CLIENT))
