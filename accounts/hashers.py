"""The password hasher, its cost taken from the settings, and those that verify hashes of older systems.

The latter make no hash: the next right sign-in puts Argon2id in the place of what they verified. Which hashes come in,
and in which form they are kept, is in :mod:`accounts.old_hashes`.
"""

import base64
import hashlib
from typing import Any, NoReturn

import bcrypt
from django.contrib.auth.hashers import Argon2PasswordHasher, BasePasswordHasher, BCryptPasswordHasher
from django.utils.crypto import constant_time_compare

from accounts.conf import app_settings

_BCRYPT_READS = 72  # bytes; what comes after them never counted


class Argon2id(Argon2PasswordHasher):
    """Argon2id at the cost of the settings; a changed cost upgrades a hash at the next sign-in (ASVS 11.4.2).

    Verifies Argon2i and Argon2d besides, and either version.
    """

    @property
    def time_cost(self) -> int:  # type: ignore[override]
        return app_settings().ARGON2_TIME

    @property
    def memory_cost(self) -> int:  # type: ignore[override]
        return app_settings().ARGON2_MEMORY

    @property
    def parallelism(self) -> int:  # type: ignore[override]
        return app_settings().ARGON2_PARALLELISM


class PlainBcrypt(BCryptPasswordHasher):
    """Verifies bcrypt of the password itself, kept as ``bcrypt$$2b$…``.

    bcrypt reads 72 bytes: libraries used to cut there silently, and today's refuses more. So it is cut here, and a
    longer password is as right as it was where it came from.
    """

    def encode(self, password: str, salt: str | bytes) -> NoReturn:
        raise NotImplementedError("Nothing is hashed by bcrypt any more.")

    def verify(self, password: str, encoded: str) -> bool:
        _algorithm, _dollar, made = encoded.partition("$")
        return bcrypt.checkpw(password.encode()[:_BCRYPT_READS], made.encode("ascii"))


class PasslibPBKDF2(BasePasswordHasher):
    """Verifies PBKDF2-HMAC-SHA256 as passlib writes it, kept as ``pbkdf2-sha256$rounds$salt$checksum``.

    Its salt is bytes, which need not be a text: Django's own form cannot hold them.
    """

    algorithm = "pbkdf2-sha256"

    def encode(self, password: str, salt: str) -> NoReturn:
        raise NotImplementedError("Nothing is hashed by PBKDF2 any more.")

    def decode(self, encoded: str) -> dict[str, Any]:
        algorithm, rounds, salt, checksum = encoded.split("$")
        return {"algorithm": algorithm, "rounds": int(rounds), "salt": from_ab64(salt), "checksum": from_ab64(checksum)}

    def verify(self, password: str, encoded: str) -> bool:
        kept = self.decode(encoded)
        found = hashlib.pbkdf2_hmac("sha256", password.encode(), kept["salt"], kept["rounds"])
        return constant_time_compare(found, kept["checksum"])


def from_ab64(text: str) -> bytes:
    """Return the bytes of *text* in passlib's base64: a dot for the plus, nothing at the end; raises ValueError."""
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
