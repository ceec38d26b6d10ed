"""Several operators, and sign-ins, at once on the signing keys."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app import keyring, keys, tokens
from sessions_app import services as sessions
from sessions_app.models import Session, SigningKey

pytestmark = pytest.mark.django_db(transaction=True)

Race = Callable[[list[Callable[[], Any]]], list[Any]]
WHO: dict[str, Any] = {"client": Client.local("keys"), "actor": Actor.command("root")}


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SETTLING", timedelta(0))


@pytest.mark.parametrize("turn", range(5))
def test_of_activating_and_retiring_one_key_one_comes_through(race: Race, turn: int) -> None:
    kid = keys.generate(algorithm="HS256", **WHO)
    done = race([lambda: keys.activate(kid=kid, **WHO), lambda: keys.retire(kid=kid, **WHO)])
    refused = [isinstance(one, Problem) and one.code == "conflict" for one in done]
    assert sorted(refused) == [False, True], done
    row = SigningKey.objects.get()
    assert (row.activated_at is None) == refused[0] and (row.retired_at is None) == refused[1]
    assert (keyring.signing_key().kid == kid) == (not refused[0])


def test_a_key_is_retired_once_and_its_sessions_end_once(
    session: Session, race: Race, client_facts: Client, events: list[Any]
) -> None:
    raw = tokens.issue(session).refresh_token
    old = keyring.signing_key().kid
    keys.generate(algorithm="EdDSA", activate=True, **WHO)
    events.clear()
    done = race([lambda: keys.retire(kid=old, end_sessions=True, **WHO) for _ in range(6)])
    assert [one for one in done if not isinstance(one, Exception)] == [1]
    assert {one.code for one in done if isinstance(one, Problem)} == {"conflict"}
    assert [event.action for event in events] == ["session_revoked", "sys_signing_key_retired"]
    with pytest.raises(Problem, match="refresh_invalid"):
        sessions.rotate(raw_refresh=raw, client=client_facts)


def test_whoever_refreshes_beside_a_retirement_is_moved_on_or_ended(
    make_user: Callable[..., Any], open_session: Callable[..., Session], race: Race, client_facts: Client
) -> None:
    """No session is left alive whose refresh token nobody believes."""
    held = [tokens.issue(open_session(make_user(f"person{number}"))) for number in range(12)]
    old = keyring.signing_key().kid
    new = keys.generate(algorithm="HS256", activate=True, **WHO)

    def refresh(raw: str) -> Callable[[], Any]:
        return lambda: sessions.rotate(raw_refresh=raw, client=client_facts)

    calls = [refresh(one.refresh_token) for one in held]
    race([*calls[:6], lambda: keys.retire(kid=old, end_sessions=True, **WHO), *calls[6:]])
    assert SigningKey.objects.get(pk=old).retired_at is not None
    for session in Session.objects.all():
        assert (session.revoked_at is None) == (session.refresh_kid == new)
        if session.revoked_at is None:
            found = sessions.rotate(raw_refresh=tokens.issue(session).refresh_token, client=client_facts)
            assert found.session.rotation == 2
