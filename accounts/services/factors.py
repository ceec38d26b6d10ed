"""Authenticator apps and recovery codes: set up, checked, used up."""

import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import segno
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_otp.oath import TOTP

from accounts import events, mails
from accounts.conf import app_settings
from accounts.models import Method, RecoveryCode, TotpDevice, User
from accounts.signals import announce
from gatehouse import hashing
from gatehouse.client import Client
from gatehouse.conf import app_settings as site_settings
from gatehouse.encryption import DecryptionFailed
from gatehouse.events import Actor
from gatehouse.problems import Problem

STEP = 30  # seconds a code lives (RFC 6238)
DIGITS = 6
DRIFT = 1  # steps before and after that are taken too
_FAR_OFF = 120  # steps: how far off a clock may be to be told so; nothing of it is taken
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_CODE_LENGTH = 12  # characters of a recovery code: 59 bits


@dataclass(frozen=True)
class TotpSetup:
    """What somebody needs to set up an app; shown while it is not confirmed."""

    device_id: UUID
    secret: str
    otpauth_url: str
    qr_svg: str


def begin_totp(*, user: User, name: str, client: Client, session_id: UUID | None = None) -> TotpSetup:
    """Make an app for *user* that is not in force before a code confirmed it; an earlier unconfirmed one goes.

    It belongs to the session that begins it, or to the link that does: nobody else sees its secret or confirms it.
    """
    now = timezone.now()
    device = TotpDevice(user=user, name=name or _("Authenticator app"), confirmed=False, created_at=now)
    device.session_id = session_id
    device.seal(secrets.token_bytes(20))
    with transaction.atomic(durable=True):
        User.objects.lock(user.pk)
        drop_unconfirmed(user)
        device.save(force_insert=True)
        _tell(user, client, "totp", "begun", session_id)
    return setup_of(device)


def drop_unconfirmed(user: User) -> None:
    """Let go of the app that *user* began, in the caller's transaction."""
    TotpDevice.objects.filter(user=user, confirmed=False, confirmed_at__isnull=True).delete()


def pending_totp(user: User, now: datetime, *, session_id: UUID | None = None) -> TotpDevice | None:
    """Return the app of *user* that waits for its first code, while it may be confirmed.

    That of the session *session_id*, or else the one that an enrolment link began.
    """
    mine = TotpDevice.objects.filter(user=user, confirmed=False, confirmed_at__isnull=True, session_id=session_id)
    pending: TotpDevice | None = mine.filter(created_at__gt=now - app_settings().TOTP_SETUP_TTL).first()
    return pending


