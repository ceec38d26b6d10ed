"""Authenticator apps and recovery codes: set up, checked, used up."""

import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode
from uuid import UUID

import segno
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_otp.oath import TOTP

from accounts import events, mails
from accounts.conf import app_settings
from accounts.models import Method, RecoveryCode, TotpDevice, User
from accounts.signals import announce
from gatehouse import hashing
from gatehouse.client import Client
from gatehouse.conf import app_settings as site_settings
from gatehouse.encryption import DecryptionFailed
from gatehouse.problems import Problem

STEP = 30  # seconds a code lives (RFC 6238)
DIGITS = 6
DRIFT = 1  # steps before and after that are taken too
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_CODE_LENGTH = 12  # characters of a recovery code: 59 bits


@dataclass(frozen=True)
class TotpSetup:
    """What somebody needs to set up an app; shown while it is not confirmed."""

    device_id: UUID
    secret: str
    otpauth_url: str
    qr_svg: str


def begin_totp(*, user: User, name: str, client: Client) -> TotpSetup:
    """Make an app for *user* that is not in force before a code confirmed it; an earlier unconfirmed one goes."""
    now = timezone.now()
    device = TotpDevice(user=user, name=name or _("Authenticator app"), confirmed=False, created_at=now)
    device.seal(secrets.token_bytes(20))
    with transaction.atomic(durable=True):
        TotpDevice.objects.filter(user=user, confirmed=False).delete()
        device.save(force_insert=True)
        announce(events.FactorChanged(client=client, user_id=str(user.pk), factor="totp", change="begun"))
    return setup_of(device)


def pending_totp(user: User, now: datetime) -> TotpDevice | None:
    """Return the app of *user* that waits for its first code, while it may be confirmed."""
    since = now - app_settings().TOTP_SETUP_TTL
    pending: TotpDevice | None = TotpDevice.objects.filter(user=user, confirmed=False, created_at__gt=since).first()
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

    Raises otp_invalid.
    """
    if not use_totp(device, code, now):
        raise Problem("otp_invalid")
    confirmed = TotpDevice.objects.filter(pk=device.pk, confirmed=False)
    if not confirmed.update(confirmed=True, confirmed_at=now):
        raise Problem("otp_invalid")
    user = device.user
    announce(events.FactorChanged(client=client, user_id=str(user.pk), factor="totp", change="added"))
    mails.factor_added(user, client)
    if TotpDevice.objects.filter(user=user, confirmed=True).count() > 1:
        return []
    return new_recovery_codes(user=user, client=client, now=now)


def new_recovery_codes(*, user: User, client: Client, now: datetime) -> list[str]:
    """Replace the recovery codes of *user*, in the caller's transaction; return them, shown this once."""
    RecoveryCode.objects.filter(user=user).delete()
    fresh = [_new_code() for _unused in range(app_settings().RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, code_hash=_code_hashes(user, code)[0], created_at=now) for code in fresh
    )
    announce(events.FactorChanged(client=client, user_id=str(user.pk), factor="recovery", change="made"))
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
    return any(use_totp(device, code, now) for device in TotpDevice.objects.filter(user=user, confirmed=True))


def has_app(user: User) -> bool:
    """Tell whether *user* has an authenticator app in force."""
    return bool(TotpDevice.objects.filter(user=user, confirmed=True).exists())


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes *user* has left."""
    return RecoveryCode.objects.filter(user=user, used_at__isnull=True).count()


def _step_of(device: TotpDevice, code: str, now: datetime) -> int | None:
    """Return the time step that *code* belongs to, where it is one of *device* around *now*."""
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    try:
        totp = TOTP(device.key, step=STEP, digits=DIGITS)
    except DecryptionFailed:
        return None
    totp.time = now.timestamp()
    if not totp.verify(int(code), tolerance=DRIFT, min_t=device.last_step + 1):
        return None
    return int(totp.t())


def _new_code() -> str:
    drawn = "".join(secrets.choice(_ALPHABET) for _unused in range(_CODE_LENGTH))
    return "-".join(drawn[i : i + 4] for i in range(0, _CODE_LENGTH, 4))


def _code_hashes(user: User, code: str) -> list[str]:
    plain = "".join(c for c in code.casefold() if c.isalnum())
    return hashing.keyed_hashes("recovery", user.pk, plain)
