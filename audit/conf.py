"""Every knob of the audit app, with its default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import Signal
from django.utils.module_loading import import_string

ANY = "*"  # at the end of an action: whatever begins so


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Every key of the ``AUDIT`` setting, with its default."""

    SOURCES: tuple[str, ...] = ()  # dotted paths of the signals that carry security events
    KEYS: tuple[str, ...] = ()  # wrap the data keys, and seal where no other key is named; the first is used
    SIGNING_KEY: str = ""  # the base64 of 32 bytes that seals are signed with; only what seals needs it
    PUBLIC_KEYS: tuple[str, ...] = ()  # what else verifies seals: keys of former times, each the base64 of 32 bytes
    ORIGIN: str = ""  # what checkpoints call this trail; "" means the host of BASE_URL and /audit
    CHECKPOINTS: tuple[str, ...] = ()  # where the worker publishes one a day: the path of a file, "-", "mail:ADDRESS"
    LATE_AFTER: timedelta = timedelta(days=7)  # how long an id that was skipped is waited for
    ARCHIVE_DIR: str = ""  # the folder into which the worker archives each day; "": it does not
    ARCHIVE_AFTER: timedelta = timedelta(days=90)  # how old what is archived is at least, from when it was sealed
    ARCHIVE_ONLINE: tuple[str, ...] = (
        "ADMIN",
        "authn_login_*",
    )  # event types, and actions, whose rows stay all the same
    PRIVACY_RETENTION: timedelta = timedelta(days=90)  # of network data and unknown addresses, whole months; 0: ever
    NETWORK_KEPT_OF: tuple[str, ...] = ("moderator", "admin", "super_admin")  # roles whose network data stays
    REPORT_TO: tuple[str, ...] = ()  # mail addresses that the worker sends the report of each month to
    VERIFIED_WITHIN: timedelta = timedelta(days=2)  # how old a verification may be before /audit/integrity says so
    COUNTS_KEPT: timedelta = timedelta(days=1095)  # how long the counts by the hour stay; 0: ever
    LOG: str = "public"  # a log line for each event: "off", "public", or "private" with what tells of people
    WEBHOOKS: str | Sequence[Mapping[str, Any]] = ()  # systems that get events, or JSON that says so (docs/webhooks.md)
    WEBHOOK_RETRIES_FOR: timedelta = timedelta(days=3)  # how long an event is tried to be sent
    WEBHOOKS_KEPT: timedelta = timedelta(days=30)  # how long one stays in the queue that was given up
    ACCESS: str = "audit.access.by_permission"  # dotted path: who may read and write over HTTP (gatehouse/trail.py)
    AUTHENTICATION: tuple[str, ...] = ()  # dotted paths of REST framework's classes; none: the project's default
    FILE_SHA1: bool = False  # whether operations on files are recorded with SHA-1, too: for lists of others
    DETAILS_MAX_BYTES: int = 16_384  # how much JSON one event given to audit.record() may carry


@cache
def app_settings() -> AuditSettings:
    """Return the settings as they stand now.

    Raises ImproperlyConfigured for an unknown key: a misspelt SOURCES would
    otherwise leave the trail empty without a word.
    """
    if faults := unknown_keys():
        raise ImproperlyConfigured("audit.E001: " + " ".join(faults))
    return AuditSettings(**_given())


def load_source(path: str) -> Signal:
    """Return the signal that the dotted *path* names.

    Raises ImproperlyConfigured where there is none.
    """
    try:
        source = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"AUDIT['SOURCES'] names {path!r}: {error}") from error
    if not isinstance(source, Signal):
        raise ImproperlyConfigured(f"AUDIT['SOURCES'] names {path!r}, which is not a Signal.")
    return source


def unknown_keys() -> list[str]:
    """Say, key by key, what in the ``AUDIT`` setting is not a setting."""
    known = [field.name for field in fields(AuditSettings)]
    return [_fault(key, known) for key in _given() if key not in known]


def _fault(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}."
    return f"AUDIT has no key {key!r}; {hint}"


def _given() -> dict[str, Any]:
    return getattr(settings, "AUDIT", {})


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "AUDIT":
        app_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="audit.conf")
