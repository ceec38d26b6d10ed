"""What is wrong with the ``ACCOUNTS`` setting, said at start-up."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from accounts import lengths
from accounts.conf import AccountSettings, app_settings
from accounts.exports import files, parts
from accounts.models.consent import TERMS, purpose_of
from accounts.passwords import POLICIES

_OTP_POLICIES = ("always", "new_device", "opt_in")
_LONGEST_CODE_LIFE = timedelta(minutes=10)  # ASVS 6.5.5
_PART = re.compile(r"[a-z][a-z0-9_]{0,49}")
_OPTIONAL_VERSION = re.compile(r"[a-z][a-z0-9_]*-[A-Za-z0-9._-]+")
_LEAST_MEMORY = 19456  # KiB: the least that OWASP names, with two passes


@register
def check_settings(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Name every fault of the setting at once."""
    given: dict[str, Any] = getattr(settings, "ACCOUNTS", {})
    return list(_unknown_keys(given)) or [
        *_policy_faults(),
        *_code_faults(),
        *_hash_faults(),
        *_consent_faults(),
        *_export_faults(),
        *_eraser_faults(),
    ]


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


def _consent_faults() -> Iterable[CheckMessage]:
    conf = app_settings()
    versions = [version for version, _text in conf.OPTIONAL_CONSENTS]
    purposes = [purpose_of(version) for version in versions]
    if max((len(version) for version in (conf.TERMS_VERSION, *versions)), default=0) > lengths.VERSION:
        yield Error(f"A version in ACCOUNTS is longer than {lengths.VERSION} characters.", id="accounts.E008")
    if not all(_OPTIONAL_VERSION.fullmatch(version) for version in versions) or TERMS in purposes:
        hint = "Write each as its purpose, a hyphen and its version, such as marketing-2026; terms have their own key."
        yield Error(
            "ACCOUNTS['OPTIONAL_CONSENTS'] holds what is no version of a purpose.", hint=hint, id="accounts.E009"
        )
    if len({*purposes}) < len(purposes) or conf.TERMS_VERSION in versions:
        hint = "Ask for one version of each purpose, and name none like TERMS_VERSION."
        yield Error("ACCOUNTS['OPTIONAL_CONSENTS'] asks for a purpose twice.", hint=hint, id="accounts.E010")


def _export_faults() -> Iterable[CheckMessage]:
    names = [name for name, _path in app_settings().EXPORT_PARTS]
    taken = {part.name for part in parts.PARTS}
    if not all(_PART.fullmatch(name) for name in names) or taken & {*names} or len({*names}) < len(names):
        hint = f"Use small letters, digits and '_', each name once, and none of: {', '.join(sorted(taken))}."
        yield Error("ACCOUNTS['EXPORT_PARTS'] holds a name that is no name of a part.", hint=hint, id="accounts.E011")
    try:
        parts.parts()
    except ImportError as error:
        yield Error(f"ACCOUNTS['EXPORT_PARTS'] names what is not there: {error}", id="accounts.E012")


def _eraser_faults() -> Iterable[CheckMessage]:
    for path in app_settings().ERASERS:
        try:
            found = import_string(path)
        except ImportError as error:
            yield Error(f"ACCOUNTS['ERASERS'] names what is not there: {error}", id="accounts.E013")
            continue
        if not callable(found):
            yield Error(f"ACCOUNTS['ERASERS'] names what cannot be called: {path}", id="accounts.E013")


@register
def check_storage(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Warn where nobody can be given a copy of their data."""
    try:
        files.storage()
    except files.StorageMissing:
        hint = "Name a private storage that all web processes and the worker share, or mount no page for exports."
        return [Warning(f"STORAGES has no {files.ALIAS!r}: exports are answered 503.", hint=hint, id="accounts.W002")]
    return []


@register
def check_opt_in(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Warn of what a policy without a code gives away."""
    if app_settings().OTP_POLICY != "opt_in":
        return []
    hint = "With always or new_device, a password alone opens no account from a device that it was not used from."
    words = "ACCOUNTS['OTP_POLICY'] is opt_in: a password alone opens an account without an authenticator app."
    return [Warning(words, hint=hint, id="accounts.W001")]
