"""The keys that sign tokens, found by their id."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

from sessions_app.conf import app_settings

ALGORITHM = "HS256"


@dataclass(frozen=True)
class Key:
    """One key and the only algorithm it may be used with (RFC 8725, 3.1)."""

    kid: str
    algorithm: str
    secret: str = field(repr=False)


def signing_key() -> Key:
    """Return the key that signs new tokens."""
    return next(iter(_ring(app_settings().SIGNING_KEYS).values()))


def verifying_key(kid: str) -> Key | None:
    """Return the key called *kid*, or None where we have none of that name."""
    return _ring(app_settings().SIGNING_KEYS).get(kid)


@lru_cache(maxsize=8)
def _ring(secrets: tuple[str, ...]) -> dict[str, Key]:
    keys = [Key(_kid(secret), ALGORITHM, secret) for secret in secrets]
    return {key.kid: key for key in keys}


def _kid(secret: str) -> str:
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]
