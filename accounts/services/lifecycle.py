"""What staff do to an account: disable it, enable it, end its sessions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails, roles
from accounts.models import Status, User
from accounts.roles import Role
from accounts.services import codes
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason, SecurityEvent
from gatehouse.problems import Problem, validation
from gatehouse.text import UnsafeText, clean_text
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

MAX_REASON = 500
_STATUS = ("status", "is_active", "updated_at")


def disable(*, target: User, by: User, reason: str, client: Client) -> User:
    """Keep *target* out, and end its sessions at once (ASVS 7.4.2).

    Raises validation_failed (no reason), permission_denied, self_action_forbidden, conflict.
    """
    reason = _checked(reason)
    _check(by, target, "users.disable", client)
    failed = events.AccountDisabled(**_refused(target, by, client, reason), sessions_ended=0)
    with _recording(failed), transaction.atomic(durable=True):
        user = _locked(target)
        if user.status in (Status.DISABLED, Status.DELETED):
            raise Problem("conflict", detail=_("The account is disabled or deleted already."))
        _keep_a_super_admin(user)
        before = user.status
        user.set_status(Status.DISABLED)
        user.disabled_at, user.disabled_reason, user.disabled_by = timezone.now(), reason, str(by.pk)
        user.save(update_fields=[*_STATUS, "disabled_at", "disabled_reason", "disabled_by"])
        ended = sessions.revoke_all(user=user, reason=RevokeReason.DISABLED, client=client, actor=Actor.user(by))
        links.close_all(user=user)
        devices.forget(user=user, client=client)
        codes.cancel_all(user=user)
        mails.account_disabled(user, client)
        announce(
            events.AccountDisabled(
                client=client,
                user_id=str(user.pk),
                actor=Actor.user(by),
                reason=reason,
                before=before,
                after=user.status,
                sessions_ended=ended,
            )
        )
    return user


def enable(*, target: User, by: User, reason: str, client: Client) -> User:
    """Let a disabled *target* in again; an address that was never proved has to be proved first.

    Raises validation_failed (no reason), permission_denied, self_action_forbidden, conflict.
    """
    reason = _checked(reason)
    _check(by, target, "users.enable", client)
    with _recording(events.AccountEnabled(**_refused(target, by, client, reason))), transaction.atomic(durable=True):
        user = _locked(target)
        if user.status != Status.DISABLED:
            raise Problem("conflict", detail=_("The account is not disabled."))
        before = user.status
        user.set_status(Status.ACTIVE if user.email_verified else Status.INACTIVE)
        user.disabled_at, user.disabled_reason, user.disabled_by = None, "", ""
        user.save(update_fields=[*_STATUS, "disabled_at", "disabled_reason", "disabled_by"])
        mails.account_enabled(user, client)
        announce(
            events.AccountEnabled(
                client=client,
                user_id=str(user.pk),
                actor=Actor.user(by),
                reason=reason,
                before=before,
                after=user.status,
            )
        )
    return user


def end_sessions(*, target: User, by: User, reason: str, client: Client, only: Session | None = None) -> int:
    """End *only*, or every session of *target*; return how many ended (ASVS 7.4.5).

    Raises validation_failed (no reason), permission_denied, self_action_forbidden.
    """
    reason = _checked(reason)
    actor = Actor.user(by)
    _check(by, target, "users.sessions.end", client)
    with transaction.atomic(durable=True):
        user = _locked(target)
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


@contextmanager
def _recording(failed: SecurityEvent) -> Iterator[None]:
    """Record a refusal that was found out only while the account was held."""
    try:
        yield
    except Problem as problem:
        refuse(problem, failed)


def _refused(target: User, by: User, client: Client, reason: str) -> dict[str, Any]:
    """Return what an action that changed nothing is recorded with."""
    return {
        "client": client,
        "user_id": str(target.pk),
        "actor": Actor.user(by),
        "reason": reason,
        "before": target.status,
        "after": target.status,
        "success": False,
        "failure_reason": FailureReason.CONFLICT,
    }


def _locked(target: User) -> User:
    """Read the account again, locked until the end of the transaction."""
    return User.objects.select_for_update().get(pk=target.pk)


def _check(by: User, target: User, permission: str, client: Client) -> None:
    """Refuse, and record, what the role of *by* does not give over *target*; runs before any transaction."""
    actor = User.objects.get(pk=by.pk)
    if actor.pk == target.pk:
        code, reason = "self_action_forbidden", FailureReason.SELF_ACTION
    elif not actor.may(permission) or not roles.may_manage(actor_role=actor.role, target_role=target.role):
        code, reason = "role_not_allowed", FailureReason.NOT_PERMITTED
    else:
        return
    refuse(
        Problem(code),
        events.PermissionRefused(
            client=client,
            user_id=str(target.pk),
            actor=Actor.user(actor),
            failure_reason=reason,
            permission=permission,
        ),
    )


def _keep_a_super_admin(user: User) -> None:
    if user.role != Role.SUPER_ADMIN:
        return
    others = User.objects.select_for_update().filter(role=Role.SUPER_ADMIN, status=Status.ACTIVE).exclude(pk=user.pk)
    if not others:
        raise Problem("conflict", detail=_("The last super admin cannot be disabled."))


def _checked(reason: str) -> str:
    try:
        reason = clean_text(reason.strip(), multiline=True)
    except UnsafeText:
        raise validation("reason", "invalid") from None
    if not reason:
        raise validation("reason", "required", _("Say why: the reason is kept in the audit trail"))
    if len(reason) > MAX_REASON:
        raise validation("reason", "max_length", _("Use 500 characters or fewer"))
    return reason
