"""How many sessions an account may have at once: SESSIONS["SESSION_LIMIT"] (ASVS 7.1.2)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from sessions_app import services as sessions
from sessions_app.models import Door, Session
from sessions_app.reasons import RevokeReason
from sessions_app.signals import security_event
from tests.factories import EMAIL, Api, UserFactory, trail

Open = Callable[..., Session]


@pytest.fixture
def at_most(settings: Any) -> Callable[[int], None]:
    def bound(number: int) -> None:
        settings.SESSIONS = settings.SESSIONS | {"SESSION_LIMIT": number}

    return bound


def live() -> set[Any]:
    return set(Session.objects.live(timezone.now()).values_list("pk", flat=True))


def test_e16_one_session_more_than_the_limit_ends_the_one_unused_for_longest(
    user: Any, open_session: Open, client_facts: Client, events: list[SecurityEvent], at_most: Callable[[int], None]
) -> None:
    at_most(3)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        made = []
        for door in (Door.API, Door.PAGE, Door.API):
            made.append(open_session(user, door))
            clock.shift(60)
        sessions.stay(made[0], client_facts, timezone.now())
        events.clear()
        newest = open_session(user)
        assert live() == {made[0].pk, made[2].pk, newest.pk}
    row = Session.objects.get(pk=made[1].pk)
    assert (row.revoked_reason, row.revoked_at, row.revoked_by) == (RevokeReason.LIMIT, newest.created_at, "")
    assert [event.action for event in events] == ["session_created", "session_revoked"]
    ended = events[1]
    assert (ended.session_id, ended.details()["reason"]) == (str(made[1].pk), "limit")
    assert (ended.success, ended.acting.type) == (True, "system")


def test_e16_there_is_no_limit_unless_it_is_set(user: Any, open_session: Open) -> None:
    assert len({open_session(user).pk for _ in range(20)} & live()) == 20


def test_e16_a_limit_that_is_set_later_holds_from_the_next_sign_in(
    user: Any, open_session: Open, at_most: Callable[[int], None]
) -> None:
    for _ in range(6):
        open_session(user)
    at_most(2)
    assert len(live()) == 6
    open_session(user)
    assert len(live()) == 2


def test_e16_what_has_ended_and_what_others_have_does_not_count(
    make_user: Callable[..., Any], open_session: Open, client_facts: Client, at_most: Callable[[int], None]
) -> None:
    at_most(2)
    jane, joe = make_user("jane"), make_user("joe")
    others = {open_session(joe).pk, open_session(joe).pk}
    kept, left, lapsed = open_session(jane), open_session(jane), None
    with transaction.atomic():
        sessions.revoke(left, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    lapsed = open_session(jane)
    Session.objects.filter(pk=lapsed.pk).update(idle_expires_at=timezone.now() - timedelta(seconds=1))
    newest = open_session(jane)
    assert live() == {*others, kept.pk, newest.pk}
    assert Session.objects.get(pk=left.pk).revoked_reason == RevokeReason.SIGNED_OUT


def test_e16_a_record_that_fails_takes_the_sign_in_and_the_end_with_it(
    user: Any, open_session: Open, at_most: Callable[[int], None]
) -> None:
    at_most(1)
    first = open_session(user)

    def fail(*, event: SecurityEvent, **_: Any) -> None:
        if event.action == "session_revoked":
            raise RuntimeError("the trail cannot be written")

    security_event.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            open_session(user)
    finally:
        security_event.disconnect(fail)
    assert live() == {first.pk}


def test_e16_a_limit_that_is_reached_is_no_failed_sign_in(db: None, at_most: Callable[[int], None]) -> None:
    """Whoever signs in again and again is let in each time, and the device that had to go reads why."""
    at_most(1)
    user, api = UserFactory(email=EMAIL), Api()
    first = api.sign_in(trust_device=True)
    for _ in range(6):
        assert api.login(trust_token=first["trust_token"]).json()["status"] == "authenticated"
    actions = [entry[0] for entry in trail()]
    assert (actions.count("authn_login_success"), actions.count("session_revoked")) == (7, 6)
    assert not [entry for entry in trail() if len(entry) > 1]
    user.refresh_from_db()
    answer = api.get("/sessions", authorization=f"Bearer {first['access_token']}")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
    answer = api.post("/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
