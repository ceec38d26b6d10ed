"""Which accounts a member of staff sees, how much of them, and how one is found: for the API and the staff area alike.

Where addresses are masked, nobody is found by the beginning of one: letter by letter that would read it out.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts import events, lockout
from accounts.lockout import LockState
from accounts.models import Grant, User
from accounts.roles import permissions_of, roles_below
from accounts.services import lockouts, own_factors
from accounts.services.own_factors import FactorView
from accounts.signals import refuse
from gatehouse.client import Client
from gatehouse.cursors import Page, page_of
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from gatehouse.text import mask_email
from sessions_app.models import Session, SessionQuerySet

WHOLE = "users.read_addresses"
LOCKED = "locked"  # no status of an account, but a way to look for those that a lockout runs against


@dataclass(frozen=True)
class Described:
    """An account with what staff are told of it that is no column."""

    user: User
    lock: LockState
    factors: list[FactorView]
    permissions: list[str]


def visible_users(viewer: Any) -> QuerySet[User]:
    """Return the accounts that *viewer* may look at, without what belongs to their credentials."""
    found = User.objects.defer("password")
    return found if viewer.may(WHOLE) else found.filter(role__in=roles_below(viewer.role))


def visible_sessions(viewer: User) -> SessionQuerySet:
    """Return the sessions of those accounts."""
    found = Session.objects.all()
    return found if viewer.may(WHOLE) else found.filter(user__role__in=roles_below(viewer.role))


def address_of(user: Any, viewer: Any) -> str:
    """Return the address of *user* as *viewer* may see it."""
    email = str(user.email)
    return email if viewer.may(WHOLE) else mask_email(email)


def matching(users: QuerySet[User], term: str, viewer: Any) -> QuerySet[User]:
    """Keep of *users* the one whose id *term* is, or those whose address begins with it, where *viewer* reads it."""
    term = unicodedata.normalize("NFKC", term.strip()).casefold()
    if not term:
        return users
    try:
        return users.filter(pk=UUID(term))
    except ValueError:
        return users.filter(email_key__startswith=term) if viewer.may(WHOLE) else users.none()


def find(*, viewer: Any, user_id: UUID, client: Client) -> User:
    """Return an account that *viewer* may look at.

    Raises not_found, for one that it may not as for none; asking for such a one is recorded (ASVS 8.2.2).
    """
    found = visible_users(viewer).filter(pk=user_id).first()
    if found is not None:
        return found
    if User.objects.filter(pk=user_id).exists():
        refuse(Problem("not_found"), _hidden(user_id, viewer, client))
    raise Problem("not_found")


def concerned(*, actor: User, user_id: UUID, client: Client) -> User:
    """Return the account that *actor* is about to change: also its own, for the service to refuse by name.

    Raises not_found, for one that *actor* may not look at as for none.
    """
    return actor if user_id == actor.pk else find(viewer=actor, user_id=user_id, client=client)


def described(users: Sequence[User]) -> list[Described]:
    """Return *users*, in their order, with what staff are told besides; by as many queries for one as for many."""
    locks = lockout.states(user.email_key for user in users)
    ways = own_factors.factors_of_all(users)
    given: dict[UUID, set[str]] = {user.pk: set() for user in users}
    for pk, permission in (
        Grant.objects.in_force(timezone.now()).filter(user__in=given).values_list("user", "permission")
    ):
        given[pk].add(permission)
    return [Described(user, locks[user.email_key], ways[user.pk], _held(user, given[user.pk])) for user in users]


def page(
    *, viewer: Any, limit: int, q: str = "", role: str = "", status: str = "", cursor: str | None = None
) -> Page[User]:
    """Return one page of the accounts that *viewer* may look at, the newest first.

    *status* is one of an account, or LOCKED. Raises gatehouse.cursors.InvalidCursorError.
    """
    users = matching(visible_users(viewer), q, viewer)
    if role:
        users = users.filter(role=role)
    if status == LOCKED:
        users = lockouts.locked(users)
    elif status:
        users = users.filter(status=status)
    return page_of(users, by="created_at", limit=limit, cursor=cursor)


def _held(user: User, given: set[str]) -> list[str]:
    return sorted(permissions_of(user.role) | user.counted(given))


def _hidden(user_id: UUID, viewer: Any, client: Client) -> events.PermissionRefused:
    return events.PermissionRefused(
        client=client,
        user_id=str(user_id),
        actor=Actor.user(viewer),
        failure_reason=FailureReason.NOT_PERMITTED,
        permission="users.read",
    )
