"""What staff do to an account: disable it, enable it, delete it, lift its lockout, end its sessions."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, lockout, mails
from accounts.conf import app_settings
from accounts.models import LinkPurpose, Status, User
from accounts.services import codes, lockouts
from accounts.services.authority import holding
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from gatehouse.reasons import checked_reason
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

_LOCKED, _OPEN = "locked", "open"
_STATUS = ("status", "is_active", "updated_at")


def disable(*, target: User, by: User, reason: str, client: Client) -> User:
    """Keep *target* out, and end its sessions at once (ASVS 7.4.2).

    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict.
    """
    reason = checked_reason(reason)
    failed = events.AccountDisabled(**_refused(target, by, client, reason), sessions_ended=0)
    with holding(target=target, by=by, permission="users.disable", client=client, failed=failed, removes=True) as user:
        if user.status in (Status.DISABLED, Status.DELETED):
            raise Problem("conflict", detail=_("The account is disabled or deleted already."))
        before = user.status
        user.set_status(Status.DISABLED)
        user.disabled_at, user.disabled_reason, user.disabled_by = timezone.now(), reason, str(by.pk)
        user.save(update_fields=[*_STATUS, "disabled_at", "disabled_reason", "disabled_by"])
        ended = _shut_out(user, RevokeReason.DISABLED, by, client, but=(LinkPurpose.UNDO_DELETION,))
        mails.account_disabled(user, client)
        announce(events.AccountDisabled(**_done(user, by, client, reason, before), sessions_ended=ended))
    return user


def enable(*, target: User, by: User, reason: str, client: Client) -> User:
    """Let a disabled *target* in again; an address that was never proved has to be proved first.

    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict.
    """
    reason = checked_reason(reason)
    failed = events.AccountEnabled(**_refused(target, by, client, reason))
    with holding(target=target, by=by, permission="users.enable", client=client, failed=failed) as user:
        if user.status != Status.DISABLED:
            raise Problem("conflict", detail=_("The account is not disabled."))
        before = user.status
        user.set_status(Status.ACTIVE if user.email_verified else Status.INACTIVE)
        user.disabled_at, user.disabled_reason, user.disabled_by = None, "", ""
        user.save(update_fields=[*_STATUS, "disabled_at", "disabled_reason", "disabled_by"])
        mails.account_enabled(user, client)
        announce(events.AccountEnabled(**_done(user, by, client, reason, before)))
    return user


def delete(*, target: User, by: User, reason: str, client: Client) -> User:
    """Delete *target* softly, and end its sessions at once; nothing brings it back (ASVS 7.4.2).

    The row and its address stay for ERASURE_GRACE, so that nobody takes the address over at once: who signs in or signs
    up with it is answered as for any other address. Then the clean-up erases it (erasure.py), and sooner where its
    owner had asked for that. The owner is told, where the address was proved to be theirs.
    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict.
    """
    reason = checked_reason(reason)
    failed = events.AccountDeleted(**_refused(target, by, client, reason), sessions_ended=0)
    with holding(target=target, by=by, permission="users.delete", client=client, failed=failed, removes=True) as user:
        if user.status == Status.DELETED:
            raise Problem("conflict", detail=_("The account is deleted already."))
        before, now = user.status, timezone.now()
        erase_at = now + app_settings().ERASURE_GRACE
        user.set_status(Status.DELETED)
        user.deleted_at, user.deleted_reason, user.deleted_by = now, reason, str(by.pk)
        user.erase_at = min(erase_at, user.erase_at or erase_at)
        user.save(update_fields=[*_STATUS, "deleted_at", "deleted_reason", "deleted_by", "erase_at"])
        ended = _shut_out(user, RevokeReason.DELETED, by, client)
        if user.email_verified:
            mails.account_deleted(user, client, erase_at=user.erase_at)
        announce(events.AccountDeleted(**_done(user, by, client, reason, before), sessions_ended=ended))
    return user


def unlock(*, target: User, by: User, reason: str, client: Client) -> User:
    """Lift every lockout of *target*, also of its trusted devices and of browsers that a link let past one.

    Nothing else changes: the password, the code and the limits of networks stay.
    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict (nothing was counted).
    """
    reason = checked_reason(reason)
    known = {"client": client, "user_id": str(target.pk), "actor": Actor.user(by), "reason": reason}
    told = {**known, **_locks(target)}
    failed = events.AccountUnlocked(**told, after=told["before"], success=False, failure_reason=FailureReason.CONFLICT)
    with holding(target=target, by=by, permission="users.unlock", client=client, failed=failed) as user:
        if user.status == Status.DELETED:
            raise Problem("conflict", detail=_("The account is deleted, and nobody signs in to it."))
        told = {**known, **_locks(user)}
        if not lockouts.lift(user):
            raise Problem("conflict", detail=_("No failed sign-ins are counted against the account."))
        if user.status == Status.ACTIVE:
            mails.account_unlocked(user, client)
        announce(events.AccountUnlocked(**told, after=_OPEN))
    return user


def end_sessions(*, target: User, by: User, reason: str, client: Client, only: Session | None = None) -> int:
    """End *only*, or every session of *target*; return how many ended (ASVS 7.4.5).

    Raises validation_failed (no reason), role_not_allowed, self_action_forbidden, conflict (a deleted account).
    """
    reason = checked_reason(reason)
    actor = Actor.user(by)
    failed = events.SessionsEndedByStaff(
        client=client,
        user_id=str(target.pk),
        actor=actor,
        reason=reason,
        sessions_ended=0,
        success=False,
        failure_reason=FailureReason.CONFLICT,
    )
    with holding(target=target, by=by, permission="users.sessions.end", client=client, failed=failed) as user:
        if user.status == Status.DELETED:
            raise Problem("conflict", detail=_("The account is deleted, and has no sessions."))
        if only is not None:
            ended = int(sessions.revoke(only, reason=RevokeReason.STAFF, client=client, actor=actor))
        else:
            ended = sessions.revoke_all(user=user, reason=RevokeReason.STAFF, client=client, actor=actor)
        if ended:
            mails.sessions_revoked_by_staff(user, client, number=ended)
        announce(
            events.SessionsEndedByStaff(
                client=client,
                user_id=str(user.pk),
                actor=actor,
                session_id=str(only.pk) if only else None,
                reason=reason,
                sessions_ended=ended,
            )
        )
    return ended


def _shut_out(user: User, why: RevokeReason, by: User, client: Client, *, but: tuple[LinkPurpose, ...] = ()) -> int:
    """End whatever lets *user*, who is not active any more, in or back in; return how many sessions ended.

    Links of the purposes in *but*, which let nobody in, stay open.
    """
    actor = Actor.user(by)
    ended = sessions.revoke_all(user=user, reason=why, client=client, actor=actor)
    links.close_all(user=user, but=but)
    devices.forget(user=user, client=client, actor=actor)
    codes.cancel_all(user=user)
    return ended


def _locks(user: User) -> dict[str, Any]:
    """Return what the lifting of a lockout is recorded with of how things stood."""
    state = lockout.states([user.email_key])[user.email_key]
    return {"before": _OPEN if state.until is None else _LOCKED, "failed_sign_ins": state.failures}


def _done(user: User, by: User, client: Client, reason: str, before: str) -> dict[str, Any]:
    """Return what an action that moved an account from the status *before* is recorded with."""
    return {
        "client": client,
        "user_id": str(user.pk),
        "actor": Actor.user(by),
        "reason": reason,
        "before": before,
        "after": user.status,
    }


def _refused(target: User, by: User, client: Client, reason: str) -> dict[str, Any]:
    """Return what an action that changed nothing is recorded with."""
    unchanged = _done(target, by, client, reason, target.status)
    return {**unchanged, "success": False, "failure_reason": FailureReason.CONFLICT}
