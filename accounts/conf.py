"""The ``ACCOUNTS`` setting: every key, with its default and its unit."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """Every key of the ``ACCOUNTS`` setting, with its default."""

    SIGNUP_OPEN: bool = True  # whether anybody may make an account
    TERMS_VERSION: str = "1"  # what people agree to at sign-up; a new one is asked for at the next sign-in
    TERMS_URL: str = ""  # where those terms can be read; empty leads to the page here
    OPTIONAL_CONSENTS: tuple[tuple[str, str], ...] = ()  # what else is asked: ("marketing-2026", "Mail me news"), ...

    PASSWORD_POLICY: str = "balanced"  # noqa: S105 - a name: balanced, classic or nist
    PASSWORD_CONTEXT_WORDS: tuple[str, ...] = ()  # words no password may be made of, besides the site's name
    ARGON2_MEMORY: int = 47104  # KiB a hash
    ARGON2_TIME: int = 1  # passes
    ARGON2_PARALLELISM: int = 1  # lanes
    HASH_CONCURRENCY: int = 2  # hashes at once in one process; with HASH_QUEUE less than its threads
    HASH_QUEUE: int = 28  # requests that may wait for their turn to hash; one more is sent away at once
    HASH_WAIT: timedelta = timedelta(seconds=5)  # how long each of them waits

    OTP_POLICY: str = "always"  # always, new_device or opt_in
    OTP_LENGTH: int = 6  # digits of a mailed code
    OTP_TTL: timedelta = timedelta(minutes=10)  # how long a mailed code lives
    OTP_ATTEMPTS: int = 5  # answers a challenge takes, over all methods and sends
    OTP_SENDS: int = 5  # mails a challenge sends
    OTP_RESEND_AFTER: timedelta = timedelta(seconds=60)  # between two of them
    CHALLENGE_TTL: timedelta = timedelta(minutes=30)  # how long a half-done sign-in lives
    CODE_IN_SUBJECT: bool = False  # a code in the subject shows on a locked phone

    VERIFY_TTL: timedelta = timedelta(hours=24)  # links that prove an address
    RESET_TTL: timedelta = timedelta(hours=1)  # links that let somebody set a new password
    DISAVOW_TTL: timedelta = timedelta(days=7)  # links that disavow a sign-in, or a change of factors
    ADDRESS_TTL: timedelta = timedelta(hours=24)  # links that prove the new address of an account
    ADDRESS_UNDO_TTL: timedelta = timedelta(days=7)  # links that put the address before it back
    UNLOCK_TTL: timedelta = timedelta(hours=1)  # links past a lockout, and what they open in a browser
    ENROLMENT_TTL: timedelta = timedelta(hours=72)  # links of invitations: to set a password and, for staff, an app
    GRANT_TTL: timedelta = timedelta(days=30)  # how long a single permission holds, at most and if nothing is said
    TOTP_SETUP_TTL: timedelta = timedelta(minutes=30)  # how long an unconfirmed app may be confirmed
    RECOVERY_CODES: int = 10  # codes in a set
    MAX_APPS: int = 5  # authenticator apps of one account

    ACTIVITY: str = ""  # the function that reads the trail for its owner, like audit.queries.events; empty: no trail
    ERASERS: tuple[str, ...] = ()  # functions that erase what others hold of a person, like audit.privacy.erase

    EXPORT_TTL: timedelta = timedelta(hours=24)  # how long an export of one's data waits to be fetched
    EXPORT_PARTS: tuple[tuple[str, str], ...] = ()  # what else is in it: ("orders", "shop.exports.orders"), ...

    EMAIL_FROM: str = "Gatehouse <no-reply@localhost>"  # the sender of every mail
    MAIL_MAX_ATTEMPTS: int = 12  # tries before a mail is given up
    MAIL_CLAIM_TTL: timedelta = timedelta(minutes=5)  # after which a dead worker's mail is taken up again

    ERASURE_GRACE: timedelta = timedelta(days=14)  # how long a deletion can be undone, and its address is kept
    ERASED_KEPT: timedelta = timedelta(days=365)  # how long no import brings back an address that was erased
    UNVERIFIED_KEPT: timedelta = timedelta(days=30)  # how long an account stays whose address nobody proves
    LINKS_KEPT: timedelta = timedelta(days=30)  # how long a link stays after its end
    CHALLENGES_KEPT: timedelta = timedelta(days=30)  # how long a half-done sign-in stays after its end
    GRANTS_KEPT: timedelta = timedelta(days=30)  # how long the row of a single permission stays after its end
    EXPORTS_KEPT: timedelta = timedelta(days=30)  # how long the record of an export stays, from when it was asked for
    FAILURES_KEPT: timedelta = timedelta(days=30)  # how long staff see the last wrong password
    MAILS_KEPT: timedelta = timedelta(days=30)  # how long a mail stays that was sent, or is not to be sent any more
    FAILED_MAILS_KEPT: timedelta = timedelta(days=90)  # how long a mail stays that was given up


@cache
def app_settings() -> AccountSettings:
    """Return the settings in force; raises TypeError for an unknown key."""
    given: dict[str, Any] = getattr(settings, "ACCOUNTS", {})
    return AccountSettings(**given)


@receiver(setting_changed, dispatch_uid="accounts.conf")
def forget_settings(*, setting: str, **_: object) -> None:
    """Read the setting again after a test changed it."""
    if setting == "ACCOUNTS":
        app_settings.cache_clear()
