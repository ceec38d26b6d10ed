"""The cleanup of sessions and devices."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.reasons import RevokeReason
from sessions_app.retention import Purged, purge

MONTH = timedelta(days=30)


def test_e22_only_what_ended_goes_and_a_second_run_finds_nothing(
    user: Any,
    open_session: Callable[..., Session],
    client_facts: Client,
    events: list[SecurityEvent],
) -> None:
    ended, _idle, staff = open_session(user), open_session(user), open_session(user, Door.STAFF)
    with transaction.atomic():
        sessions.revoke(ended, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        live = open_session(user)
        events.clear()
        would = purge(older_than=timedelta(days=7), dry_run=True)
        assert would == Purged(expired=2, sessions=2, devices=0, browser_sessions=0)
        assert Session.objects.count() == 4
        assert purge(older_than=timedelta(days=7)) == would
        assert purge(older_than=timedelta(days=7)) == Purged(expired=0, sessions=0, devices=0, browser_sessions=0)
    assert set(Session.objects.all()) == {live, _idle}
    assert [event.action for event in events] == ["session_expired"] * 2
    assert {event.session_id for event in events} == {str(_idle.pk), str(staff.pk)}


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
        assert purge(older_than=MONTH).devices == 1
    assert not Device.objects.filter(pk=unused.pk).exists()
    assert Device.objects.count() == 2


def test_the_sessions_of_browsers_go_when_they_are_over(db: None) -> None:
    store = SessionStore()
    store["a"] = 1
    store.set_expiry(timezone.now() + timedelta(hours=1))
    store.save()
    assert purge(older_than=MONTH).browser_sessions == 0
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert purge(older_than=MONTH, dry_run=True).browser_sessions == 1
        assert purge(older_than=MONTH).browser_sessions == 1
    assert not BrowserSession.objects.exists()
