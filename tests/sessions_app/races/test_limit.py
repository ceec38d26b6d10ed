"""Many sign-ins at once to an account whose sessions are bounded."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 4
MANY = 24 if connection.vendor == "postgresql" else 12
Race = Callable[[list[Callable[[], Any]]], list[Any]]


@pytest.fixture(autouse=True)
def _bound(_settings: None, settings: Any) -> None:
    settings.SESSIONS = settings.SESSIONS | {"SESSION_LIMIT": LIMIT}


def live() -> set[Session]:
    return set(Session.objects.live(timezone.now()))


@pytest.mark.parametrize("number", [LIMIT + 5, MANY])
def test_e16_parallel_sign_ins_never_leave_more_than_the_limit(
    user: Any, open_session: Callable[..., Session], race: Race, events: list[SecurityEvent], number: int
) -> None:
    held: list[int] = []

    def enter() -> Session:
        opened = open_session(user)
        held.append(len(live()))
        return opened

    opened = race([enter] * number)
    assert not [one for one in opened if isinstance(one, Exception)]
    assert max(held) <= LIMIT and len(live()) == LIMIT
    ended = [event for event in events if event.action == "session_revoked"]
    assert len({event.session_id for event in ended}) == len(ended) == number - LIMIT
    assert {event.details()["reason"] for event in ended} == {"limit"}


def test_e16_a_sign_in_that_ends_sessions_beside_refreshes_and_ends_waits_in_no_ring(
    user: Any, open_session: Callable[..., Session], client_facts: Client, race: Race
) -> None:
    """Each session ends once, for one cause, and no token of one that ended is good for anything."""
    first = [open_session(user) for _ in range(LIMIT)]
    raws = [tokens.issue(one).refresh_token for one in first]

    def refresh(raw: str) -> str:
        return sessions.rotate(raw_refresh=raw, client=client_facts).refresh_token

    def end_all() -> int:
        with transaction.atomic():
            return sessions.revoke_all(user=user, reason=RevokeReason.PASSWORD_CHANGED, client=client_facts)

    calls: list[Callable[[], Any]] = [lambda raw=raw: refresh(raw) for raw in raws]
    calls += [lambda: open_session(user)] * 4 + [end_all]
    results = race(calls)
    refused = [getattr(one, "code", one) for one in results if isinstance(one, Exception)]
    assert set(refused) <= {"session_revoked"}, refused
    assert len(live()) <= LIMIT
    ended = {str(one.pk) for one in first if Session.objects.get(pk=one.pk).revoked_at}
    assert ended == {str(one.pk) for one in first}
    for raw in [*raws, *(one for one in results if isinstance(one, str))]:
        with pytest.raises(Problem, match="session_revoked"):
            refresh(raw)
