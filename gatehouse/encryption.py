"""Secrets at rest: AES-256-GCM with a ring of keys.

1. The *context* (which row, which field) is authenticated with the text: a value copied to another row does
   not decrypt (ASVS 11.3.3, 11.3.4).
2. Every value names its key by the beginning of that key's hash, so keys are changed without down-time: put the new
   key first, write every value again, then drop the old key.
3. Nonces are random, 96 bits; a key serves far fewer than 2^32 values (NIST SP 800-38D, 8.3).
"""

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured

from .conf import app_settings
from .hashing import derived_key

_VERSION = "v1"
_NONCE = 12


class DecryptionFailed(Exception):  # noqa: N818  (named as a condition, like every refusal here)
    """Raised by decrypt() where a value is damaged, belongs elsewhere, or its key is gone."""


def encrypt(text: str, context: str, *, keys: tuple[str, ...] | None = None) -> str:
    """Return *text* sealed for *context*, as ``v1:<key id>:<base64url>``.

    *keys* is another ring than that of GATEHOUSE["ENCRYPTION_KEYS"], the one that writes first.
    """
    key_id, key = next(iter(_ring(keys).items()))
    nonce = os.urandom(_NONCE)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), context.encode())
    return f"{_VERSION}:{key_id}:{base64.urlsafe_b64encode(sealed).decode()}"


def decrypt(stored: str, context: str, *, keys: tuple[str, ...] | None = None) -> str:
    """Return the text that encrypt() sealed for *context* with one of *keys*.

    Raises DecryptionFailed.
    """
    version, _, rest = stored.partition(":")
    key_id, _, payload = rest.partition(":")
    key = _ring(keys).get(key_id)
    if version != _VERSION or key is None:
        raise DecryptionFailed("The value names a key that is not in the ring.")
    try:
        sealed = base64.urlsafe_b64decode(payload.encode("ascii"))
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise DecryptionFailed("The value is damaged, or it was sealed for something else.") from error


class Cipher:
    """AES-256-GCM under one key of 32 bytes, for short values that are bound to what stands beside them."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @staticmethod
    def new_key() -> bytes:
        """Return 32 random bytes."""
        return AESGCM.generate_key(256)

    def close(self, plain: bytes, bound: bytes) -> bytes:
        """Return *plain* sealed, its nonce in front; it opens beside the same *bound* only."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Return what close() sealed beside *bound*.

        Raises DecryptionFailed.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except (InvalidTag, ValueError) as error:
            raise DecryptionFailed("The value is damaged, or it was sealed beside something else.") from error


def is_current(stored: str) -> bool:
    """Whether *stored* was sealed with the key that writes now."""
    return stored.startswith(f"{_VERSION}:{next(iter(_ring(None)))}:")


def _ring(keys: tuple[str, ...] | None) -> dict[str, bytes]:
    if keys is None:
        keys = app_settings().ENCRYPTION_KEYS
    if not keys or not all(keys):
        raise ImproperlyConfigured("The ring of encryption keys holds no key, or an empty one.")
    derived = [derived_key(key, "encryption") for key in keys]
    return {hashlib.sha256(b"key-id:" + key).hexdigest()[:8]: key for key in derived}
