"""The ``SESSIONS`` setting: every key, with its default and its unit."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from gatehouse.conf import app_settings as ground_settings


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Every key of the ``SESSIONS`` setting, with its default."""

    SIGNING_KEYS: tuple[str, ...] = ()  # secrets of 32 bytes or more; the first signs, the others still verify
    SIGNING_ALGORITHM: str = "HS256"  # what `manage.py keys generate` makes: HS256, EdDSA or RS256
    ISSUER: str = ""  # the claim iss; empty takes BASE_URL
    AUDIENCE: str = "gatehouse"  # the claim aud
    LEEWAY: timedelta = timedelta(0)  # how far the clocks of several servers may differ
    CLAIMS: str = ""  # dotted path of a callable(user) -> dict that adds claims to access tokens
    OWNERS: str = ""  # dotted path of a callable(kind, value) -> queryset: whose sessions a command means, besides ids

    ACCESS_TTL: timedelta = timedelta(minutes=15)  # how long an access token lives
    REFRESH_IDLE: timedelta = timedelta(days=7)  # how long a refresh token waits to be used
    REFRESH_ABSOLUTE: timedelta = timedelta(days=30)  # how long refreshing may go on after a sign-in
    REUSE_GRACE: timedelta = timedelta(seconds=10)  # how long a lost answer may be asked for again; 0 to 10 seconds
    PAGE_IDLE: timedelta = timedelta(days=7)  # how long a page session waits to be used
    PAGE_ABSOLUTE: timedelta = timedelta(days=30)  # how long a page session lives
    STAFF_IDLE: timedelta = timedelta(minutes=30)  # how long a staff session waits to be used
    STAFF_ABSOLUTE: timedelta = timedelta(hours=12)  # how long a staff session lives
    REAUTH_TTL: timedelta = timedelta(minutes=5)  # how long a proof of identity opens delicate changes
    TOUCH_EVERY: timedelta = timedelta(seconds=60)  # how often the last use is written
    TRUST_TTL: timedelta = timedelta(days=30)  # how long a trusted device is trusted
    SESSION_LIMIT: int = 0  # how many sessions an account has at most; one more ends the least used. 0: no bound

    SESSIONS_KEPT: timedelta = timedelta(days=30)  # how long an ended session stays for the account's history
    DEVICES_KEPT: timedelta = timedelta(days=30)  # how long a device stays that nobody uses and nothing names
    BROWSER_SESSIONS_KEPT: timedelta = timedelta(0)  # how long a row of Django's session table stays after its end

    CACHE_URL: str = ""  # redis://host:6379/0 keeps live sessions for at most 5 seconds; empty: only the database
    CACHE_PATIENCE: timedelta = timedelta(milliseconds=50)  # how long Redis is waited for
    CACHE_LEAVES_OUT: tuple[str, ...] = ("password",)  # columns of the user model that a request reads only if it asks

    @property
    def issuer(self) -> str:
        """The claim iss of every token."""
        return self.ISSUER or ground_settings().BASE_URL


@cache
def app_settings() -> SessionSettings:
    """Return the settings in force; raises TypeError for an unknown key."""
    given: dict[str, Any] = getattr(settings, "SESSIONS", {})
    return SessionSettings(**given)


@receiver(setting_changed, dispatch_uid="sessions_app.conf")
def forget_settings(*, setting: str, **_: object) -> None:
    """Read the setting again after a test changed it."""
    if setting == "SESSIONS":
        app_settings.cache_clear()
