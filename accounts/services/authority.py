"""What staff may do to others: asked before anything is changed, and again while the accounts are held.

1. Whoever asks is read anew: what a request believed of them may be seconds old (ASVS 8.3.2).
2. Every account that decides is locked, all in one order, so that two who act on each other at once never wait for
   each other; the second then sees what the first has done, and is judged by it.
3. A refusal is recorded outside of the transaction that it undoes.
4. A super admin who asked to be erased counts for the last one no more: two of them would go one after the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import events, roles
from accounts.models import Status, User
from accounts.roles import Role
from accounts.signals import refuse
from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason, SecurityEvent
from gatehouse.problems import Problem


class _NotPermitted(Exception):  # noqa: N818  (a condition; it never leaves this module)
    def __init__(self, code: str, reason: FailureReason) -> None:
        super().__init__(code)
        self.code, self.reason = code, reason


@contextmanager
def holding(
    *,
    target: User,
    by: User,
    permission: str,
    client: Client,
    failed: SecurityEvent,
    gives: Role | None = None,
    removes: bool = False,
) -> Iterator[User]:
    """Open the transaction of what *by* does to *target*, and give that account, locked and read anew.

    *gives* is a role that it is to have, *removes* says that it would be a super admin no more. A Problem that is
    raised inside undoes everything and is recorded as *failed*.
    Raises role_not_allowed, self_action_forbidden; conflict where no super admin would be left; not_found.
    """
    try:
        found = User.objects.in_bulk([by.pk, target.pk])
        _check(found, by, target, permission, gives)
        deciding = _super_admins() if removes and found[target.pk].role == Role.SUPER_ADMIN else set()
        with transaction.atomic(durable=True):
            held = _lock({by.pk, target.pk} | deciding)
            if removes:
                _keep_a_super_admin(target, held)
            _check(held, by, target, permission, gives)
            yield held[target.pk]
    except _NotPermitted as refused:
        refuse(Problem(refused.code), _refused(target, by, permission, gives, client, refused.reason))
    except Problem as problem:
        refuse(problem, failed)


@contextmanager
def acting(
    *, by: User, permission: str, client: Client, failed: SecurityEvent, gives: Role | None = None
) -> Iterator[User]:
    """Open the transaction of what *by* does to no account that there is yet, and give *by*, locked and read anew.

    Raises role_not_allowed; a Problem that is raised inside is recorded as *failed*.
    """
    try:
        with transaction.atomic(durable=True):
            actor = _lock({by.pk}).get(by.pk)
            may_give = actor is not None and (gives is None or roles.can_give_role(actor, gives))
            if actor is None or not actor.may(permission) or not may_give:
                raise _NotPermitted("role_not_allowed", FailureReason.NOT_PERMITTED)
            yield actor
    except _NotPermitted as refused:
        refuse(Problem(refused.code), _refused(by, by, permission, gives, client, refused.reason))
    except Problem as problem:
        refuse(problem, failed)


@contextmanager
def leaving(*, user_id: UUID, wait: bool = True) -> Iterator[User | None]:
    """Open the transaction in which an account goes by its owner's wish, and give it, locked and read anew.

    None where there is no such account or, without *wait*, where somebody else holds it at this moment.
    Raises conflict where no super admin would be left.
    """
    counts = User.objects.filter(pk=user_id, role=Role.SUPER_ADMIN, is_active=True).exists()
    deciding = _super_admins() if counts else set()
    with transaction.atomic(durable=True):
        held = _lock({user_id} | deciding, wait=wait)
        user = held.get(user_id)
        if user is not None and user.is_active:
            _keep_a_super_admin(user, held)
        yield user


def _check(found: dict[UUID, User], by: User, on: User, permission: str, gives: Role | None) -> None:
    """Judge by the accounts as they were *found*; raises _NotPermitted, and not_found where one is erased."""
    if by.pk == on.pk:
        raise _NotPermitted("self_action_forbidden", FailureReason.SELF_ACTION)
    if by.pk not in found or on.pk not in found:
        raise Problem("not_found")
    actor, target = found[by.pk], found[on.pk]
    may_give = gives is None or roles.can_give_role(actor, gives)
    if not (actor.may(permission) and roles.can_manage(actor, target) and may_give):
        raise _NotPermitted("role_not_allowed", FailureReason.NOT_PERMITTED)


def _super_admins() -> set[UUID]:
    """Return who is a super admin now; asked before the transaction, which is to see what it waits for."""
    return set(User.objects.filter(role=Role.SUPER_ADMIN, status=Status.ACTIVE).values_list("pk", flat=True))


def _lock(keys: set[UUID], *, wait: bool = True) -> dict[UUID, User]:
    if wait:
        no_key = connection.features.has_select_for_no_key_update  # rows that point to them may be written
        rows = User.objects.select_for_update(no_key=no_key)
    else:
        rows = cleaning.locked(User.objects.all())
    return {user.pk: user for user in rows.filter(pk__in=keys).order_by("pk")}


def _keep_a_super_admin(target: User, held: dict[UUID, User]) -> None:
    if target.pk not in held or held[target.pk].role != Role.SUPER_ADMIN:
        return
    others = (one for one in held.values() if one.pk != target.pk)
    if not any(one.role == Role.SUPER_ADMIN and one.is_active and not one.is_leaving for one in others):
        raise Problem("conflict", detail=_("This is the last super admin: make somebody else one first."))


def _refused(
    target: User, by: User, permission: str, gives: Role | None, client: Client, reason: FailureReason
) -> events.PermissionRefused:
    return events.PermissionRefused(
        client=client,
        user_id=str(target.pk),
        actor=Actor.user(by),
        failure_reason=reason,
        permission=permission,
        resource=f"role:{gives.value}" if gives else "",
    )
