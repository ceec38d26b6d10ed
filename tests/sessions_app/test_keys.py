"""Making, activating and retiring signing keys, each act with its event."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from gatehouse.problems import Problem
from sessions_app import keyring, keys, tokens
from sessions_app import services as sessions
from sessions_app.keys import Place, State
from sessions_app.models import Session, SigningKey
from sessions_app.reasons import RevokeReason
from tests.sessions_app.conftest import KEYS

pytestmark = pytest.mark.django_db

WHO: dict[str, Any] = {"client": Client.local("keys"), "actor": Actor.command("root")}
FIRST, OLDER = (keyring.from_secret(secret).kid for secret in KEYS)


def generate(algorithm: str = "EdDSA", **given: Any) -> str:
    return keys.generate(algorithm=algorithm, **given, **WHO)


def retire(kid: str, **given: Any) -> int:
    """Retire *kid* once every process knows of the last change."""
    with time_machine.travel(timezone.now() + keys.SETTLING):
        return keys.retire(kid=kid, **given, **WHO)


def refusal(act: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(Problem) as caught:
        act()
    return caught.value.code, str(caught.value.detail)


def states() -> dict[str, State]:
    return {key.kid: key.state for key in keys.listed()}


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "RS256"])
def test_a_key_that_was_made_verifies_and_one_that_was_activated_signs(
    algorithm: str, events: list[SecurityEvent], session: Session
) -> None:
    events.clear()
    kid = generate(algorithm)
    assert states() == {FIRST: State.SIGNS, OLDER: State.VERIFIES, kid: State.VERIFIES}
    assert keyring.signing_key().kid == FIRST
    keys.activate(kid=kid, **WHO)
    assert states() == {FIRST: State.VERIFIES, OLDER: State.VERIFIES, kid: State.SIGNS}
    assert tokens.read_access(tokens.access_for(session)).sid == session.pk
    assert (keyring.signing_key().kid, keyring.signing_key().algorithm) == (kid, algorithm)
    assert [(event.action, event.details()) for event in events] == [
        ("sys_signing_key_generated", {"kid": kid, "algorithm": algorithm}),
        ("sys_signing_key_activated", {"kid": kid, "algorithm": algorithm, "before": FIRST}),
    ]
    assert {(event.acting.type, event.acting.label, event.event_type) for event in events} == {
        ("command", "root", "SYSTEM")
    }


def test_the_last_activated_signs_whatever_the_clock_of_the_machine_says() -> None:
    first = generate(activate=True)
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        second = generate(activate=True)
        assert keyring.signing_key().kid == second
        keys.activate(kid=first, **WHO)
    assert keyring.signing_key().kid == first


def test_nothing_that_is_stored_or_recorded_shows_a_key(events: list[SecurityEvent], session: Session) -> None:
    made = [generate(algorithm, activate=True) for algorithm in ("HS256", "EdDSA", "RS256")]
    for row in SigningKey.objects.all():
        assert row.private.startswith("v1:") and "PRIVATE" not in row.private
        assert ("PUBLIC KEY" in row.public) == (row.algorithm != "HS256")
    said = repr(events) + repr(keyring.signing_key()) + repr(keys.listed())
    assert "BEGIN" not in said and "v1:" not in said and KEYS[0] not in said
    assert len(set(made)) == 3


def test_an_algorithm_that_is_none_of_ours_makes_no_key() -> None:
    with pytest.raises(ValueError, match="ES256"):
        generate("ES256")
    assert not SigningKey.objects.exists()


def test_f26_a_key_that_was_retired_verifies_no_more(session: Session, events: list[SecurityEvent]) -> None:
    old = generate("EdDSA", activate=True)
    raw = tokens.access_for(session)
    generate("RS256", activate=True)
    assert tokens.read_access(raw).sid == session.pk
    events.clear()
    assert retire(old) == 0
    with pytest.raises(Problem, match="access_invalid"):
        tokens.read_access(raw)
    assert states()[old] == State.RETIRED
    (event,) = events
    assert event.action == "sys_signing_key_retired"
    assert event.details() == {"kid": old, "algorithm": "EdDSA", "sessions_ended": 0}


def test_a_key_of_the_settings_is_retired_though_its_secret_still_stands_there(session: Session) -> None:
    raw = tokens.access_for(session)
    generate(activate=True)
    retire(FIRST, end_sessions=True)
    with pytest.raises(Problem, match="access_invalid"):
        tokens.read_access(raw)
    row = SigningKey.objects.get(pk=FIRST)
    assert (row.private, row.public, row.activated_at, row.retired_at is None) == ("", "", None, False)
    assert [(key.kid, key.place) for key in keys.listed() if key.state == State.RETIRED] == [(FIRST, Place.SETTINGS)]


def test_of_the_settings_the_first_that_is_not_retired_signs(settings: Any) -> None:
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_KEYS": KEYS[::-1]}
    assert retire(FIRST) == 0
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_KEYS": KEYS}
    assert keyring.signing_key().kid == OLDER


def test_a_key_that_live_sessions_hang_on_is_retired_only_with_them(
    make_user: Callable[..., Any],
    open_session: Callable[..., Session],
    client_facts: Client,
    events: list[SecurityEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "_BATCH", 2)
    people = [make_user(f"person{number}") for number in range(5)]
    hanging = [open_session(user) for user in people]
    renewed = sessions.rotate(
        raw_refresh=tokens.issue(open_session(people[0])).refresh_token, client=client_facts
    ).session
    new = generate(activate=True)
    sessions.rotate(raw_refresh=tokens.issue(renewed).refresh_token, client=client_facts)
    assert {key.kid: key.sessions for key in keys.listed()} == {FIRST: 5, OLDER: 0, new: 1}
    events.clear()
    code, said = refusal(lambda: retire(FIRST))
    assert (code, events, states()[FIRST]) == ("conflict", [], State.VERIFIES)
    assert said.startswith("Sessions that hang on this key: 5. ")
    assert retire(FIRST, end_sessions=True) == 5
    assert set(Session.objects.filter(pk__in=[one.pk for one in hanging]).values_list("revoked_reason")) == {
        (RevokeReason.KEYS_RETIRED.value,)
    }
    assert Session.objects.get(pk=renewed.pk).revoked_at is None
    assert [event.action for event in events] == ["session_revoked"] * 5 + ["sys_signing_key_retired"]
    assert {event.details().get("reason", "keys_retired") for event in events} == {"keys_retired"}
    assert events[-1].details()["sessions_ended"] == 5


def test_an_end_of_sessions_that_cannot_be_recorded_leaves_the_key_as_it_was(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(activate=True)

    def fail(event: SecurityEvent) -> None:
        raise RuntimeError("the trail cannot be written")

    monkeypatch.setattr(keys, "announce", fail)
    with pytest.raises(RuntimeError):
        retire(FIRST, end_sessions=True)
    assert Session.objects.get().revoked_at is None
    assert not SigningKey.objects.filter(retired_at__isnull=False).exists()


def test_what_may_not_be_retired() -> None:
    assert refusal(lambda: retire(FIRST))[0] == "conflict"
    assert refusal(lambda: retire("0" * 16))[0] == "not_found"
    new = generate(activate=True)
    code, said = refusal(lambda: keys.retire(kid=FIRST, **WHO))
    assert code == "conflict" and "10 s" in said
    assert refusal(lambda: retire(new))[0] == "conflict"
    retire(FIRST)
    assert refusal(lambda: retire(FIRST)) == ("conflict", "This key is retired already.")


def test_what_cannot_be_activated() -> None:
    old = generate(activate=True)
    generate(activate=True)
    retire(old)
    assert refusal(lambda: keys.activate(kid=old, **WHO)) == ("conflict", "This key cannot sign: it is retired.")
    assert refusal(lambda: keys.activate(kid=FIRST, **WHO))[0] == "conflict"
    assert refusal(lambda: keys.activate(kid="0" * 16, **WHO))[0] == "not_found"


def test_a_start_makes_a_key_only_where_none_of_the_algorithm_signs(settings: Any) -> None:
    assert keys.generate_if_missing(**WHO) is None
    for algorithm in ("EdDSA", "RS256", "HS256"):
        settings.SESSIONS = settings.SESSIONS | {"SIGNING_ALGORITHM": algorithm}
        kid = keys.generate_if_missing(**WHO)
        assert (keyring.signing_key().kid, keyring.signing_key().algorithm) == (kid, algorithm)
        assert keys.generate_if_missing(**WHO) is None
    assert SigningKey.objects.count() == 3


def test_l25_a_start_under_another_encryption_key_says_so_and_makes_no_second_key(settings: Any) -> None:
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_ALGORITHM": "EdDSA"}
    kid = keys.generate_if_missing(**WHO)
    settings.GATEHOUSE = settings.GATEHOUSE | {"ENCRYPTION_KEYS": ("another-key-" + "z" * 32,)}
    code, said = refusal(lambda: keys.generate_if_missing(**WHO))
    assert code == "conflict" and said.startswith(f"The key {kid} is not used: ") and "ENCRYPTION_KEY" in said
    assert kid and states()[kid] == State.UNREADABLE
    assert "ENCRYPTION_KEY" in refusal(lambda: keys.activate(kid=kid, **WHO))[1]
    assert retire(kid) == 0  # lost for good: the way on
    assert keys.generate_if_missing(**WHO) is not None
