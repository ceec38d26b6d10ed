"""Keyed hashes of codes and tokens, and what is derived from keys.

1. What the database holds is a keyed hash (HMAC-SHA256), so that a copy of it neither shows a token nor lets
   anybody search the few possibilities of a six-digit code (ASVS 6.5.2, 11.4.1).
2. Every use has a key of its own, derived by a label from the configured one: a hash made for one purpose is
   worth nothing for another (ASVS 11.2.1).
3. Parts are prefixed by their lengths, so that ("ab", "c") and ("a", "bc") differ.
"""

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured

from .conf import app_settings

_CODE_SPACE = 2**64


def keyed_hash(purpose: str, *parts: object) -> str:
    """Return the 64 hex digits that stand for *parts* in the database."""
    return _digest(hash_keys()[0], "hash:" + purpose, parts).hex()


def keyed_hashes(purpose: str, *parts: object) -> list[str]:
    """Return the hashes of *parts* under every key of the ring, for look-ups while keys are changed."""
    return [_digest(key, "hash:" + purpose, parts).hex() for key in hash_keys()]


def new_token() -> str:
    """Return 32 random bytes as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def derive_code(purpose: str, row_id: object, send: int, length: int = 6, key: str | None = None) -> str:
    """Return the digits that the *send*-th mail of *row_id* carries.

    The digits are evenly spread: what lies above the largest multiple of the number of codes is drawn again.
    """
    key = mail_keys()[0] if key is None else key
    codes = 10**length
    fair = _CODE_SPACE - _CODE_SPACE % codes
    draw = 0
    while True:
        digest = _digest(key, "code:" + purpose, (row_id, send, draw))
        number = int.from_bytes(digest[:8], "big")
        if number < fair:
            return str(number % codes).zfill(length)
        draw += 1


def derive_token(purpose: str, row_id: object, send: int, key: str | None = None) -> str:
    """Return the 43 characters that the link in the *send*-th mail of *row_id* carries."""
    key = mail_keys()[0] if key is None else key
    digest = _digest(key, "token:" + purpose, (row_id, send))
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def hash_keys() -> tuple[str, ...]:
    """Return the ring of keys of stored hashes, the writing one first."""
    return _ring("HASH_KEYS", app_settings().HASH_KEYS)


def mail_keys() -> tuple[str, ...]:
    """Return the ring of keys of mailed codes and links, the writing one first."""
    return _ring("MAIL_KEYS", app_settings().MAIL_KEYS)


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(_octets(one), _octets(other))


@lru_cache(maxsize=256)
def derived_key(key: str, label: str) -> bytes:
    """Return the 32 bytes that *key* gives for the use called *label*."""
    return hmac.digest(key.encode(), b"gatehouse:" + label.encode(), hashlib.sha256)


def _ring(name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    if not keys or not all(keys):
        raise ImproperlyConfigured(f"GATEHOUSE['{name}'] holds no key, or an empty one.")
    return keys


def _digest(key: str, label: str, parts: tuple[object, ...]) -> bytes:
    message = hmac.new(derived_key(key, label), digestmod=hashlib.sha256)
    for part in parts:
        octets = _octets(part)
        message.update(len(octets).to_bytes(8, "big"))
        message.update(octets)
    return message.digest()


def _octets(part: object) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
