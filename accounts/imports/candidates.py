"""What a row must hold to become an account."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from accounts.imports.formats import Row
from accounts.imports.refusals import Code, Refusal
from accounts.models import Consent, User
from accounts.old_hashes import HashRefused, kept_form
from accounts.roles import Role
from gatehouse.text import InvalidEmail, UnsafeText, clean_text, normalise_email

_NAME = User._meta.get_field("display_name").max_length
_VERSION = Consent._meta.get_field("version").max_length
_YES, _NO = {"true", "t", "1"}, {"false", "f", "0"}  # as databases write them into CSV
_UNUSABLE = "!"  # how Django marks that there is no password
_EARLIEST = 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A row that is fit to become an account, if nobody has its address."""

    line: int
    email: str
    key: str
    encoded: str | None = field(repr=False)  # None: no password
    scheme: str
    display_name: str
    verified_at: datetime | None
    created_at: datetime | None  # as the file says
    role: Role
    terms_version: str


class _Unfit(Exception):  # noqa: N818  (never leaves this module)
    def __init__(self, code: Code, field: str) -> None:
        super().__init__(code)
        self.code, self.field = code, field


def examine(row: Row, now: datetime) -> Candidate | Refusal:
    """Return what the *row* would become, or the first thing that is wrong with it."""
    email = None
    try:
        email, key = _address(row.fields)
        encoded, scheme = _password(row.fields)
        return Candidate(
            line=row.line,
            email=email,
            key=key,
            encoded=encoded,
            scheme=scheme,
            display_name=_text(row.fields, "display_name", _NAME),
            verified_at=_verified(row.fields, now),
            created_at=_time(row.fields, "created_at", now),
            role=_role(row.fields),
            terms_version=_text(row.fields, "terms_version", _VERSION),
        )
    except _Unfit as unfit:
        return Refusal(row.line, unfit.code, unfit.field, email)


def _given(fields: dict[str, Any], name: str) -> str:
    """Return the text of a field, trimmed; a missing one and null are empty."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Unfit(Code.WRONG_TYPE, name)
    return value.strip()


def _text(fields: dict[str, Any], name: str, longest: int | None) -> str:
    text = _given(fields, name)
    try:
        clean_text(text)
    except UnsafeText:
        raise _Unfit(Code.INVALID, name) from None
    if longest is not None and len(text) > longest:
        raise _Unfit(Code.TOO_LONG, name)
    return text


def _address(fields: dict[str, Any]) -> tuple[str, str]:
    text = _given(fields, "email")
    if not text:
        raise _Unfit(Code.REQUIRED, "email")
    try:
        return normalise_email(text)
    except InvalidEmail:
        raise _Unfit(Code.INVALID, "email") from None


def _password(fields: dict[str, Any]) -> tuple[str | None, str]:
    text = _given(fields, "password_hash")
    if not text or text.startswith(_UNUSABLE):
        return None, ""
    try:
        kept = kept_form(text)
    except HashRefused as refused:
        raise _Unfit(Code(refused.code), "password_hash") from None
    return kept.encoded, kept.scheme


def _role(fields: dict[str, Any]) -> Role:
    text = _given(fields, "role") or Role.USER.value
    if text not in Role.values:
        raise _Unfit(Code.INVALID, "role")
    if text not in (Role.USER, Role.GUEST):
        raise _Unfit(Code.ROLE_REFUSED, "role")
    return Role(text)


def _verified(fields: dict[str, Any], now: datetime) -> datetime | None:
    """Return when the address was proved; a plain yes counts from *now* on."""
    value = fields.get("email_verified")
    if isinstance(value, bool):
        return now if value else None
    word = _given(fields, "email_verified").lower()
    if word in _YES:
        return now
    return None if word in _NO else _time(fields, "email_verified", now)


def _time(fields: dict[str, Any], name: str, now: datetime) -> datetime | None:
    """Return the time of a field: ISO 8601 with its zone, and not one to come."""
    text = _given(fields, name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _Unfit(Code.INVALID, name) from None
    if time.tzinfo is None or time.year < _EARLIEST:
        raise _Unfit(Code.INVALID, name)
    if time > now:
        raise _Unfit(Code.IN_THE_FUTURE, name)
    return time.astimezone(UTC)
