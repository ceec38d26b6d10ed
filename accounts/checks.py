"""What is wrong with the ``ACCOUNTS`` setting, said at start-up."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from accounts.conf import AccountSettings, app_settings
from accounts.passwords import POLICIES

_OTP_POLICIES = ("always", "new_device", "opt_in")
_LONGEST_CODE_LIFE = timedelta(minutes=10)  # ASVS 6.5.5
_LEAST_MEMORY = 19456  # KiB: the least that OWASP names, with two passes


@register
def check_settings(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Name every fault of the setting at once."""
    given: dict[str, Any] = getattr(settings, "ACCOUNTS", {})
    return list(_unknown_keys(given)) or [*_policy_faults(), *_code_faults(), *_hash_faults()]


def _unknown_keys(given: dict[str, Any]) -> Iterable[CheckMessage]:
    known = [field.name for field in fields(AccountSettings)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}."
            yield Error(f"ACCOUNTS has no key {name}.", hint=hint, id="accounts.E001")


def _policy_faults() -> Iterable[CheckMessage]:
    conf = app_settings()
    if conf.PASSWORD_POLICY not in POLICIES:
        hint = f"Put in one of: {', '.join(POLICIES)}."
        yield Error("ACCOUNTS['PASSWORD_POLICY'] names no policy.", hint=hint, id="accounts.E002")
    if conf.OTP_POLICY not in _OTP_POLICIES:
        hint = f"Put in one of: {', '.join(_OTP_POLICIES)}."
        yield Error("ACCOUNTS['OTP_POLICY'] names no policy.", hint=hint, id="accounts.E003")


def _code_faults() -> Iterable[CheckMessage]:
    conf = app_settings()
    if not 6 <= conf.OTP_LENGTH <= 8:
        yield Error("ACCOUNTS['OTP_LENGTH'] lies outside 6 to 8 digits.", id="accounts.E004")
    if not timedelta(seconds=1) <= conf.OTP_TTL <= _LONGEST_CODE_LIFE:
        yield Error("ACCOUNTS['OTP_TTL'] lies outside 1 second to 10 minutes.", id="accounts.E005")
    if min(conf.OTP_ATTEMPTS, conf.OTP_SENDS, conf.HASH_CONCURRENCY, conf.MAIL_MAX_ATTEMPTS) < 1:
        yield Error("A number of attempts, sends or hashes in ACCOUNTS is below 1.", id="accounts.E006")


def _hash_faults() -> Iterable[CheckMessage]:
    conf = app_settings()
    production = getattr(settings, "GATEHOUSE", {}).get("PRODUCTION", False)
    if production and conf.ARGON2_MEMORY < _LEAST_MEMORY:
        hint = f"Put in {_LEAST_MEMORY} KiB or more."
        yield Error("ACCOUNTS['ARGON2_MEMORY'] is too little to protect a password.", hint=hint, id="accounts.E007")


@register
def check_opt_in(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Warn of what a policy without a code gives away."""
    if app_settings().OTP_POLICY != "opt_in":
        return []
    hint = "With always or new_device, a password alone opens no account from a device that it was not used from."
    words = "ACCOUNTS['OTP_POLICY'] is opt_in: a password alone opens an account without an authenticator app."
    return [Warning(words, hint=hint, id="accounts.W001")]
