"""One permission for one person, for a time: given and taken back by a super admin, with a reason.

1. What is asked of staff goes to staff alone: nobody else has proved an authenticator app. It says nothing of rank: who
   may manage whom, and give which role, stays as the roles have it.
2. The power to give permissions is given to nobody, so that a super admin answers for each.
3. A lower role ends them, since they were given to somebody who had another one.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events
from accounts.conf import app_settings
from accounts.models import Grant, Status, User
from accounts.roles import MATRIX, Role, permissions_of
from accounts.services.authority import holding
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.reasons import checked_reason

GIVEN = MATRIX[Role.SUPER_ADMIN] - {"users.grant"}  # what may be given
_PERMISSION = "users.grant"


def give(
    *, target: User, by: User, permission: str, reason: str, client: Client, expires_at: datetime | None = None
) -> Grant:
    """Give *target* *permission* until *expires_at*, or for GRANT_TTL, which is the longest; return the grant.

    Raises validation_failed, role_not_allowed, self_action_forbidden, conflict (held already, no staff, not active).
    """
    now, longest = timezone.now(), app_settings().GRANT_TTL
    until = now + longest if expires_at is None else expires_at
    reason, permission = checked_reason(reason), _known(permission)
    if not now < until <= now + longest:
        raise validation("expires_at", "invalid", _("Choose a time to come, within %(n)d days.") % {"n": longest.days})
    told = _told(target, by, permission, reason, client)
    failed = events.PermissionGranted(
        **told, gained=(), lost=(), expires_at=until, success=False, failure_reason=FailureReason.CONFLICT
    )
    with holding(target=target, by=by, permission=_PERMISSION, client=client, failed=failed) as user:
        _check(user, permission)
        grant = Grant.objects.create(
            user=user, permission=permission, reason=reason, created_at=now, created_by=str(by.pk), expires_at=until
        )
        announce(events.PermissionGranted(**told, gained=(permission,), lost=(), expires_at=until))
    return grant


def take_back(*, target: User, by: User, permission: str, reason: str, client: Client) -> None:
    """Take *permission* back from *target*, from the very next request on.

    Raises validation_failed, role_not_allowed, self_action_forbidden, conflict (it was not given, or is over).
    """
    reason, permission = checked_reason(reason), _known(permission)
    told = _told(target, by, permission, reason, client)
    failed = events.PermissionTakenBack(
        **told, gained=(), lost=(), success=False, failure_reason=FailureReason.CONFLICT
    )
    with holding(target=target, by=by, permission=_PERMISSION, client=client, failed=failed) as user:
        now = timezone.now()
        held = Grant.objects.in_force(now).filter(user=user, permission=permission)
        if not held.update(ended_at=now, ended_by=str(by.pk)):
            raise Problem("conflict", detail=_("This permission was not given, or is over."))
        announce(events.PermissionTakenBack(**told, gained=(), lost=_lost(user, permission)))


def end_all(*, user: User, by: User, reason: str, client: Client) -> None:
    """End what was given to *user*, in the transaction of the change that asks for it; each with its row."""
    now = timezone.now()
    held = Grant.objects.in_force(now).filter(user=user)
    ended = sorted(held.values_list("permission", flat=True))
    held.update(ended_at=now, ended_by=str(by.pk))
    for permission in ended:
        told = _told(user, by, permission, reason, client)
        announce(events.PermissionTakenBack(**told, gained=(), lost=_lost(user, permission)))


def _known(permission: str) -> str:
    if permission not in GIVEN:
        raise validation("permission", "invalid_choice", _("There is no such permission, or it is given to nobody."))
    return permission


def _check(user: User, permission: str) -> None:
    if user.status != Status.ACTIVE:
        raise Problem("conflict", detail=_("The account is not active."))
    if permission in user.permissions:
        raise Problem("conflict", detail=_("The account has this permission already."))
    if permission not in permissions_of(Role.USER) and not user.is_staff:
        raise Problem("conflict", detail=_("This permission is for staff: give the account a role of staff first."))


def _lost(user: User, permission: str) -> tuple[str, ...]:
    return () if permission in permissions_of(user.role) else (permission,)


def _told(target: User, by: User, permission: str, reason: str, client: Client) -> dict[str, Any]:
    return {
        "client": client,
        "user_id": str(target.pk),
        "actor": Actor.user(by),
        "resource": f"permission:{permission}",
        "permission": permission,
        "reason": reason,
    }
