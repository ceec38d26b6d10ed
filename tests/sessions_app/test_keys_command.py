"""``manage.py keys``: what an operator types and reads."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from gatehouse.events import SecurityEvent
from sessions_app import keyring, keys
from sessions_app.models import Session, SigningKey
from tests.sessions_app.conftest import KEYS

pytestmark = pytest.mark.django_db

FIRST, OLDER = (keyring.from_secret(secret).kid for secret in KEYS)


def say(*words: str) -> str:
    out = StringIO()
    call_command("keys", *words, stdout=out)
    return out.getvalue()


def rows() -> list[list[str]]:
    return [line.split() for line in say("list").splitlines()[1:]]


def test_the_list_says_what_each_key_is_good_for(session: Session) -> None:
    assert rows() == [
        [FIRST, "HS256", "settings", "signs", "-", "1"],
        [OLDER, "HS256", "settings", "verifies", "-", "0"],
    ]
    kid = say("generate", "--algorithm", "RS256").split()[0]
    ((name, algorithm, place, state, *_made, sessions),) = rows()[2:]
    assert (name, algorithm, place, state, sessions) == (kid, "RS256", "table", "verifies", "0")


def test_a_rotation_from_the_first_command_to_the_last(session: Session, events: list[SecurityEvent]) -> None:
    kid = say("generate").split()[0]
    assert keyring.signing_key().kid == FIRST
    assert say("activate", kid) == f"{kid} signs from now on.\n"
    with time_machine.travel(timezone.now() + keys.SETTLING):
        with pytest.raises(CommandError, match="Sessions that hang on this key: 1"):
            say("retire", FIRST)
        assert say("retire", FIRST, "--end-sessions") == f"{FIRST} is not believed any more. Sessions ended: 1.\n"
    assert [row[3] for row in rows()] == ["verifies", "signs", "retired"]
    assert rows()[2] == [FIRST, "HS256", "settings", "retired", "-", "0"]  # when it was made, nobody knows
    acts = [event for event in events if event.action.startswith("sys_")]
    assert [event.action for event in acts] == [
        "sys_signing_key_generated",
        "sys_signing_key_activated",
        "sys_signing_key_retired",
    ]
    assert {event.acting for event in acts} == {type(acts[0].acting).command()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("activate", "0" * 16), "There is no key of this name: `keys list` shows"),
        (("retire", "0" * 16), "There is no key of this name: `keys list` shows"),
        (("retire", FIRST), "This key signs: activate another one first."),
        (("generate", "--algorithm", "ES256"), "invalid choice: 'ES256'"),
        (("generate", "--if-missing", "--activate"), "leave the others out"),
        ((), "required: act"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        say(*words)
    assert not SigningKey.objects.exists()


def test_no_key_is_printed(session: Session) -> None:
    said = "".join([say("generate", "--algorithm", name, "--activate") for name in ("HS256", "EdDSA", "RS256")])
    said += say("list")
    for row in SigningKey.objects.all():
        assert row.private not in said
    assert "BEGIN" not in said and KEYS[0] not in said


def test_a_start_script_makes_the_key_that_is_missing_and_says_so_once(
    settings: Any, make_user: Callable[..., Any]
) -> None:
    assert say("generate", "--if-missing") == ""
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_ALGORITHM": "EdDSA"}
    assert say("generate", "--if-missing").endswith("was made for EdDSA and signs from now on.\n")
    assert say("generate", "--if-missing") == ""
    assert keyring.signing_key().algorithm == "EdDSA"
