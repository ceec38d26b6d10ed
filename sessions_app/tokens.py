"""Access and refresh tokens: how they are written and when they are believed.

Reading follows RFC 8725: one algorithm a key and the key chooses it (3.1), every check of signature and claims made
here (3.3, 3.8, 3.9), no key and no address taken from a token (3.10), explicit types (3.11) and rules that exclude
each other for the two kinds (3.12). What a header may hold is fixed, so ``crit``, ``jku``, ``x5u``, ``jwk``, ``zip``
and everything else unheard of is refused with it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

import jwt
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils import timezone
from django.utils.module_loading import import_string
from jwt.utils import base64url_decode
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from gatehouse.ids import uuid7
from gatehouse.problems import Problem
from sessions_app import keyring
from sessions_app.conf import SessionSettings, app_settings
from sessions_app.models import Session

ACCESS = "access"
REFRESH = "refresh"

# A clock that was put back, or another server's that is behind, makes no token of ours a forged one.
EARLY = timedelta(seconds=60)

_HEADER_TYPES = {ACCESS: "at+jwt", REFRESH: "JWT"}
_COMPACT = re.compile(r"([A-Za-z0-9_-]{1,256})\.[A-Za-z0-9_-]{1,3072}\.[A-Za-z0-9_-]{1,1024}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a client takes away from a sign-in or a refresh, and the session it hangs on."""

    session: Session
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What both kinds of token say; every member was checked for its type."""

    sub: str
    sid: UUID
    jti: UUID
    issued_at: int
    expires_at: int


@dataclass(frozen=True, kw_only=True)
class AccessClaims(Claims):
    """What an access token says."""

    auth_time: int


@dataclass(frozen=True, kw_only=True)
class RefreshClaims(Claims):
    """What a refresh token says."""


class KeyBackend(TokenBackend):
    """One key's way of writing and reading: the header names the key and the kind of token."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("iss", "aud", "sub", "sid", "type", "jti", "iat", "exp")

    def __init__(self, key: keyring.Key, conf: SessionSettings) -> None:
        super().__init__(
            key.algorithm,
            signing_key=key.signing,
            verifying_key=key.verifying,
            audience=conf.AUDIENCE,
            issuer=conf.issuer,
            leeway=conf.LEEWAY,
        )
        self.kid = key.kid

    def write(self, kind: str, payload: dict[str, Any]) -> str:
        """Sign *payload*; equal payloads give equal bytes, which the grace of a refresh relies on."""
        return jwt.encode(
            {"iss": self.issuer, "aud": self.audience, **payload, "type": kind},
            self.prepared_signing_key,
            algorithm=self.algorithm,
            headers={"kid": self.kid, "typ": _HEADER_TYPES[kind]},
        )

    def read(self, raw: str) -> dict[str, Any]:
        """Return the claims of *raw*, whose times are not looked at; raises TokenBackendError."""
        try:
            return jwt.decode(
                raw,
                self.prepared_verifying_key,
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.get_leeway(),
                options={"require": list(self.REQUIRED), "strict_aud": True, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise TokenBackendError("the token does not verify") from error


def issue(session: Session) -> Tokens:
    """Write a fresh access token and the refresh token that the row of *session* describes."""
    return Tokens(
        session=session,
        access_token=access_for(session),
        refresh_token=_refresh_for(session),
        expires_in=int(app_settings().ACCESS_TTL.total_seconds()),
    )


def access_for(session: Session) -> str:
    """Write an access token for *session*; what the host adds never replaces a claim of ours."""
    now = int(timezone.now().timestamp())
    payload = {
        **_further_claims(session.user),
        "sub": str(session.user_id),
        "sid": str(session.pk),
        "jti": str(uuid7()),
        "iat": now,
        "exp": now + int(app_settings().ACCESS_TTL.total_seconds()),
        "auth_time": _epoch(session.authenticated_at),
    }
    return _backend(keyring.signing_key()).write(ACCESS, payload)


def read_access(raw: str, *, allow_expired: bool = False) -> AccessClaims:
    """Return what an access token says; raises access_invalid, access_expired."""
    backend = _backend_named_by(raw, ACCESS)
    if backend is None:
        raise Problem("access_invalid")
    claims = _access_claims(backend, raw)
    if _is_early(claims):
        raise Problem("access_invalid")
    if not allow_expired and _is_over(claims):
        raise Problem("access_expired")
    return claims


def read_refresh(raw: str, *, allow_expired: bool = False) -> RefreshClaims:
    """Return what a refresh token says; raises refresh_invalid, session_expired.

    The verdict on a refresh asks the row before the clock, so rotation allows an expired one here.
    """
    backend = _backend_named_by(raw, REFRESH)
    if backend is None:
        raise Problem("refresh_invalid")
    payload = _payload(backend, raw, REFRESH, Problem("refresh_invalid"))
    claims = RefreshClaims(**_claims(payload, Problem("refresh_invalid")))
    if _is_early(claims):
        raise Problem("refresh_invalid")
    if not allow_expired and _is_over(claims):
        raise Problem("session_expired")
    return claims


def public_jwks() -> list[dict[str, str]]:
    """Return the public keys that others may verify access tokens with, as members of a JWK set (RFC 7517, 5)."""
    return [
        {**_public_numbers(key), "kid": key.kid, "use": "sig", "alg": key.algorithm} for key in keyring.public_keys()
    ]


def _public_numbers(key: keyring.Key) -> dict[str, str]:
    written = jwt.get_algorithm_by_name(key.algorithm).to_jwk(key.verifying, as_dict=True)
    return {name: written[name] for name in ("kty", "crv", "x", "n", "e") if name in written}


def _refresh_for(session: Session) -> str:
    """Write the refresh token of *session* with the key that its row names, while that one is not retired.

    In the grace of a lost answer, equal bytes come from it though another key signs by now.
    """
    if session.refresh_id is None or session.refresh_issued_at is None or session.refresh_expires_at is None:
        raise ValueError("this session has no refresh token")
    payload = {
        "sub": str(session.user_id),
        "sid": str(session.pk),
        "jti": str(session.refresh_id),
        "iat": _epoch(session.refresh_issued_at),
        "exp": _epoch(session.refresh_expires_at),
    }
    named = keyring.verifying_key(session.refresh_kid) if session.refresh_kid else None
    return _backend(named or keyring.signing_key()).write(REFRESH, payload)


@lru_cache(maxsize=1024)
def _access_claims(backend: KeyBackend, raw: str) -> AccessClaims:
    """Return what *raw* says; raises access_invalid.

    One token comes with many requests, and the same bytes verify under the same key every time. What may change is
    asked every time: whether the key is retired, the clock, and the session.
    """
    payload = _payload(backend, raw, ACCESS, Problem("access_invalid"))
    auth_time = payload.get("auth_time")
    if not isinstance(auth_time, int) or not _is_time(auth_time):
        raise Problem("access_invalid")
    return AccessClaims(**_claims(payload, Problem("access_invalid")), auth_time=auth_time)


def _further_claims(user: Any) -> dict[str, Any]:
    path = app_settings().CLAIMS
    if not path:
        return {}
    claims_of: Callable[[Any], dict[str, Any]] = import_string(path)
    return claims_of(user)


def _payload(backend: KeyBackend, raw: str, kind: str, problem: Problem) -> dict[str, Any]:
    try:
        payload = backend.read(raw)
    except TokenBackendError as error:
        raise problem from error
    if payload["type"] != kind:
        raise problem
    return payload


def _backend_named_by(raw: str, kind: str) -> KeyBackend | None:
    """Return the backend of the key that the header of *raw* names, where the header is one of ours."""
    match = _COMPACT.fullmatch(raw)
    if match is None:
        return None
    header = _header(match.group(1))
    kid = header.get("kid") if isinstance(header, dict) else None
    key = keyring.verifying_key(kid) if isinstance(kid, str) else None
    if key is None or header != {"alg": key.algorithm, "kid": key.kid, "typ": _HEADER_TYPES[kind]}:
        return None
    return _backend(key)


@lru_cache(maxsize=64)
def _header(coded: str) -> Any:
    """Return what the first part of a token says, or None; all tokens of a key and a kind have the same."""
    try:
        return json.loads(base64url_decode(coded))
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _backend(key: keyring.Key) -> KeyBackend:
    return KeyBackend(key, app_settings())


@receiver(setting_changed, dispatch_uid="sessions_app.tokens")
def _forget_settings(*, setting: str, **_: object) -> None:
    if setting in {"SESSIONS", "GATEHOUSE"}:
        _backend.cache_clear()


def _claims(payload: dict[str, Any], problem: Problem) -> dict[str, Any]:
    sub, sid, jti = payload["sub"], _uuid(payload["sid"]), _uuid(payload["jti"])
    if not sub or sid is None or jti is None or not _is_time(payload["iat"]) or not _is_time(payload["exp"]):
        raise problem
    return {"sub": sub, "sid": sid, "jti": jti, "issued_at": payload["iat"], "expires_at": payload["exp"]}


def _uuid(value: object) -> UUID | None:
    if not isinstance(value, str):
        return None
    try:
        found = UUID(value)
    except ValueError:
        return None
    return found if str(found) == value else None


def _is_time(value: object) -> bool:
    return type(value) is int and value > 0


def _is_early(claims: Claims) -> bool:
    return claims.issued_at > (timezone.now() + EARLY + app_settings().LEEWAY).timestamp()


def _is_over(claims: Claims) -> bool:
    return claims.expires_at <= timezone.now().timestamp() - app_settings().LEEWAY.total_seconds()


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
