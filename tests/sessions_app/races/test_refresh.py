"""Many at once on one session."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

pytestmark = pytest.mark.django_db(transaction=True)

Race = Callable[[list[Callable[[], Any]]], list[Any]]


def test_e02_fifty_refreshes_of_one_token_rotate_once_and_share_the_successor(
    issued: tokens.Tokens, client_facts: Client, race: Race, events: list[SecurityEvent]
) -> None:
    def refresh() -> str:
        return sessions.rotate(raw_refresh=issued.refresh_token, client=client_facts).refresh_token

    successors = race([refresh] * 50)
    assert set(map(type, successors)) == {str}, successors
    assert len(set(successors)) == 1
    assert Session.objects.get().rotation == 1
    graces = [event.details()["grace"] for event in events]
    assert (graces.count(False), graces.count(True)) == (1, 49)


@pytest.mark.parametrize("turn", range(5))
def test_e08_no_token_survives_signing_out_beside_a_refresh(
    issued: tokens.Tokens, client_facts: Client, race: Race, turn: int
) -> None:
    def refresh() -> str:
        return sessions.rotate(raw_refresh=issued.refresh_token, client=client_facts).refresh_token

    def leave() -> None:
        sessions.end_by_refresh(raw_refresh=issued.refresh_token, client=client_facts)

    results = race([refresh, leave, refresh, leave])
    assert Session.objects.get().revoked_reason == RevokeReason.SIGNED_OUT
    for survivor in [issued.refresh_token, *(one for one in results if isinstance(one, str))]:
        with pytest.raises(Problem, match="session_revoked"):
            sessions.rotate(raw_refresh=survivor, client=client_facts)


def test_reuse_by_many_ends_the_session_once(
    issued: tokens.Tokens, client_facts: Client, race: Race, events: list[SecurityEvent]
) -> None:
    raw = sessions.rotate(raw_refresh=issued.refresh_token, client=client_facts).refresh_token
    sessions.rotate(raw_refresh=raw, client=client_facts)
    events.clear()

    def reuse() -> None:
        sessions.rotate(raw_refresh=issued.refresh_token, client=client_facts)

    codes = sorted(problem.code for problem in race([reuse] * 10))
    assert codes == ["refresh_reused"] + ["session_revoked"] * 9
    assert [event.action for event in events].count("authn_token_reuse") == 1


@pytest.mark.parametrize("turn", range(3))
def test_e09_signing_in_beside_the_end_of_all_leaves_no_session_of_before(
    user: Any, open_session: Callable[..., Session], client_facts: Client, race: Race, turn: int
) -> None:
    before = [open_session(user) for _ in range(5)]

    def end_all() -> int:
        with transaction.atomic():
            return sessions.revoke_all(user=user, reason=RevokeReason.PASSWORD_CHANGED, client=client_facts)

    results = race([end_all, lambda: open_session(user), end_all, lambda: open_session(user)])
    assert not [result for result in results if isinstance(result, Exception)]
    live = set(Session.objects.live(timezone.now()))
    assert not live & set(before)


@pytest.mark.parametrize("turn", range(5))
def test_l19_no_session_lives_on_when_the_account_is_disabled_beside_its_sign_in(
    user: Any,
    open_session: Callable[..., Session],
    client_facts: Client,
    switch_off: Callable[[Any], None],
    race: Race,
    turn: int,
) -> None:
    def disable() -> None:
        with transaction.atomic():
            switch_off(user)
            sessions.revoke_all(user=user, reason=RevokeReason.DISABLED, client=client_facts)

    race([lambda: open_session(user), disable, lambda: open_session(user)])
    assert not Session.objects.live(timezone.now()).exists()
