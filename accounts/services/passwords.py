"""Passwords: one place that puts a new one in force, and changing one by whoever knows it.

1. Whatever a new password ends, it ends in its own transaction: sessions, trust, half-done sign-ins, other links.
2. Links that disavow a sign-in, or undo a deletion or a change of the address, stay open: they take away, or keep, no
   more than that, and whoever came in by a stolen password must not be able to close them by changing it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts import events, links, mails, passwords
from accounts.conf import app_settings
from accounts.models import LinkPurpose, User
from accounts.services import codes, own_account, reauthentication
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason


@own_account.changes_account
def change_password(
    *, user: User, session: Session, current: str, new: str, client: Client, revoke_others: bool = True
) -> None:
    """Set a new password for *user*, who knows the present one; *session* goes on, and no device is trusted any more.

    Raises permission_denied, invalid_credentials, rate_limited, validation_failed, session_revoked,
    service_unavailable. ASVS 6.2.2, 6.2.3, 7.4.3.
    """
    known = User.objects.get(pk=user.pk)
    reauthentication.confirm_password(user=known, session=session, password=current, client=client)
    with _recording(known, session, client):
        passwords.check_policy(new, about=(known.email, known.display_name), field="new_password")
        if new == current:
            raise reused()
        encoded = passwords.hash_new_password(new)
        now = timezone.now()
        with transaction.atomic(durable=True):
            held = own_account.hold(user=known, session=session)
            if held.password_changed_at != known.password_changed_at:  # by another request, since it was compared
                raise Problem("invalid_credentials")
            replace_password(user=held, encoded=encoded, client=client, now=now)
            mails.password_changed(held, client, reset=False)
            reason = RevokeReason.PASSWORD_CHANGED
            ended = sessions.revoke_all(user=held, reason=reason, client=client, keep=session) if revoke_others else 0
            announce(_changed(held, session, client, sessions_ended=ended))


def replace_password(
    *,
    user: User,
    encoded: str,
    client: Client,
    now: datetime,
    keep: tuple[LinkPurpose, ...] = (),
    actor: Actor | None = None,
) -> None:
    """Put *encoded* in force and end what the old password had begun, in the caller's transaction.

    The one road of every change, reset and enrolment; *user* is locked. Links of the purposes in *keep* stay open.
    Sessions are the caller's, who knows which one goes on; *actor* is whoever does it to another.
    """
    user.replace_password(encoded, now)
    user.save(update_fields=["password", "password_changed_at", "updated_at"])
    sessions.forget_state(user=user)
    links.close_all(user=user, but=(*links.LASTING, *keep))
    codes.cancel_all(user=user)
    devices.forget(user=user, client=client, actor=actor)


def queue_reset(*, user: User, client: Client) -> None:
    """Mail *user* a link that sets a new password, in the caller's transaction; an earlier one is closed.

    ASVS 6.4.3.
    """
    life = app_settings().RESET_TTL
    link = links.issue(user=user, purpose=LinkPurpose.RESET, life=life, client=client, now=timezone.now())
    mails.password_reset(link, client)


def reused() -> Problem:
    """Return the refusal of a new password that is the one in force."""
    return validation("new_password", "password_reused", str(passwords.WORDS["password_reused"]))


def reason_of(problem: Problem) -> FailureReason | None:
    """Return why a new password was refused, for the trail; None where nothing was decided."""
    match problem.code:
        case "validation_failed":
            same = any(error.code == "password_reused" for error in problem.errors)
            return FailureReason.REUSED_PASSWORD if same else FailureReason.WEAK_PASSWORD
        case "token_invalid" | "token_expired" | "token_used" | "rate_limited":
            return FailureReason(problem.code)
        case "factor_required":
            return FailureReason.FACTOR_MISSING
        case "otp_invalid":
            return FailureReason.CODE_WRONG
        case "invalid_credentials":
            return FailureReason.BAD_CREDENTIALS
        case "session_revoked":
            return FailureReason.SESSION_ENDED
        case _other:
            return None


@contextmanager
def _recording(user: User, session: Session, client: Client) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        reason = reason_of(problem)
        if reason is None:
            raise
        refuse(problem, _changed(user, session, client, success=False, failure_reason=reason))


def _changed(
    user: User,
    session: Session,
    client: Client,
    *,
    sessions_ended: int = 0,
    success: bool = True,
    failure_reason: FailureReason | None = None,
) -> events.PasswordChanged:
    return events.PasswordChanged(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk),
        sessions_ended=sessions_ended,
        success=success,
        failure_reason=failure_reason,
    )
