"""E22: the clean-up beside refreshes of what it is about to mark."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

pytestmark = pytest.mark.django_db(transaction=True)

Race = Callable[[list[Callable[[], Any]]], list[Any]]


@pytest.mark.parametrize("turn", range(3))
def test_e22_the_clean_up_beside_refreshes_ends_what_is_over_and_nothing_else(
    user: Any,
    open_session: Callable[..., Session],
    client_facts: Client,
    race: Race,
    events: list[SecurityEvent],
    turn: int,
) -> None:
    """Whoever comes first marks a session that time has ended, once; a live one is refreshed whatever goes on."""
    over, alive = ([open_session(user) for _ in range(6)] for _ in range(2))
    raws = {one.pk: tokens.issue(one).refresh_token for one in (*over, *alive)}
    long_ago = timezone.now() - timedelta(days=40)
    Session.objects.filter(pk__in=[one.pk for one in over[:3]]).update(idle_expires_at=timezone.now())
    Session.objects.filter(pk__in=[one.pk for one in over[3:]]).update(idle_expires_at=long_ago)
    events.clear()
    todo = [cleaning.chores()[name] for name in ("expired", "sessions")]

    def clean() -> None:
        list(cleaning.Sweep(todo, actor=Actor.system(), batch=2).steps())

    def refresh(one: Session) -> str:
        return sessions.rotate(raw_refresh=raws[one.pk], client=client_facts).refresh_token

    results = race([clean, clean, *(lambda one=one: refresh(one) for one in (*over, *alive))])
    assert results[:2] == [None, None]
    refused = [one.code if isinstance(one, Problem) else one for one in results[2:8]]
    assert set(refused) <= {"session_expired", "refresh_invalid"}, refused
    assert set(refused[:3]) == {"session_expired"}
    assert {type(one) for one in results[8:]} == {str}, results[8:]
    ended = [str(event.session_id) for event in events if event.action == "session_expired"]
    assert sorted(ended) == sorted(str(one.pk) for one in over)
    clean()
    left = dict(Session.objects.values_list("pk", "revoked_reason"))
    assert left == {one.pk: RevokeReason.IDLE for one in over[:3]} | {one.pk: "" for one in alive}