def setup_of(device: TotpDevice) -> TotpSetup:
    """Return what is shown of an unconfirmed app: the same at every try."""
    secret = b32encode(device.key).decode().rstrip("=")
    issuer, account = site_settings().SITE_NAME, device.user.email
    query = urlencode({"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP})
    url = f"otpauth://totp/{quote(f'{issuer}:{account}')}?{query}"
    drawn = segno.make(url, error="m").svg_inline(scale=5, border=2, dark="#000", light="#fff", omitsize=False)
    return TotpSetup(device.pk, secret, url, drawn)


def confirm(*, device: TotpDevice, code: str, client: Client, now: datetime) -> list[str]:
    """Put an app in force by its first code, in the caller's transaction; return the first recovery codes.

    Its owner's mail is the caller's, who knows whether a session or a link did this.
    Raises otp_invalid, whose detail says what to do: here a code of another time may be told as such, since whoever
    types it was just shown the secret. A sign-in never tells that: the time of such a code may still come.
    """
    if not use_totp(device, code, now):
        raise Problem("otp_invalid", detail=_why_wrong(device, code, now))
    confirmed = TotpDevice.objects.filter(pk=device.pk, confirmed=False, confirmed_at__isnull=True)
    if not confirmed.update(confirmed=True, confirmed_at=now):
        raise Problem("otp_invalid")
    user = device.user
    _tell(user, client, "totp", "added", device.session_id)
    if apps_of(user).count() > 1:
        return []
    return new_recovery_codes(user=user, client=client, now=now, session_id=device.session_id)


def remove(*, app: TotpDevice, session_id: UUID, now: datetime) -> None:
    """Put *app* out of force, in the caller's transaction; undoing.py can put it back while its row stays."""
    gone = {"confirmed": False, "removed_at": now, "removed_session_id": session_id}
    TotpDevice.objects.filter(pk=app.pk).update(**gone)


def new_recovery_codes(*, user: User, client: Client, now: datetime, session_id: UUID | None = None) -> list[str]:
    """Replace the recovery codes of *user*, in the caller's transaction; return them, shown this once."""
    RecoveryCode.objects.filter(user=user).delete()
    fresh = [_new_code() for _unused in range(app_settings().RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, code_hash=_code_hashes(user, code)[0], created_at=now, session_id=session_id)
        for code in fresh
    )
    _tell(user, client, "recovery", "made", session_id)
    return fresh


def use_totp(device: TotpDevice, code: str, now: datetime) -> bool:
    """Use a code of *device* up: neither it nor an earlier one is good again (ASVS 6.5.1)."""
    step = _step_of(device, code, now)
    if step is None:
        return False
    return bool(TotpDevice.objects.filter(pk=device.pk, last_step__lt=step).update(last_step=step, last_used_at=now))


def use_recovery_code(*, user: User, code: str, client: Client, now: datetime) -> bool:
    """Use a recovery code up, in the caller's transaction, and tell its owner."""
    mine = RecoveryCode.objects.filter(user=user, used_at__isnull=True)
    if not mine.filter(code_hash__in=_code_hashes(user, code)).update(used_at=now):
        return False
    remaining = mine.count()
    mails.recovery_code_used(user, client, remaining=remaining)
    announce(events.RecoveryCodeUsed(client=client, user_id=str(user.pk), remaining=remaining))
    return True


def use_code(*, user: User, method: str | None, code: str, client: Client, now: datetime) -> bool:
    """Use up a code of an app of *user*, or where *method* says so a recovery code, in the caller's transaction."""
    if method == Method.RECOVERY.value:
        return use_recovery_code(user=user, code=code, client=client, now=now)
    return any(use_totp(device, code, now) for device in apps_of(user))


def apps_of(user: User) -> QuerySet[TotpDevice]:
    """Return the authenticator apps of *user* that are in force, oldest first."""
    apps: QuerySet[TotpDevice] = TotpDevice.objects.filter(user=user, confirmed=True).order_by("created_at", "pk")
    return apps


def has_app(user: User) -> bool:
    """Tell whether *user* has an authenticator app in force."""
    return apps_of(user).exists()


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes *user* has left."""
    return RecoveryCode.objects.filter(user=user, used_at__isnull=True).count()


def _tell(user: User, client: Client, factor: str, change: str, session_id: UUID | None) -> None:
    announce(
        events.FactorChanged(
            client=client,
            user_id=str(user.pk),
            actor=Actor.user(user),
            session_id=str(session_id) if session_id else None,  # by which its owner says that it was not theirs
            factor=factor,
            change=change,
        )
    )


def _step_of(device: TotpDevice, code: str, now: datetime) -> int | None:
    """Return the time step that *code* belongs to, where it is one of *device* around *now*."""
    totp = _reader_of(device, code, now)
    if totp is None or not totp.verify(int(code), tolerance=DRIFT, min_t=device.last_step + 1):
        return None
    return int(totp.t())


def _reader_of(device: TotpDevice, code: str, now: datetime) -> Any:
    """Return what compares *code* with those of *device*; None where it has another shape, or the secret is damaged."""
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    try:
        totp = TOTP(device.key, step=STEP, digits=DIGITS)
    except DecryptionFailed:
        return None
    totp.time = now.timestamp()
    return totp


def _why_wrong(device: TotpDevice, code: str, now: datetime) -> str:
    """Say what to do about a code that confirmed nothing: a phone whose clock is off shows codes of another time."""
    steps = _steps_off(device, code, now)
    if steps is None:
        return _("That code is not correct. Check that the time on your phone is set automatically.")
    minutes = max(1, round(abs(steps) * STEP / 60))
    if steps < 0:
        said = ngettext(
            "That code fits another time: the clock of your phone seems to be about %(n)d minute slow.",
            "That code fits another time: the clock of your phone seems to be about %(n)d minutes slow.",
            minutes,
        )
    else:
        said = ngettext(
            "That code fits another time: the clock of your phone seems to be about %(n)d minute fast.",
            "That code fits another time: the clock of your phone seems to be about %(n)d minutes fast.",
            minutes,
        )
    return said % {"n": minutes} + " " + _("Let it set its time automatically, then type the code it shows then.")


def _steps_off(device: TotpDevice, code: str, now: datetime) -> int | None:
    """Return how many steps before or after *now* the code of *device* is good, within an hour; nearest first."""
    totp = _reader_of(device, code, now)
    if totp is None:
        return None
    for distance in range(DRIFT + 1, _FAR_OFF + 1):
        for steps in (-distance, distance):
            totp.drift = steps
            if totp.token() == int(code):
                return steps
    return None


def _new_code() -> str:
    drawn = "".join(secrets.choice(_ALPHABET) for _unused in range(_CODE_LENGTH))
    return "-".join(drawn[i : i + 4] for i in range(0, _CODE_LENGTH, 4))


def _code_hashes(user: User, code: str) -> list[str]:
    plain = "".join(c for c in code.casefold() if c.isalnum())
    return hashing.keyed_hashes("recovery", user.pk, plain)
