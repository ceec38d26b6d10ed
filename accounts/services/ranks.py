"""Giving and taking roles: who may, what ends with it, and how somebody who becomes staff gets in."""

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links
from accounts.models import LinkPurpose, Status, User
from accounts.roles import RANK, STAFF_ROLES, Role, permissions_of
from accounts.services import codes, enrolment, factors, grants
from accounts.services.authority import holding
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.reasons import checked_reason
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.reasons import RevokeReason


def change_role(*, target: User, by: User, role: Role | str, reason: str, client: Client) -> User:
    """Give *target* another role, from the very next request on (ASVS 8.3.2).

    1. Taking a role away, and making somebody staff, end every session: staff power never comes to a session that a
       mailed code, or a trusted device, has opened. What else is raised goes on, and its next token names the new role.
    2. Who becomes staff without an authenticator app is mailed an enrolment link, and comes in by nothing else.
    Raises validation_failed (no reason, no such role), role_not_allowed, self_action_forbidden, conflict (the same
    role, a deleted account, the last super admin, a disabled account that would become staff).
    """
    reason, role = checked_reason(reason), known_role(role)
    failed = _changed(target, by, client, reason, target.role, success=False, failure_reason=FailureReason.CONFLICT)
    removes = role != Role.SUPER_ADMIN
    with holding(
        target=target, by=by, permission="users.role", client=client, failed=failed, gives=role, removes=removes
    ) as user:
        before = Role(user.role)
        joins = role in STAFF_ROLES and before not in STAFF_ROLES
        _check(user, role, joins=joins)
        user.set_role(role)
        user.save(update_fields=["role", "is_staff", "updated_at"])
        sessions.forget_state(user=user)
        ended = _sign_out(user, by, client) if joins or RANK[role] < RANK[before] else 0
        if joins:
            _let_in(user, client)
        elif not user.is_staff:
            links.close(user=user, purpose=LinkPurpose.ENROL)
        if RANK[role] < RANK[before]:
            grants.end_all(user=user, by=by, reason=reason, client=client)
        announce(_changed(user, by, client, reason, before, sessions_ended=ended))
    return user


def known_role(role: Role | str) -> Role:
    """Return the role that is called so; raises validation_failed."""
    try:
        return Role(role)
    except ValueError:
        raise validation("role", "invalid_choice", _("Choose a role")) from None


def _check(user: User, role: Role, *, joins: bool) -> None:
    if user.status == Status.DELETED:
        raise Problem("conflict", detail=_("The account is deleted."))
    if user.role == role:
        raise Problem("conflict", detail=_("The account has this role already."))
    if joins and user.status == Status.DISABLED:
        raise Problem("conflict", detail=_("The account is disabled: enable it before it becomes one of staff."))


def _sign_out(user: User, by: User, client: Client) -> int:
    """End the sessions, the half-done sign-ins, changes of the address and trust that the role before sufficed for."""
    actor = Actor.user(by)
    ended = sessions.revoke_all(user=user, reason=RevokeReason.ROLE_CHANGED, client=client, actor=actor)
    codes.cancel_all(user=user)
    links.close(user=user, purpose=LinkPurpose.ADDRESS)
    devices.forget(user=user, client=client, actor=actor)
    return ended


def _let_in(user: User, client: Client) -> None:
    if user.status == Status.INACTIVE or not factors.has_app(user):
        enrolment.offer(user=user, client=client, now=timezone.now())


def _changed(
    user: User,
    by: User,
    client: Client,
    reason: str,
    before: str,
    *,
    sessions_ended: int = 0,
    success: bool = True,
    failure_reason: FailureReason | None = None,
) -> events.RoleChanged:
    old, new = permissions_of(before), permissions_of(user.role)
    return events.RoleChanged(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(by),
        reason=reason,
        before=str(before),
        after=str(user.role),
        gained=tuple(sorted(new - old)),
        lost=tuple(sorted(old - new)),
        sessions_ended=sessions_ended,
        success=success,
        failure_reason=failure_reason,
    )
