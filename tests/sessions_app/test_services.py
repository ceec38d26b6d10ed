"""Opening, using and ending sessions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from gatehouse.problems import Problem
from sessions_app import principal, tokens
from sessions_app import services as sessions
from sessions_app.models import Door, Session, Transport
from sessions_app.reasons import RevokeReason
from sessions_app.shapes import session_shape

Open = Callable[..., Session]


@pytest.mark.parametrize(
    ("door", "idle", "absolute"),
    [
        (Door.API, timedelta(days=7), timedelta(days=30)),
        (Door.PAGE, timedelta(days=7), timedelta(days=30)),
        (Door.STAFF, timedelta(minutes=30), timedelta(hours=12)),
    ],
)
def test_a_session_lives_as_long_as_its_door_says(
    user: Any, open_session: Open, door: Door, idle: timedelta, absolute: timedelta
) -> None:
    with time_machine.travel(1_790_000_000.5, tick=False):
        session = open_session(user, door)
        start = timezone.now().replace(microsecond=0)
    session.refresh_from_db()
    assert session.idle_expires_at == start + idle
    assert session.absolute_expires_at == start + absolute
    assert (session.refresh_id is not None) == (door == Door.API)
    if door != Door.API:
        with pytest.raises(ValueError, match="no refresh token"):
            tokens.issue(session)


def test_opening_is_recorded(user: Any, open_session: Open, events: list[SecurityEvent]) -> None:
    session = open_session(user, Door.PAGE, transport=Transport.COOKIE)
    (event,) = events
    assert (event.action, event.user_id, event.session_id) == ("session_created", str(user.pk), str(session.pk))
    assert event.details() == {"door": "page", "transport": "cookie", "factors": ["password", "email"]}


def test_nobody_opens_a_session_for_an_account_that_is_not_active(
    user: Any, open_session: Open, switch_off: Callable[[Any], None]
) -> None:
    switch_off(user)
    with pytest.raises(Problem, match="account_disabled"):
        open_session(user)
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_changes_a_session_wants_the_transaction_of_its_cause(client_facts: Client, session: Session) -> None:
    with pytest.raises(TransactionManagementError):
        sessions.open(
            user=session.user, client=client_facts, door=Door.API, transport=Transport.BEARER, factors=["password"]
        )
    with pytest.raises(TransactionManagementError):
        sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts)
    with pytest.raises(TransactionManagementError):
        sessions.revoke_all(user=session.user, reason=RevokeReason.STAFF, client=client_facts)
    with pytest.raises(TransactionManagementError):
        sessions.reauthenticated(session, ["password"], timezone.now())


def test_the_last_use_is_written_once_a_minute(
    session: Session, client_facts: Client, django_assert_num_queries: Any
) -> None:
    start = session.last_used_at
    with django_assert_num_queries(0):
        sessions.touch(session, client_facts, start + timedelta(seconds=59))
    with django_assert_num_queries(1):
        sessions.touch(session, client_facts, start + timedelta(seconds=60))
    idle = session.idle_expires_at
    session.refresh_from_db()
    assert session.last_used_at == start + timedelta(seconds=60)
    assert session.idle_expires_at == idle


@pytest.mark.parametrize("door", [Door.PAGE, Door.STAFF])
def test_using_a_page_moves_its_idle_end_but_not_past_the_absolute_one(
    user: Any, open_session: Open, client_facts: Client, door: Door
) -> None:
    session = open_session(user, door)
    idle = session.idle_expires_at
    for _ in range(200):
        sessions.touch(session, client_facts, session.idle_expires_at - timedelta(seconds=1))
    session.refresh_from_db()
    assert idle < session.idle_expires_at == session.absolute_expires_at


def test_an_ended_session_is_not_touched(session: Session, client_facts: Client) -> None:
    with transaction.atomic():
        sessions.revoke(Session.objects.get(), reason=RevokeReason.STAFF, client=client_facts)
    used = session.last_used_at
    sessions.touch(session, client_facts, used + timedelta(hours=1))
    assert Session.objects.get().last_used_at == used


def test_a_session_ends_once_and_the_first_reason_stands(
    session: Session, client_facts: Client, events: list[SecurityEvent]
) -> None:
    staff = Actor("user", "42", "admin")
    with transaction.atomic():
        assert sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts, actor=staff)
        assert not sessions.revoke(session, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    row = Session.objects.get()
    assert (row.revoked_reason, row.revoked_by) == ("staff", "42")
    (event,) = events
    assert (event.action, event.acting) == ("session_revoked", staff)
    assert event.details() == {"reason": "staff", "by": "42"}


@pytest.mark.parametrize(
    ("reason", "action"),
    [(RevokeReason.SIGNED_OUT, "session_logout"), (RevokeReason.PASSWORD_CHANGED, "session_revoked")],
)
def test_the_reason_chooses_the_name_of_the_event(
    session: Session, client_facts: Client, events: list[SecurityEvent], reason: RevokeReason, action: str
) -> None:
    with transaction.atomic():
        sessions.revoke(session, reason=reason, client=client_facts)
    assert [event.action for event in events] == [action]


def test_ending_all_keeps_the_one_and_leaves_others_alone(
    make_user: Callable[..., Any], open_session: Open, client_facts: Client, events: list[SecurityEvent]
) -> None:
    jane, joe = make_user("jane"), make_user("joe")
    mine = [open_session(jane), open_session(jane, Door.PAGE), open_session(jane)]
    theirs = open_session(joe)
    events.clear()
    with transaction.atomic():
        count = sessions.revoke_all(user=jane, reason=RevokeReason.PASSWORD_CHANGED, client=client_facts, keep=mine[0])
    assert count == 2
    assert set(Session.objects.live(timezone.now())) == {mine[0], theirs}
    assert {event.session_id for event in events} == {str(session.pk) for session in mine[1:]}


def test_a_fresh_proof_is_written_on_the_session(session: Session) -> None:
    now = session.authenticated_at + timedelta(hours=1)
    with time_machine.travel(now, tick=False), transaction.atomic():
        sessions.reauthenticated(session, ["password", "totp"], now)
    row = Session.objects.get()
    assert row.authenticated_at == now
    assert row.factors == ["password", "email", "totp"]


def test_an_ended_session_takes_no_fresh_proof(session: Session, client_facts: Client) -> None:
    with transaction.atomic():
        sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts)
        with pytest.raises(Problem, match="session_revoked"):
            sessions.reauthenticated(session, ["password"], timezone.now())


def test_the_principal_is_one_query(session: Session, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        found = principal.load(session.pk, timezone.now())
        assert found.user.is_active
    assert found.session == session


def test_the_principal_of_an_ended_session_is_refused_in_order(
    user: Any, session: Session, client_facts: Client, switch_off: Callable[[Any], None]
) -> None:
    with pytest.raises(Problem, match="session_expired"):
        principal.load(session.pk, session.idle_expires_at)
    switch_off(user)
    with pytest.raises(Problem, match="session_revoked"):
        principal.load(session.pk, session.idle_expires_at)
    with pytest.raises(Problem, match="access_invalid"):
        principal.load(Session().pk, timezone.now())


def test_the_shape_of_an_ended_session_says_how_it_ended(session: Session, client_facts: Client) -> None:
    assert "revoked_at" not in session_shape(session, current_id=session.pk)
    with transaction.atomic():
        sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts, by="42")
    shape = session_shape(session, current_id=None)
    assert (shape["current"], shape["revoked_reason"], shape["revoked_by"]) == (False, "staff", "42")
    assert shape["revoked_at"].endswith("Z")


def test_sessions_go_with_their_user(user: Any, session: Session) -> None:
    user.delete()
    assert not Session.objects.exists()
