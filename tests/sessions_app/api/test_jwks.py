"""The public keys at their well-known address."""

import json
from typing import Any

import jwt
import pytest
from django.test import Client as Browser

from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from sessions_app import keyring, keys, tokens
from sessions_app.models import Session, SigningKey
from tests.sessions_app.test_tokens import PUBLIC, algorithm, maced

pytestmark = pytest.mark.django_db

__all__ = ["algorithm"]  # a fixture
PATH = "/.well-known/jwks.json"
WHO: dict[str, Any] = {"client": Client.local("keys"), "actor": Actor.command("root")}


def test_where_all_keys_are_shared_secrets_there_is_no_such_page() -> None:
    keys.generate(algorithm="HS256", activate=True, **WHO)
    assert Browser().get(PATH).status_code == 404


def test_every_public_key_that_verifies_is_shown_with_nothing_of_its_private_part() -> None:
    ed = keys.generate(algorithm="EdDSA", **WHO)
    rsa = keys.generate(algorithm="RS256", activate=True, **WHO)
    keys.generate(algorithm="HS256", **WHO)
    answer = Browser().get(PATH)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/jwk-set+json"
    assert answer["Cache-Control"] == "public, max-age=60"
    assert not answer.cookies
    shown = {key["kid"]: key for key in answer.json()["keys"]}
    assert {kid: set(key) - {"kid"} for kid, key in shown.items()} == {
        ed: {"kty", "crv", "x", "use", "alg"},
        rsa: {"kty", "n", "e", "use", "alg"},
    }
    assert (shown[ed]["kty"], shown[ed]["crv"], shown[ed]["alg"], shown[ed]["use"]) == (
        "OKP",
        "Ed25519",
        "EdDSA",
        "sig",
    )
    assert (shown[rsa]["kty"], shown[rsa]["e"], shown[rsa]["alg"], shown[rsa]["use"]) == ("RSA", "AQAB", "RS256", "sig")


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_others_verify_a_token_by_it(algorithm: str, session: Session) -> None:
    keys.generate(algorithm=algorithm, activate=True, **WHO)
    raw = tokens.access_for(session)
    shown = jwt.PyJWKSet.from_dict(Browser().get(PATH).json())
    key = shown[jwt.get_unverified_header(raw)["kid"]]
    said = jwt.decode(raw, key, algorithms=[algorithm], audience="gatehouse", issuer="http://testserver")
    assert said["sid"] == str(session.pk)


@pytest.mark.parametrize("algorithm", PUBLIC, indirect=True)
def test_f02_a_token_maced_with_the_public_key_is_401_and_recorded(
    algorithm: str, session: Session, events: list[SecurityEvent]
) -> None:
    (jwk,) = Browser().get(PATH).json()["keys"]
    pem = keyring.public_pem(keyring.signing_key().verifying).encode()
    for text in (pem, pem.strip(), json.dumps(jwk).encode()):
        events.clear()
        answer = Browser().get("/api/v1/auth/session", headers={"authorization": f"Bearer {maced(text)}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "access_invalid")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert [(event.action, event.failure_reason) for event in events] == [("authn_token_invalid", "token_invalid")]


def test_a_retired_key_is_not_shown() -> None:
    kid = keys.generate(algorithm="EdDSA", **WHO)
    keys.retire(kid=kid, **WHO)
    assert SigningKey.objects.get().public
    assert Browser().get(PATH).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(method: str) -> None:
    assert getattr(Browser(), method)(PATH).status_code == 405
