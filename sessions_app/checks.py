"""What is wrong with the ``SESSIONS`` setting, said at start-up."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections, router
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import import_string

from sessions_app import keyring
from sessions_app.conf import SessionSettings, app_settings
from sessions_app.models import Algorithm, SigningKey

SHORTEST_KEY = 32  # bytes: as long as what HMAC-SHA256 puts out (RFC 7518, 3.2)
FEWEST_CHARACTERS = 10  # different ones: what a person types has fewer
LONGEST_GRACE = timedelta(seconds=10)
KEYS_INSTALLED_BY = ("sessions_app", "0002_keys_and_labels")


@register
def check_settings(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Name every fault of the setting at once."""
    given: dict[str, Any] = getattr(settings, "SESSIONS", {})
    unknown = list(_unknown_keys(given))
    if unknown:
        return unknown
    conf = app_settings()
    return [
        *_key_faults(conf.SIGNING_KEYS),
        *_algorithm_faults(conf.SIGNING_ALGORITHM),
        *_life_faults(conf),
        *_path_faults(conf),
        *_cache_faults(conf),
    ]


@register(Tags.database)
def check_signing_keys(
    *, app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: object
) -> list[CheckMessage]:
    """Say where the key that signs is of another algorithm than the setting, and which keys cannot be used."""
    alias = router.db_for_write(SigningKey)
    if alias not in (databases or ()):
        return []
    if KEYS_INSTALLED_BY not in MigrationRecorder(connections[alias]).applied_migrations():
        return []
    return list(_ring_faults(keyring.ring_of(list(SigningKey.objects.using(alias)))))


def _ring_faults(ring: keyring.Ring) -> Iterable[CheckMessage]:
    for kid, cause in ring.unreadable.items():
        yield Error(
            f"The signing key {kid} is not used: {cause}.",
            hint=f"Put back the ENCRYPTION_KEY it was made under, or `manage.py keys retire {kid} --end-sessions`.",
            id="sessions_app.E010",
        )
    wanted = app_settings().SIGNING_ALGORITHM
    if ring.signing is None or ring.signing.algorithm != wanted:
        signing = "No key" if ring.signing is None else f"A key of {ring.signing.algorithm}"
        yield Warning(
            f"{signing} signs tokens, and SESSIONS['SIGNING_ALGORITHM'] is {wanted}.",
            hint="`manage.py keys generate --activate` makes one of the algorithm that is set.",
            id="sessions_app.W001",
        )


def _unknown_keys(given: dict[str, Any]) -> Iterable[CheckMessage]:
    known = [field.name for field in fields(SessionSettings)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}."
            yield Error(f"SESSIONS has no key {name}.", hint=hint, id="sessions_app.E001")


def _key_faults(keys: tuple[str, ...]) -> Iterable[CheckMessage]:
    if not keys:
        yield Error(
            "SESSIONS['SIGNING_KEYS'] is empty: no token can be signed.",
            hint="Put in one secret of 32 random bytes or more.",
            id="sessions_app.E002",
        )
    for place, key in enumerate(keys):
        if "-----BEGIN" in key:
            fault = "is a PEM key; tokens are signed with shared secrets (HS256)"
        elif len(key.encode()) < SHORTEST_KEY:
            fault = f"is shorter than {SHORTEST_KEY} bytes"
        elif len(set(key)) < FEWEST_CHARACTERS:
            fault = "repeats itself too much to be random"
        else:
            continue
        yield Error(
            f"SESSIONS['SIGNING_KEYS'][{place}] {fault}.",
            hint="Put in a secret of 32 random bytes or more.",
            id="sessions_app.E003",
        )
    if len(set(keys)) != len(keys):
        yield Error("SESSIONS['SIGNING_KEYS'] holds a key twice.", id="sessions_app.E004")


def _algorithm_faults(name: str) -> Iterable[CheckMessage]:
    if name in Algorithm.values:
        return
    why = "no algorithm of ours"
    if name.startswith(("ES", "PS")):
        why = "an algorithm that signs the same claims differently each time; a lost refresh token could not be rebuilt"
    yield Error(
        f"SESSIONS['SIGNING_ALGORITHM'] is {name}, {why}.",
        hint=f"Choose one of {', '.join(Algorithm.values)}.",
        id="sessions_app.E009",
    )


def _life_faults(conf: SessionSettings) -> Iterable[CheckMessage]:
    if not timedelta(0) <= conf.REUSE_GRACE <= LONGEST_GRACE:
        yield Error("SESSIONS['REUSE_GRACE'] lies outside 0 to 10 seconds.", id="sessions_app.E005")
    for name in ("ACCESS_TTL", "REFRESH_IDLE", "PAGE_IDLE", "STAFF_IDLE", "REAUTH_TTL"):
        if getattr(conf, name) < timedelta(seconds=1):
            yield Error(f"SESSIONS['{name}'] is no time at all.", id="sessions_app.E006")
    for door in ("REFRESH", "PAGE", "STAFF"):
        if getattr(conf, f"{door}_IDLE") > getattr(conf, f"{door}_ABSOLUTE"):
            yield Error(f"SESSIONS['{door}_IDLE'] is longer than SESSIONS['{door}_ABSOLUTE'].", id="sessions_app.E007")

    if conf.SESSION_LIMIT < 0:
        yield Error("SESSIONS['SESSION_LIMIT'] is less than nothing.", hint="0 means no bound.", id="sessions_app.E011")


def _path_faults(conf: SessionSettings) -> Iterable[CheckMessage]:
    for name, path in (("CLAIMS", conf.CLAIMS), ("OWNERS", conf.OWNERS)):
        if path and not callable(_found(path)):
            yield Error(f"SESSIONS['{name}'] names nothing that can be called: {path}.", id="sessions_app.E008")


def _found(path: str) -> object:
    try:
        return import_string(path)
    except ImportError:
        return None


def _cache_faults(conf: SessionSettings) -> Iterable[CheckMessage]:
    if conf.CACHE_URL and urlsplit(conf.CACHE_URL).scheme not in {"redis", "rediss", "unix"}:
        hint = "Put redis://host:6379/0 there, or nothing."
        yield Error("SESSIONS['CACHE_URL'] is no Redis address.", hint=hint, id="sessions_app.E012")
    needed = {get_user_model()._meta.pk.attname, "is_active"} & set(conf.CACHE_LEAVES_OUT)
    if needed:
        yield Error(
            f"SESSIONS['CACHE_LEAVES_OUT'] names {', '.join(sorted(needed))}, without which no request is let in.",
            id="sessions_app.E013",
        )
