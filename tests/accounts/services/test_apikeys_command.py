"""``manage.py apikeys``: what an operator types and reads."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiKey
from accounts.services import api_keys
from gatehouse.client import Client
from tests.factories import mark, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CREATE = ("create", "--name", "Billing", "--scope", "audit.write", "--scope", "audit.read")


def say(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("apikeys", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_key_alone_is_printed_and_once() -> None:
    out, err = say(*CREATE, "--expires", "30d", "--limit", "90")
    assert re.fullmatch(r"ghk_[0-9A-Za-z]{50}\n", out)
    key = ApiKey.objects.get()
    assert api_keys.recognise(text=out.strip(), client=Client.local("test")).id == key.pk
    assert (key.limit_per_minute, (key.expires_at - key.created_at).days) == (90, 30)
    assert out.strip() not in err and key.public_id in err
    shown = say("list")[0] + say("list", "--format", "json")[0]
    assert key.public_id in shown and out.strip()[16:] not in shown and key.secret_hash not in shown


def test_the_life_of_a_key_in_commands_and_in_the_trail() -> None:
    since = mark()
    text = say(*CREATE)[0].strip()
    public_id = text[:16]
    assert say("scope", public_id, "--scope", "audit.read", "--reason", "reads only")[0].endswith(": audit.read.\n")
    assert say("revoke", text, "--reason", "leaked") == (f"{public_id} opens nothing any more.\n", "")
    with pytest.raises(CommandError, match="revoked already"):
        say("revoke", public_id, "--reason", "leaked")
    [row] = json.loads(say("list", "--format", "json")[0])
    assert {"public_id": public_id, "status": "revoked", "scopes": ["audit.read"], "last_used_at": None}.items() <= (
        row.items()
    )
    assert say("list")[0].splitlines()[1].split()[:3] == [public_id, "Billing", "revoked"]
    assert trail(since) == [
        ("authn_token_created",),
        ("authz_scope_change",),
        ("authn_token_revoked",),
        ("authn_token_revoked", "conflict"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "--name", "x", "--scope", "audit.all"), "There is no scope audit.all"),
        (("create", "--name", "a@b.example", "--scope", "audit.read"), "use no address"),
        ((*CREATE, "--expires", "never"), "a number and a unit"),
        ((*CREATE, "--expires", "400d"), "366 days at most"),
        ((*CREATE, "--limit", "0"), "from 1 to"),
        (("create", "--name", "x"), "required: --scope"),
        (("revoke", "ghk_000000000000", "--reason", "x"), "There is no such key."),
        (("revoke", "ghk_000000000000"), "required: --reason"),
        ((), "required: act"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=re.escape(said)):
        say(*words)
    assert not ApiKey.objects.exists()
