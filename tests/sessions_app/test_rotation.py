"""The verdicts on a refresh token, in their order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import FailureReason, SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from sessions_app.signals import security_event


@pytest.fixture
def rotate(client_facts: Client) -> Callable[[str], tokens.Tokens]:
    return lambda raw: sessions.rotate(raw_refresh=raw, client=client_facts)


@pytest.fixture
def verdict(rotate: Callable[[str], tokens.Tokens]) -> Callable[[str], str]:
    """Return the code that a refresh is refused with, or ``rotated``."""

    def judge(raw: str) -> str:
        try:
            rotate(raw)
        except Problem as problem:
            return problem.code
        return "rotated"

    return judge


Rotate = Callable[[str], tokens.Tokens]
Verdict = Callable[[str], str]


def actions(events: list[SecurityEvent]) -> list[str]:
    return [event.action for event in events]


def test_the_current_token_is_rotated(issued: tokens.Tokens, rotate: Rotate, events: list[SecurityEvent]) -> None:
    renewed = rotate(issued.refresh_token)
    assert renewed.refresh_token != issued.refresh_token
    row = Session.objects.get()
    old, new = claims_of(issued.refresh_token), claims_of(renewed.refresh_token)
    assert (str(row.previous_refresh_id), str(row.refresh_id), row.rotation) == (old["jti"], new["jti"], 1)
    assert row.refresh_expires_at is not None
    assert new["exp"] == int(row.refresh_expires_at.timestamp())
    assert row.idle_expires_at == row.refresh_expires_at
    assert actions(events) == ["session_renewed"]
    assert events[0].details() == {"rotation": 1, "grace": False}


def test_each_successor_is_good_once(issued: tokens.Tokens, rotate: Rotate) -> None:
    raw = issued.refresh_token
    for rotation in range(1, 6):
        raw = rotate(raw).refresh_token
        assert Session.objects.get().rotation == rotation


def test_e02_the_predecessor_gets_the_same_successor_within_the_grace(
    issued: tokens.Tokens, rotate: Rotate, events: list[SecurityEvent]
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first = rotate(issued.refresh_token)
        clock.shift(10)
        again = rotate(issued.refresh_token)
    assert again.refresh_token == first.refresh_token
    assert again.access_token != first.access_token
    assert Session.objects.get().rotation == 1
    assert [event.details()["grace"] for event in events] == [False, True]


def test_e01_the_predecessor_after_the_grace_ends_the_session(
    issued: tokens.Tokens, rotate: Rotate, verdict: Verdict, events: list[SecurityEvent]
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        successor = rotate(issued.refresh_token).refresh_token
        clock.shift(10.001)
        assert verdict(issued.refresh_token) == "refresh_reused"
    row = Session.objects.get()
    assert row.revoked_reason == RevokeReason.REFRESH_REUSED
    assert actions(events) == ["session_renewed", "session_revoked", "authn_token_reuse"]
    reused = events[-1]
    assert (reused.success, reused.failure_reason) == (False, FailureReason.TOKEN_REUSED)
    assert (reused.user_id, reused.session_id) == (str(row.user_id), str(row.pk))
    assert verdict(successor) == "session_revoked"


def test_the_first_cause_stands(
    issued: tokens.Tokens, rotate: Rotate, verdict: Verdict, client_facts: Client, events: list[SecurityEvent]
) -> None:
    rotate(issued.refresh_token)
    with transaction.atomic():
        sessions.revoke(Session.objects.get(), reason=RevokeReason.STAFF, client=client_facts)
    with time_machine.travel(timezone.now() + timedelta(seconds=60)):
        assert verdict(issued.refresh_token) == "session_revoked"
    assert Session.objects.get().revoked_reason == RevokeReason.STAFF
    assert "authn_token_reuse" not in actions(events)
    assert actions(events)[-1] == "session_use_after_expire"


def test_a_token_older_than_the_predecessor_is_reuse_at_once(
    issued: tokens.Tokens, rotate: Rotate, verdict: Verdict
) -> None:
    rotate(rotate(issued.refresh_token).refresh_token)
    assert verdict(issued.refresh_token) == "refresh_reused"


def test_the_grace_can_be_turned_off(issued: tokens.Tokens, rotate: Rotate, verdict: Verdict, settings: Any) -> None:
    settings.SESSIONS = settings.SESSIONS | {"REUSE_GRACE": timedelta(0)}
    rotate(issued.refresh_token)
    assert verdict(issued.refresh_token) == "refresh_reused"


def test_e05_rotation_never_extends_the_absolute_end(issued: tokens.Tokens, rotate: Rotate, verdict: Verdict) -> None:
    row = Session.objects.get()
    raw = issued.refresh_token
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            clock.shift(timedelta(days=5, hours=23))
            raw = rotate(raw).refresh_token
            assert claims_of(raw)["exp"] <= int(row.absolute_expires_at.timestamp())
        assert claims_of(raw)["exp"] == int(row.absolute_expires_at.timestamp())
        clock.move_to(row.absolute_expires_at - timedelta(seconds=1))
        raw = rotate(raw).refresh_token
        clock.move_to(row.absolute_expires_at)
        assert verdict(raw) == "session_expired"


def test_an_idle_session_is_expired_and_marked_once(
    issued: tokens.Tokens, verdict: Verdict, events: list[SecurityEvent]
) -> None:
    with time_machine.travel(Session.objects.get().idle_expires_at, tick=False):
        assert verdict(issued.refresh_token) == "session_expired"
        assert verdict(issued.refresh_token) == "session_expired"
    assert Session.objects.get().revoked_reason == RevokeReason.IDLE
    assert actions(events) == ["session_expired", "session_use_after_expire"]
    assert events[0].acting.type == "system"


def test_an_old_token_of_an_expired_session_is_expired_not_reused(
    issued: tokens.Tokens, rotate: Rotate, verdict: Verdict, events: list[SecurityEvent]
) -> None:
    rotate(issued.refresh_token)
    with time_machine.travel(Session.objects.get().idle_expires_at, tick=False):
        assert verdict(issued.refresh_token) == "session_expired"
    assert "authn_token_reuse" not in actions(events)


def test_e06_an_account_that_is_not_active_is_told_that_its_session_is_revoked(
    user: Any, issued: tokens.Tokens, verdict: Verdict, switch_off: Callable[[Any], None]
) -> None:
    switch_off(user)
    assert verdict(issued.refresh_token) == "session_revoked"
    assert Session.objects.get().rotation == 0
    with time_machine.travel(Session.objects.get().absolute_expires_at, tick=False):
        assert verdict(issued.refresh_token) == "session_revoked"


def test_a_session_that_is_gone_is_refused_as_unknown(issued: tokens.Tokens, verdict: Verdict) -> None:
    Session.objects.all().delete()
    assert verdict(issued.refresh_token) == "refresh_invalid"


def test_e12_a_forged_token_asks_the_database_for_nothing_but_the_limit(
    db: None, verdict: Verdict, events: list[SecurityEvent], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(7) as queries:  # three are for the key of the day in the trail, once a process
        assert verdict("a.b.c") == "refresh_invalid"
    assert not [query for query in queries if "sessions_app" in query["sql"]]
    assert actions(events) == ["authn_token_invalid"]
    assert (events[0].user_id, events[0].success) == (None, False)


def test_forged_tokens_do_not_fill_the_trail(
    db: None, verdict: Verdict, events: list[SecurityEvent], settings: Any
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.01}
    most = limits.LIMITS["invalid_token_ip"].scaled
    assert [verdict("a.b.c") for _ in range(most + 5)] == ["refresh_invalid"] * (most + 5)
    assert len(events) == most


def test_e13_nothing_that_is_stored_can_be_submitted(issued: tokens.Tokens, verdict: Verdict) -> None:
    row = Session.objects.values().get()
    assert {verdict(str(value)) for value in row.values()} == {"refresh_invalid"}


def test_a_failed_record_takes_the_rotation_with_it(issued: tokens.Tokens, rotate: Rotate) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("the trail cannot be written")

    security_event.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            rotate(issued.refresh_token)
    finally:
        security_event.disconnect(fail)
    assert Session.objects.get().rotation == 0


def claims_of(raw: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(raw, options={"verify_signature": False})
    return claims
