"""The keys of the seals: Ed25519, outside the database.

1. AUDIT["SIGNING_KEY"] signs where it is given; only the worker needs it, and then nobody else can seal. With neither
   it nor AUDIT["PUBLIC_KEYS"] the key is derived from the first of AUDIT["KEYS"], which every process holds.
2. What verifies: the public half of SIGNING_KEY and PUBLIC_KEYS; with neither those derived from every one of KEYS. A
   key that is derived counts for nothing once there is one of the two, unless PUBLIC_KEYS names it: whoever took a web
   process would otherwise hold it.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from gatehouse.hashing import derived_key

from .conf import app_settings

_LENGTH = 32
_ED25519 = b"\x01"  # of the signed note
_LABEL = "audit-seal"


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies, by its 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """What a seal calls it: 16 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key in base64, as AUDIT["PUBLIC_KEYS"] takes it."""
        return b64encode(self.raw).decode()

    def note_hash(self, name: str) -> bytes:
        """Return the four bytes that a signed note calls it, whose signer is *name* (C2SP signed-note)."""
        return hashlib.sha256(name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def note_key(self, name: str) -> str:
        """Return the verifier key of *name*, as tools for signed notes take it."""
        return f"{name}+{self.note_hash(name).hex()}+{b64encode(_ED25519 + self.raw).decode()}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether *signature* is one over *message* by this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A key that signs."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of a signature over *message*."""
        return self.private.sign(message)


def signing_key() -> SigningKey:
    """Return the key that seals. Raises ImproperlyConfigured where none is set or it cannot be read."""
    settings = app_settings()
    if settings.SIGNING_KEY:
        seed = decoded("SIGNING_KEY", settings.SIGNING_KEY)
    elif settings.PUBLIC_KEYS:
        raise ImproperlyConfigured(
            "AUDIT has no key that signs: PUBLIC_KEYS says what counts, and SIGNING_KEY is empty."
        )
    elif settings.KEYS and settings.KEYS[0]:
        seed = derived_key(settings.KEYS[0], _LABEL)
    else:
        raise ImproperlyConfigured("AUDIT has no key that signs: neither SIGNING_KEY nor KEYS.")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


def public_keys() -> dict[str, PublicKey]:
    """Return the keys that verify seals, by their ids, the one that signs now first.

    Raises ImproperlyConfigured for one that cannot be read.
    """
    settings = app_settings()
    found = [_public(decoded("SIGNING_KEY", settings.SIGNING_KEY))] if settings.SIGNING_KEY else []
    if not settings.SIGNING_KEY and not settings.PUBLIC_KEYS:
        found += [_public(derived_key(key, _LABEL)) for key in settings.KEYS if key]
    return by_id([*found, *(PublicKey(decoded("PUBLIC_KEYS", text)) for text in settings.PUBLIC_KEYS)])


def by_id(keys: Iterable[PublicKey]) -> dict[str, PublicKey]:
    """Return *keys* by their ids."""
    return {key.key_id: key for key in keys}


def decoded(name: str, text: str) -> bytes:
    """Return the 32 bytes that *text* of the setting *name* stands for; raise ImproperlyConfigured."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _LENGTH:
        raise ImproperlyConfigured(f"AUDIT['{name}'] is not the base64 of {_LENGTH} bytes.")
    return raw


def from_base64(text: str) -> bytes:
    """Return the bytes of a signature; none where *text* is no base64."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _public(seed: bytes) -> PublicKey:
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed)).public
