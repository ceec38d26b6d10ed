"""Password policy and hashing: what a password must be, and the one place where one is hashed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from django.contrib.auth import hashers
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.conf import app_settings
from gatehouse.conf import app_settings as site_settings
from gatehouse.problems import FieldError, Problem

MAX_LENGTH = 128
FLOOR = 8
SIMILAR_PART = 4  # characters of the account's own data that make a password its own


@dataclass(frozen=True)
class Policy:
    """What a password must hold: at least *min_length*, and four classes below *free_from* characters."""

    name: str
    min_length: int
    free_from: int  # from this length on no class is asked for; 0: never asked, MAX_LENGTH + 1: always

    @property
    def rules(self) -> list[str]:
        """The rules in words, for the pages and for /config."""
        said = [
            ngettext("%(n)d character or more", "%(n)d characters or more", self.min_length)
            % {"n": max(self.min_length, FLOOR)},
            _("at most %(n)d characters") % {"n": MAX_LENGTH},
        ]
        if self.free_from > MAX_LENGTH:
            said.append(_("an upper case letter, a lower case letter, a digit and a symbol"))
        elif self.free_from > self.min_length:
            said.append(
                _("under %(n)d characters: an upper case letter, a lower case letter, a digit and a symbol")
                % {"n": self.free_from}
            )
        said.append(_("not a common password, and nothing like your own address or name"))
        return said


POLICIES = {
    "balanced": Policy("balanced", 12, 15),
    "classic": Policy("classic", 8, MAX_LENGTH + 1),
    "nist": Policy("nist", 15, 0),
}

# The words for each field code of a refused password; one place for API and pages.
WORDS = {
    "password_too_short": gettext_lazy("Password must be %(min)d characters or more"),
    "password_too_long": gettext_lazy("Password must be 128 characters or fewer"),
    "password_no_upper": gettext_lazy("Password must have an upper case letter"),
    "password_no_lower": gettext_lazy("Password must have a lower case letter"),
    "password_no_digit": gettext_lazy("Password must have a digit"),
    "password_no_symbol": gettext_lazy("Password must have a symbol, like ! or ?"),
    "password_too_common": gettext_lazy("Choose a password that is not on a list of common passwords"),
    "password_entirely_numeric": gettext_lazy("Choose a password that is not only digits"),
    "password_too_similar": gettext_lazy("Choose a password that is not like your email address, your name or ours"),
    "password_reused": gettext_lazy("Choose a password that is not the one in force now"),
}


def policy() -> Policy:
    """Return the policy in force."""
    return POLICIES[app_settings().PASSWORD_POLICY]


def check_policy(password: str, *, about: tuple[str, ...] = (), field: str = "password") -> None:
    """Refuse *password* where it breaks the policy in force or is made of *about*, the account's own data.

    Raises validation_failed with one field code a broken rule. ASVS 6.2.1, 6.2.4, 6.2.9, 6.2.11.
    """
    rules = policy()
    codes = list(_broken_rules(password, rules, about))
    if codes:
        texts = {code: str(WORDS[code]) % {"min": rules.min_length} for code in codes}
        raise Problem("validation_failed", errors=[FieldError(field, code, texts[code]) for code in codes])


def hash_new_password(password: str) -> str:
    """Return the hash of *password*; raises service_unavailable when too many wait to be hashed."""
    with _hashing_slot():
        return hashers.make_password(password)


def verify(password: str, encoded: str | None) -> tuple[bool, str | None]:
    """Tell whether *password* fits *encoded*, and give a fresh hash where the old one should be replaced.

    One hash is computed whatever *encoded* is: None and an unusable password cost the same (ASVS 6.3.8).
    Raises service_unavailable when too many wait to be hashed.
    """
    if len(password) > MAX_LENGTH:
        return False, None
    with _hashing_slot():
        if encoded is None or not hashers.is_password_usable(encoded):
            hashers.make_password(password)
            return False, None
        right, stale = hashers.verify_password(password, encoded)
        return right, hashers.make_password(password) if right and stale else None


@contextmanager
def _hashing_slot() -> Iterator[None]:
    """Wait for one of the places to hash, so that a flood of sign-ins can exhaust neither memory nor threads.

    Who finds too many waiting is sent away at once: the other threads go on serving (ASVS 15.2.2).
    """
    conf = app_settings()
    wait = conf.HASH_WAIT.total_seconds()
    busy = Problem("service_unavailable", retry_after=max(1, round(wait)))
    room = _places("room", conf.HASH_CONCURRENCY + conf.HASH_QUEUE)
    slots = _places("slots", conf.HASH_CONCURRENCY)
    if not room.acquire(blocking=False):
        raise busy
    try:
        if not slots.acquire(blocking=False):
            if not connection.in_atomic_block:
                connection.close()  # whoever waits here holds no connection that another request could use
            if not slots.acquire(timeout=wait):
                raise busy
        try:
            yield
        finally:
            slots.release()
    finally:
        room.release()


@cache
def _places(name: str, number: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(number)


def _broken_rules(password: str, rules: Policy, about: tuple[str, ...]) -> Iterator[str]:
    if len(password) > MAX_LENGTH:
        yield "password_too_long"
        return
    if len(password) < max(rules.min_length, FLOOR):
        yield "password_too_short"
    if len(password) < rules.free_from:
        yield from _missing_classes(password)
    if password.isdigit():
        yield "password_entirely_numeric"
    if _is_common(password):
        yield "password_too_common"
    if _is_similar(password, about):
        yield "password_too_similar"


def _missing_classes(password: str) -> Iterator[str]:
    if not any(c.isupper() for c in password):
        yield "password_no_upper"
    if not any(c.islower() for c in password):
        yield "password_no_lower"
    if not any(c.isdigit() for c in password):
        yield "password_no_digit"
    if all(c.isalnum() for c in password):
        yield "password_no_symbol"


def _is_common(password: str) -> bool:
    """Tell whether *password*, or what is left of it without digits and symbols at its ends, is a common one."""
    common = _common_passwords()
    lowered = password.strip().casefold()
    core = lowered.strip("0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ")
    padding = len(lowered) - len(core)
    return lowered in common or len(set(lowered)) <= 3 or (core in common and padding <= 4)


@cache
def _common_passwords() -> set[str]:
    return CommonPasswordValidator().passwords


def _is_similar(password: str, about: tuple[str, ...]) -> bool:
    """Tell whether *password* is made of the account's own data or the site's name."""
    lowered = password.casefold()
    words = (*about, site_settings().SITE_NAME, *app_settings().PASSWORD_CONTEXT_WORDS)
    shortest = max(policy().min_length, FLOOR)
    return any(word in lowered and len(lowered) - len(word) < shortest for word in _parts(words))


def _parts(words: tuple[str, ...]) -> Iterator[str]:
    for word in words:
        lowered = word.casefold()
        local = lowered.partition("@")[0]
        pieces = {lowered, local, *local.replace(".", " ").replace("-", " ").replace("_", " ").split()}
        yield from (piece for piece in pieces if len(piece) >= SIMILAR_PART)
