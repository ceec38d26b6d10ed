"""What a process knows of the keys, for how long, and which rows it does not believe."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connections
from django.test import Client as Browser
from django.utils import timezone

from gatehouse import encryption
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app import keyring, keys, tokens
from sessions_app.models import Session, SigningKey
from tests.sessions_app.conftest import KEYS
from tests.sessions_app.test_tokens import forge

pytestmark = pytest.mark.django_db

WHO: dict[str, Any] = {"client": Client.local("keys"), "actor": Actor.command("root")}
FIRST = keyring.from_secret(KEYS[0]).kid
KID = "0123456789abcdef"


class Clock:
    """The process's clock, moved by hand."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(keyring.time, "monotonic", made)
    return made


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call what another process would do: this one hears nothing of it."""

    def do(act: Callable[..., Any], **given: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(keyring, "forget", lambda: None)
            return act(**given, **WHO)

    return do


def test_in_steady_state_a_token_asks_for_no_key(session: Session, django_assert_num_queries: Any) -> None:
    raw = tokens.access_for(session)
    with django_assert_num_queries(0):
        tokens.read_access(raw)
        tokens.read_access(tokens.access_for(session))


def test_a_request_with_a_token_stays_at_one_query(session: Session, django_assert_num_queries: Any) -> None:
    header = {"authorization": f"Bearer {tokens.access_for(session)}"}
    browser = Browser(headers=header)
    assert browser.get("/api/v1/auth/session").status_code == 200
    with django_assert_num_queries(1):
        assert browser.get("/api/v1/auth/session").status_code == 200


def test_keys_are_parsed_once_and_not_with_every_look(clock: Clock) -> None:
    keys.generate(algorithm="RS256", activate=True, **WHO)
    first = keyring.signing_key()
    clock.now += keyring.LIFE
    assert keyring.signing_key() is first


def test_a_change_elsewhere_is_seen_after_five_seconds(
    clock: Clock, elsewhere: Callable[..., Any], django_assert_num_queries: Any
) -> None:
    assert keyring.signing_key().kid == FIRST
    kid = elsewhere(keys.generate, algorithm="EdDSA", activate=True)
    clock.now += keyring.LIFE - 0.1
    with django_assert_num_queries(0):
        assert keyring.signing_key().kid == FIRST
    clock.now += 0.1
    with django_assert_num_queries(1):
        assert keyring.signing_key().kid == kid


def test_f26_a_token_of_a_key_retired_elsewhere_is_refused_after_five_seconds(
    clock: Clock, elsewhere: Callable[..., Any], session: Session
) -> None:
    old = keys.generate(algorithm="EdDSA", activate=True, **WHO)
    raw = tokens.access_for(session)
    keys.generate(algorithm="EdDSA", activate=True, **WHO)
    assert tokens.read_access(raw)
    SigningKey.objects.filter(pk=old).update(retired_at=timezone.now())
    clock.now += keyring.LIFE
    with pytest.raises(Problem, match="access_invalid"):
        tokens.read_access(raw)


def test_a_new_key_of_another_process_is_believed_at_once(clock: Clock, elsewhere: Callable[..., Any]) -> None:
    assert keyring.verifying_key(FIRST)
    kid = elsewhere(keys.generate, algorithm="EdDSA", activate=True)
    assert keyring.verifying_key(kid)
    assert keyring.signing_key().kid == kid


def test_f06_a_flood_of_unknown_kids_is_no_flood_of_queries(
    clock: Clock, elsewhere: Callable[..., Any], django_assert_num_queries: Any
) -> None:
    keyring.signing_key()
    with django_assert_num_queries(1):
        for number in range(1000):
            assert keyring.verifying_key(f"{number:016x}") is None
    kid = elsewhere(keys.generate, algorithm="EdDSA", activate=False)
    clock.now += keyring.UNKNOWN_PAUSE
    with django_assert_num_queries(1):
        assert keyring.verifying_key(kid)
        assert keyring.verifying_key("f" * 16) is None


def test_f06_a_retired_kid_asks_for_nothing(clock: Clock, django_assert_num_queries: Any) -> None:
    SigningKey.objects.create(kid=KID, algorithm="HS256", created_at=timezone.now(), retired_at=timezone.now())
    assert keyring.verifying_key(KID) is None
    with django_assert_num_queries(0):
        assert keyring.verifying_key(KID) is None


@pytest.mark.django_db(transaction=True)
def test_threads_that_look_at_once_all_see_the_ring() -> None:
    kid = keys.generate(algorithm="EdDSA", activate=True, **WHO)

    def look(turn: int) -> tuple[str, bool]:
        try:
            if turn % 3 == 0:
                keyring.forget()
            return keyring.signing_key().kid, keyring.verifying_key(FIRST) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(look, range(80))) == {(kid, True)}


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def plant(private: str, public: Any, *, algorithm: str = "EdDSA", context: str = "") -> None:
    sealed = encryption.encrypt(private, context or keyring.seal_context(KID, algorithm))
    now = timezone.now()
    SigningKey.objects.create(
        kid=KID,
        algorithm=algorithm,
        private=sealed,
        public=public if isinstance(public, str) else keyring.public_pem(public),
        created_at=now,
        activated_at=now,
    )


GOOD = Ed25519PrivateKey.generate()
SHORT = generate_private_key(65537, 2048)
SMALL_ORDER = Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))
UNBELIEVABLE: dict[str, Callable[[], None]] = {
    "garbage sealed": lambda: plant("garbage", GOOD.public_key()),
    "nothing sealed": lambda: plant("", GOOD.public_key()),
    "another's public key": lambda: plant(pem(GOOD), Ed25519PrivateKey.generate().public_key()),
    "a public key of small order": lambda: plant(pem(GOOD), SMALL_ORDER),
    "no public key": lambda: plant(pem(GOOD), ""),
    "a key of another kind": lambda: plant(pem(GOOD), GOOD.public_key(), algorithm="RS256"),
    "an RSA key as Ed25519": lambda: plant(pem(SHORT), SHORT.public_key()),
    "a short RSA key": lambda: plant(pem(SHORT), SHORT.public_key(), algorithm="RS256"),
    "another algorithm": lambda: plant(pem(GOOD), GOOD.public_key(), algorithm="ES256"),
    "sealed for another row": lambda: plant(pem(GOOD), GOOD.public_key(), context="signing-key:EdDSA:other"),
    "sealed for another algorithm": lambda: plant(
        pem(GOOD), "", algorithm="HS256", context=keyring.seal_context(KID, "EdDSA")
    ),
}


@pytest.mark.parametrize("name", UNBELIEVABLE)
def test_f04_a_row_that_does_not_hold_is_skipped_with_a_reason(
    name: str, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    UNBELIEVABLE[name]()
    assert keyring.signing_key().kid == FIRST
    assert keyring.verifying_key(KID) is None
    assert tokens.read_access(tokens.access_for(session)).sid == session.pk
    keyring._snapshot.forget()
    keyring.signing_key()
    (line,) = [record.msg for record in caplog.records if record.name == "sessions_app.keyring"]
    assert isinstance(line, dict)
    assert (line["kid"], line["level"]) == (KID, "error")
    assert "ENCRYPTION_KEY" in line["cause"] or "key" in line["cause"]
    assert "BEGIN" not in str(line)


def test_f04_whoever_can_write_the_table_adds_no_key_that_verifies() -> None:
    mine = Ed25519PrivateKey.generate()
    now = timezone.now()
    SigningKey.objects.create(
        kid=KID,
        algorithm="EdDSA",
        private="",
        public=keyring.public_pem(mine.public_key()),
        created_at=now,
        activated_at=now,
    )
    with pytest.raises(Problem, match="access_invalid"):
        tokens.read_access(forge(key=pem(mine), algorithm="EdDSA", header={"kid": KID}))
    assert tokens.public_jwks() == []


def test_l25_another_encryption_key_leaves_tokens_of_the_settings_as_they_were(session: Session, settings: Any) -> None:
    by_settings = tokens.access_for(session)
    kid = keys.generate(algorithm="EdDSA", activate=True, **WHO)
    by_table = tokens.access_for(session)
    right = settings.GATEHOUSE
    settings.GATEHOUSE = right | {"ENCRYPTION_KEYS": ("another-key-" + "z" * 32,)}
    assert tokens.read_access(by_settings).sid == session.pk
    assert jwt.get_unverified_header(tokens.access_for(session))["kid"] == FIRST
    with pytest.raises(Problem, match="access_invalid"):
        tokens.read_access(by_table)
    settings.GATEHOUSE = right | {"ENCRYPTION_KEYS": ("another-key-" + "z" * 32, *right["ENCRYPTION_KEYS"])}
    assert tokens.read_access(by_table).sid == session.pk
    assert keyring.signing_key().kid == kid


def test_without_any_key_a_sign_in_is_answered_503_and_everything_else_goes_on(session: Session, settings: Any) -> None:
    raw = tokens.access_for(session)
    now = timezone.now()
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_KEYS": KEYS[:1]}
    SigningKey.objects.create(kid=FIRST, algorithm="HS256", created_at=now, retired_at=now)
    with pytest.raises(Problem, match="service_unavailable"):
        tokens.access_for(session)
    with pytest.raises(Problem, match="access_invalid"):
        tokens.read_access(raw)
