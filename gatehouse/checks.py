"""System checks: a mistake in the settings is named at the start, not found at a sign-in."""

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections

from .client import trusted_proxies
from .conf import GatehouseSettings, app_settings
from .limits import LIMITS
from .places import is_readable

_RINGS = ("HASH_KEYS", "MAIL_KEYS", "ENCRYPTION_KEYS")
_SHORTEST_KEY = 32
_LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"
_FEWEST_ENTRIES = 10_000


@register()
def check_settings(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Find keys that do not exist and values that cannot be."""
    unknown = list(_unknown_keys())
    return unknown or [*_keys(), *_values(), *_limits_cache()]


@register()
def check_atomic_requests(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Find ATOMIC_REQUESTS, under which no refusal could be recorded and no limit be counted."""
    return [
        Error(
            f"ATOMIC_REQUESTS is on for the database {alias!r}.",
            hint="Turn it off: services open their own transactions, and refusals are recorded outside of them.",
            id="gatehouse.E002",
        )
        for alias in connections
        if connections[alias].settings_dict.get("ATOMIC_REQUESTS")
    ]


def _unknown_keys() -> Iterable[CheckMessage]:
    known = [field.name for field in fields(GatehouseSettings)]
    for name in getattr(settings, "GATEHOUSE", {}):
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "The keys are in gatehouse/conf.py."
            yield Error(f"GATEHOUSE has no key {name!r}.", hint=hint, id="gatehouse.E001")


def _keys() -> Iterable[CheckMessage]:
    for name in _RINGS:
        ring = getattr(app_settings(), name)
        if isinstance(ring, str) or not ring or not all(ring):
            hint = "Give a tuple of keys; the first writes."
            yield Error(f"GATEHOUSE[{name!r}] holds no key, or an empty one.", hint=hint, id="gatehouse.E003")
        elif app_settings().PRODUCTION and min(map(len, ring)) < _SHORTEST_KEY:
            hint = f"A key has at least {_SHORTEST_KEY} characters, drawn at random."
            yield Error(f"GATEHOUSE[{name!r}] holds a short key.", hint=hint, id="gatehouse.E004")


def _values() -> Iterable[CheckMessage]:
    current = app_settings()
    try:
        trusted_proxies(current.TRUSTED_PROXIES)
    except ValueError:
        hint = "Give a number of proxies, or networks such as 10.0.0.0/8 with commas between."
        yield Error("GATEHOUSE['TRUSTED_PROXIES'] cannot be read.", hint=hint, id="gatehouse.E005")
    if not current.BASE_URL.startswith(("https://", "http://")):
        yield Error("GATEHOUSE['BASE_URL'] is not an http address.", id="gatehouse.E006")
    elif current.PRODUCTION and not current.secure:
        hint = "Cookies are only safe over https."
        yield Error("GATEHOUSE['BASE_URL'] is not https in production.", hint=hint, id="gatehouse.E006")
    if current.LIMITS_SCALE <= 0:
        yield Error("GATEHOUSE['LIMITS_SCALE'] must be above 0.", id="gatehouse.E007")
    for name in ("LIMIT_ANONYMOUS", "LIMIT_GUEST", "LIMIT_USER", "LIMIT_STAFF", "LIMIT_SERVICE"):
        if getattr(current, name) < 1:
            yield Error(f"GATEHOUSE[{name!r}] must be 1 or more.", id="gatehouse.E009")
    if current.GEOIP_FILE and not is_readable(current.GEOIP_FILE):
        hint = "Give the path of a file of the MaxMind format, such as GeoLite2-City.mmdb, or leave it empty."
        yield Error("GATEHOUSE['GEOIP_FILE'] cannot be read.", hint=hint, id="gatehouse.E008")


def _limits_cache() -> Iterable[CheckMessage]:
    """Find a cache that would forget counters under load; without any the process counts by itself."""
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "")
    cache = settings.CACHES.get(alias, {})
    entries = cache.get("OPTIONS", {}).get("MAX_ENTRIES", 300)
    if cache.get("BACKEND") == _LOCAL_MEMORY and int(entries) < _FEWEST_ENTRIES:
        names = ", ".join(name for name, limit in LIMITS.items() if limit.store == "memory")
        hint = f"Set MAX_ENTRIES of the cache {alias!r} to {_FEWEST_ENTRIES} or more."
        yield Warning(f"The cache of the limits ({names}) drops counters.", hint=hint, id="gatehouse.W001")
