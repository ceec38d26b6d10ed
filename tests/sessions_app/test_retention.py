"""The clean-up of sessions and devices."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.utils import timezone

from gatehouse import cleaning
from gatehouse.cleaning import Sweep
from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.reasons import RevokeReason
from sessions_app.retention import CHORES

WEEK, MONTH = timedelta(days=7), timedelta(days=30)


def sweep(older_than: timedelta | None = None, batch: int = cleaning.BATCH) -> Sweep:
    return Sweep(CHORES, actor=Actor.system(), older_than=older_than, batch=batch)


def purge(older_than: timedelta | None = None, batch: int = cleaning.BATCH) -> dict[str, int]:
    """Clean up, and return what went."""
    run = sweep(older_than, batch)
    assert run.go_on(60)
    return {name: number for name, number in run.removed.items() if number}


def would(older_than: timedelta | None = None) -> dict[str, int]:
    run = sweep(older_than)
    counts = {chore.name: run.count(chore) for chore in CHORES}
    return {name: number for name, number in counts.items() if number}


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_e22_only_what_ended_goes_and_a_second_run_finds_nothing(
    user: Any,
    open_session: Callable[..., Session],
    client_facts: Client,
    events: list[SecurityEvent],
    batch: int,
) -> None:
    ended, idle, staff = open_session(user), open_session(user), open_session(user, Door.STAFF)
    with transaction.atomic():
        sessions.revoke(ended, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        live = open_session(user)
        events.clear()
        assert would(WEEK) == {"expired": 2, "sessions": 2}
        assert Session.objects.count() == 4
        assert purge(WEEK, batch) == {"expired": 2, "sessions": 2}
        assert purge(WEEK, batch) == {}
    assert set(Session.objects.all()) == {live, idle}
    assert [event.action for event in events] == ["session_expired"] * 2
    assert {event.session_id for event in events} == {str(idle.pk), str(staff.pk)}


def test_a_session_that_time_ended_does_not_go_without_its_event_when_only_sessions_are_cleaned_up(
    session: Session, events: list[SecurityEvent]
) -> None:
    events.clear()
    (chore,) = [one for one in CHORES if one.name == "sessions"]
    with time_machine.travel(timezone.now() + timedelta(days=50)):
        run = Sweep([chore], actor=Actor.system())
        assert run.count(chore) == 1
        assert run.go_on(60) and run.removed == {"sessions": 1}
    assert [(event.action, event.session_id) for event in events] == [("session_expired", str(session.pk))]
    assert events[0].details()["reason"] == RevokeReason.ABSOLUTE


def test_how_long_an_ended_session_stays_is_a_setting(session: Session, client_facts: Client, settings: Any) -> None:
    with transaction.atomic():
        sessions.revoke(session, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    settings.SESSIONS = {**settings.SESSIONS, "SESSIONS_KEPT": timedelta(days=2)}
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert purge() == {}
    with time_machine.travel(timezone.now() + timedelta(days=2, seconds=1)):
        assert purge() == {"sessions": 1}


def test_what_is_left_in_the_middle_goes_with_the_next_run(
    user: Any, open_session: Callable[..., Session], events: list[SecurityEvent]
) -> None:
    for _ in range(5):
        open_session(user, Door.STAFF)
    events.clear()
    with time_machine.travel(timezone.now() + timedelta(days=50)):
        steps = sweep(batch=2).steps()
        assert [number for _, number in (next(steps), next(steps))] == [2, 2]
        steps.close()
        assert Session.objects.filter(revoked_at__isnull=False).count() == len(events) == 4
        assert purge() == {"expired": 1, "sessions": 5}
    assert len(events) == 5


def test_devices_go_when_nothing_names_them(
    user: Any, open_session: Callable[..., Session], client_facts: Client
) -> None:
    now = timezone.now()

    def new_device() -> Device:
        with transaction.atomic():
            return devices.remember(
                user=user, client=client_facts, token=None, transport=Transport.COOKIE, now=now
            ).device

    unused, used, trusted = new_device(), new_device(), new_device()
    with transaction.atomic():
        devices.trust(device=trusted, client=client_facts, now=now + timedelta(days=20))
    with time_machine.travel(now + timedelta(days=35)):
        open_session(user, device=used)
        assert would(MONTH) == purge(MONTH) == {"devices": 1}
    assert not Device.objects.filter(pk=unused.pk).exists()
    assert Device.objects.count() == 2


def test_a_device_that_the_clean_up_takes_in_the_middle_of_a_sign_in_is_remembered_anew(
    user: Any, client_facts: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"user": user, "client": client_facts, "token": None, "transport": Transport.BEARER}
    with transaction.atomic():
        before = devices.remember(**given, now=timezone.now()).device
    whole = devices.recognise

    def recognise(**asked: Any) -> devices.Recognised:
        found = whole(**asked)
        assert Device.objects.untrusted(timezone.now()).unused_since(timezone.now() - MONTH).delete()[0] == 1
        return found

    monkeypatch.setattr(devices, "recognise", recognise)
    with time_machine.travel(timezone.now() + timedelta(days=31)), transaction.atomic():
        after = devices.remember(**given, now=timezone.now())
    assert after.is_new and after.device.pk != before.pk
    assert list(Device.objects.all()) == [after.device]


def test_the_sessions_of_browsers_go_when_they_are_over(db: None) -> None:
    store = SessionStore()
    store["a"] = 1
    store.set_expiry(timezone.now() + timedelta(hours=1))
    store.save()
    assert purge() == {}
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert would() == purge() == {"browser-sessions": 1}
    assert not BrowserSession.objects.exists()
