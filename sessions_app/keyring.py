"""The ring of keys that sign tokens, found by their id.

Keys come from two places: the secrets of the setting SIGNING_KEYS, and the table SigningKey. The row activated last
signs; without one, the first secret that is not retired. All that are not retired verify.

1. A row is believed as far as its sealed part opens: who can write the table and has not ENCRYPTION_KEY adds no key
   that verifies. The public part is taken from the private one; the stored one must be the same.
2. A process knows the ring for LIFE seconds, then looks again; so a key retired elsewhere is refused after LIFE.
3. A kid that nobody knows may be new: the table is asked at once, though not twice within UNKNOWN_PAUSE, since
   anybody can make up kids.
4. No lock is held while the table is asked: who waits for a connection of the pool must keep nobody waiting who has
   one.
"""

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from gatehouse import encryption
from gatehouse.problems import Problem
from sessions_app.conf import app_settings
from sessions_app.models import Algorithm, SigningKey

log = structlog.get_logger(__name__)

LIFE = 5.0  # seconds
UNKNOWN_PAUSE = 1.0  # seconds
RSA_BITS = 3072  # what NIST SP 800-57 counts as 128 bits of strength (ASVS 11.2.3)


@dataclass(frozen=True, eq=False)
class Key:
    """One key and the only algorithm it may be used with (RFC 8725, 3.1); the same key is the same object."""

    kid: str
    algorithm: str
    signing: Any = field(repr=False)  # a secret's text, or a private key
    verifying: Any = field(repr=False)  # the same text, or the public key

    @property
    def is_public(self) -> bool:
        """Whether others may verify with it."""
        return self.algorithm != Algorithm.HS256


@dataclass(frozen=True)
class Ring:
    """What one look at the settings and the table found."""

    signing: Key | None
    verifying: Mapping[str, Key]
    retired: frozenset[str]
    unreadable: Mapping[str, str]  # kid, and why its row is not believed

    def knows(self, kid: str) -> bool:
        return kid in self.verifying or kid in self.retired or kid in self.unreadable


def signing_key() -> Key:
    """Return the key that signs new tokens; raises service_unavailable where there is none."""
    key = _snapshot.ring().signing
    if key is None:
        log.error("no key can sign tokens: look at SIGNING_KEYS, ENCRYPTION_KEY and `manage.py keys list`")
        raise Problem("service_unavailable", retry_after=60)
    return key


def verifying_key(kid: str) -> Key | None:
    """Return the key called *kid*, or None where we have none of that name, or it is retired."""
    ring = _snapshot.ring()
    if not ring.knows(kid):
        ring = _snapshot.ring_for_unknown()
    return ring.verifying.get(kid)


def public_keys() -> list[Key]:
    """Return the keys whose public part others may verify with."""
    return [key for key in _snapshot.ring().verifying.values() if key.is_public]


def forget() -> None:
    """Look again at the next use: a key has just changed in this process."""
    _snapshot.forget()
    _opened.cache_clear()


def ring_of(rows: Sequence[SigningKey]) -> Ring:
    """Return the ring of *rows* and of the settings."""
    retired = {row.kid for row in rows if row.retired_at is not None}
    keys = {key.kid: key for key in map(from_secret, app_settings().SIGNING_KEYS) if key.kid not in retired}
    signing = next(iter(keys.values()), None)
    unreadable: dict[str, str] = {}
    # The unactivated first, then by activation: the last that can sign does.
    for row in sorted((row for row in rows if row.kid not in retired), key=_activation):
        found = _opened(row.kid, row.algorithm, row.private, row.public)
        if isinstance(found, str):
            unreadable[row.kid] = found
            continue
        keys[row.kid] = found
        if row.activated_at is not None:
            signing = found
    return Ring(signing, keys, frozenset(retired), unreadable)


@lru_cache(maxsize=64)
def from_secret(secret: str) -> Key:
    """Return the key that a secret of the settings is."""
    kid = hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]
    return Key(kid, Algorithm.HS256.value, secret, secret)


def seal_context(kid: str, algorithm: str) -> str:
    """Return what a sealed private part is bound to: a row copied under another name does not open."""
    return f"signing-key:{algorithm}:{kid}"


def public_pem(public: Any) -> str:
    """Return the public part of a key as its row holds it."""
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


class _Snapshot:
    """The ring as this process last saw it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[float, Ring] | None = None
        self._sought = -UNKNOWN_PAUSE

    def ring(self) -> Ring:
        held = self._held
        if held is not None and time.monotonic() - held[0] < LIFE:
            return held[1]
        return self._look()

    def ring_for_unknown(self) -> Ring:
        """Return the ring as it is now, or the one in hand where an unknown kid was looked for a moment ago."""
        now = time.monotonic()
        with self._lock:
            may_look = now - self._sought >= UNKNOWN_PAUSE
            if may_look:
                self._sought = now
        return self._look() if may_look else self.ring()

    def forget(self) -> None:
        with self._lock:
            self._held = None
            self._sought = -UNKNOWN_PAUSE

    def _look(self) -> Ring:
        began = time.monotonic()  # before the table is asked: what is held is never older than it says
        ring = ring_of(list(SigningKey.objects.all()))
        with self._lock:
            if self._held is None or self._held[0] <= began:
                self._held = began, ring
        return ring


_snapshot = _Snapshot()


@lru_cache(maxsize=64)
def _opened(kid: str, algorithm: str, private: str, public: str) -> Key | str:
    """Return the key of a row, or why it is none; what is wrong is logged once a process, not with every look."""
    try:
        key = _parsed(kid, algorithm, encryption.decrypt(private, seal_context(kid, algorithm)))
    except (encryption.DecryptionFailed, ImproperlyConfigured):
        fault = "its private part does not open with ENCRYPTION_KEY"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fault = f"its private part is no {algorithm} key"
    else:
        if public == (public_pem(key.verifying) if key.is_public else ""):
            return key
        fault = "its public part belongs to another key"
    log.error("a signing key is not used", kid=kid, algorithm=algorithm, cause=fault)
    return fault


def _parsed(kid: str, algorithm: str, text: str) -> Key:
    if algorithm == Algorithm.HS256:
        return Key(kid, algorithm, text, text)
    key = load_pem_private_key(text.encode(), password=None)
    match algorithm, key:
        case (Algorithm.EDDSA, Ed25519PrivateKey()):
            return Key(kid, algorithm, key, key.public_key())
        case (Algorithm.RS256, RSAPrivateKey()) if key.key_size >= RSA_BITS:
            return Key(kid, algorithm, key, key.public_key())
    raise ValueError("another kind of key, or a short one")


def _activation(row: SigningKey) -> tuple[datetime, str]:
    return row.activated_at or datetime.min.replace(tzinfo=UTC), row.kid


@receiver(setting_changed, dispatch_uid="sessions_app.keyring")
def _forget_settings(*, setting: str, **_: object) -> None:
    if setting in {"SESSIONS", "GATEHOUSE"}:
        forget()
