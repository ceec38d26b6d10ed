"""What staff do to how somebody signs in: have a new password set, or take the second factors away.

Either ends whatever the old credentials had opened, in its own transaction (ASVS 7.4.3). Staff set, and see, nothing of
what comes instead: a mailed link lets the owner do that (ASVS 6.4.6).
"""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.models import LinkPurpose, RecoveryCode, Status, TotpDevice, User
from accounts.services import codes, enrolment
from accounts.services.authority import holding
from accounts.services.passwords import replace_password
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from gatehouse.reasons import checked_reason
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.reasons import RevokeReason

_PERMISSION = "users.reset"


def force_reset(*, target: User, by: User, reason: str, client: Client) -> User:
    """Put the password of *target* out of force, end its sessions, and mail the link that sets a new one.

    Where an app is set up, that link asks for its code as ever.
    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict (not active).
    """
    told = _told(target, by, checked_reason(reason), client)
    failed = events.PasswordResetForced(
        **told, before="set", after="set", sessions_ended=0, success=False, failure_reason=FailureReason.CONFLICT
    )
    with holding(target=target, by=by, permission=_PERMISSION, client=client, failed=failed) as user:
        if user.status != Status.ACTIVE:
            raise Problem("conflict", detail=_("The account is not active."))
        before, now = "set" if user.has_usable_password() else "none", timezone.now()
        user.set_unusable_password()
        replace_password(user=user, encoded=user.password, client=client, now=now, actor=told["actor"])
        ended = _sign_out(user, RevokeReason.PASSWORD_RESET, told)
        life = app_settings().RESET_TTL
        link = links.issue(user=user, purpose=LinkPurpose.RESET, life=life, client=client, now=now)
        mails.password_reset_forced(link, client)
        announce(events.PasswordResetForced(**told, before=before, after="none", sessions_ended=ended))
    return user


def reset_factors(*, target: User, by: User, reason: str, client: Client) -> User:
    """Take the authenticator apps and recovery codes of *target* away, for good, and end its sessions.

    From then on a mailed code confirms a sign-in. Staff, of whom an app is asked, are mailed the link that sets up a
    new one, with a new password.
    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict (a deleted account, or one
    that has neither).
    """
    told = _told(target, by, checked_reason(reason), client)
    failed = events.FactorsReset(
        **told, before=[], after=[], sessions_ended=0, success=False, failure_reason=FailureReason.CONFLICT
    )
    with holding(target=target, by=by, permission=_PERMISSION, client=client, failed=failed) as user:
        if user.status == Status.DELETED:
            raise Problem("conflict", detail=_("The account is deleted."))
        before = _take_factors(user)
        if not before:
            raise Problem("conflict", detail=_("No authenticator app and no recovery code is set up."))
        codes.cancel_all(user=user)
        links.close(user=user, purpose=LinkPurpose.ADDRESS)
        devices.forget(user=user, client=client, actor=told["actor"])
        ended = _sign_out(user, RevokeReason.FACTORS_CHANGED, told)
        enrols = user.is_staff and user.status != Status.DISABLED
        mails.factors_reset(user, client, enrols=enrols)
        if enrols:
            enrolment.offer(user=user, client=client, now=timezone.now())
        announce(events.FactorsReset(**told, before=before, after=[], sessions_ended=ended))
    return user


def _take_factors(user: User) -> list[str]:
    """Remove what is set up, what waits for its first code and what could be put back; return what was in force."""
    apps, recovery = TotpDevice.objects.filter(user=user), RecoveryCode.objects.filter(user=user)
    in_force = ["totp"] * apps.filter(confirmed=True).count() + ["recovery"] * recovery.exists()
    apps.delete()
    recovery.delete()
    return in_force


def _sign_out(user: User, why: RevokeReason, told: dict[str, Any]) -> int:
    return sessions.revoke_all(user=user, reason=why, client=told["client"], actor=told["actor"])


def _told(target: User, by: User, reason: str, client: Client) -> dict[str, Any]:
    return {"client": client, "user_id": str(target.pk), "actor": Actor.user(by), "reason": reason}
