"""Hashes of passwords that other systems made: which come in, in which form they are kept, what they may cost.

Everything is looked at here and nothing is hashed: what this module lets in, a hasher of ``PASSWORD_HASHERS`` verifies
without raising, within about a second. One sign-in may cost no more, whoever wrote the file.
"""

import base64
import re
from dataclasses import dataclass, field
from re import Match

from accounts.hashers import from_ab64

LONGEST = 128  # characters, as long as the column is

# What one verification may cost.
MOST_ROUNDS = 3_000_000  # PBKDF2; Django's own default was 1,500,000 in 2026
MOST_BCRYPT = 14  # the logarithm: 16,384 turns
MOST_MEMORY = 262_144  # KiB: 256 MiB, of which HASH_CONCURRENCY may be taken at once in each process
MOST_WORK = 1_048_576  # KiB times passes
MOST_LANES = 16

_ARGON2_SALT, _ARGON2_SUM = 8, 16  # bytes, the least: the library's, and one that collides with nothing
_BCRYPT = r"(?P<made>\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26])"
_NUMBER = "[1-9][0-9]{0,9}"


class HashRefused(ValueError):  # noqa: N818  (named as a condition, like every refusal here)
    """Raised by kept_form(): *code* says why, in a word; the hash itself is in no part of it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Kept:
    """A hash in the form that the database keeps, and by what it was made."""

    encoded: str = field(repr=False)
    scheme: str


def kept_form(given: str) -> Kept:
    """Return the hash *given* as Gatehouse keeps it; raises HashRefused.

    Taken are Django's ``pbkdf2_sha256$…``, ``bcrypt_sha256$…``, ``bcrypt$…`` and ``argon2$…``, passlib's
    ``$pbkdf2-sha256$…``, and bare ``$2a$``, ``$2b$``, ``$2y$`` and ``$argon2…$`` strings.
    """
    for start, shape, keep in _SCHEMES:
        if start.match(given):
            found = shape.fullmatch(given)
            if found is None or len(given) > LONGEST:
                raise HashRefused("hash_malformed")
            kept = keep(found)
            if len(kept.encoded) > LONGEST:
                raise HashRefused("hash_malformed")
            return kept
    raise HashRefused("hash_unknown")


def _django_pbkdf2(found: Match[str]) -> Kept:
    _bound(int(found["rounds"]) <= MOST_ROUNDS)
    return Kept(found[0], "pbkdf2_sha256")


def _passlib_pbkdf2(found: Match[str]) -> Kept:
    try:
        from_ab64(found["salt"])
    except ValueError:
        raise HashRefused("hash_malformed") from None
    _bound(int(found["rounds"]) <= MOST_ROUNDS)
    return Kept(found[0].removeprefix("$"), "pbkdf2_sha256")


def _bcrypt(found: Match[str]) -> Kept:
    _check_bcrypt(found)
    return Kept(f"bcrypt${found['made']}", "bcrypt")


def _bcrypt_sha256(found: Match[str]) -> Kept:
    _check_bcrypt(found)
    return Kept(found[0], "bcrypt_sha256")


def _check_bcrypt(found: Match[str]) -> None:
    cost = int(found["cost"])
    if not 4 <= cost <= 31:
        raise HashRefused("hash_malformed")
    _bound(cost <= MOST_BCRYPT)


def _argon2(found: Match[str]) -> Kept:
    memory, passes, lanes = int(found["memory"]), int(found["passes"]), int(found["lanes"])
    _bound(memory <= MOST_MEMORY and memory * passes <= MOST_WORK and lanes <= MOST_LANES)
    salt, checksum = _exact(found["salt"]), _exact(found["sum"])
    if memory < 8 * lanes or len(salt) < _ARGON2_SALT or len(checksum) < _ARGON2_SUM:
        raise HashRefused("hash_malformed")
    return Kept(f"argon2{found['made']}", found["kind"])


def _exact(text: str) -> bytes:
    """Return the bytes of *text* in base64 without its end; the library takes one way to write them only."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise HashRefused("hash_malformed") from None
    if base64.b64encode(value).decode().rstrip("=") != text:
        raise HashRefused("hash_malformed")
    return value


def _bound(holds: bool) -> None:  # noqa: FBT001  (a condition, said by the call)
    if not holds:
        raise HashRefused("hash_too_costly")


# By what a hash begins with, the shape of all of it, and what makes its form.
_SCHEMES = (
    (
        re.compile(r"pbkdf2_sha256\$"),
        re.compile(rf"pbkdf2_sha256\$(?P<rounds>{_NUMBER})\$[!-#%-~]+\$[A-Za-z0-9+/]{{43}}="),
        _django_pbkdf2,
    ),
    (
        re.compile(r"\$?pbkdf2-sha256\$"),
        re.compile(rf"\$?pbkdf2-sha256\$(?P<rounds>{_NUMBER})\$(?P<salt>[A-Za-z0-9./]+)\$[A-Za-z0-9./]{{43}}"),
        _passlib_pbkdf2,
    ),
    (re.compile(r"bcrypt_sha256\$"), re.compile(rf"bcrypt_sha256\${_BCRYPT}"), _bcrypt_sha256),
    (re.compile(r"bcrypt\$|\$2[aby]\$"), re.compile(rf"(?:bcrypt\$)?{_BCRYPT}"), _bcrypt),
    (
        re.compile(r"(?:argon2)?\$argon2"),
        re.compile(
            r"(?:argon2)?(?P<made>\$(?P<kind>argon2(?:id|i|d))\$(?:v=(?:16|19)\$)?"
            rf"m=(?P<memory>{_NUMBER}),t=(?P<passes>{_NUMBER}),p=(?P<lanes>{_NUMBER})"
            r"\$(?P<salt>[A-Za-z0-9+/]+)\$(?P<sum>[A-Za-z0-9+/]+))"
        ),
        _argon2,
    ),
)
