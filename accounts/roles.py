"""Roles, what each may do, and who manages whom: the one matrix that everything else is made from.

Django's ``has_perm`` asks it by accounts/backends.py, views by accounts/access.py, the services by accounts/services/
authority.py. Beside the matrix a super admin may give one person one permission for a time: accounts/models/grant.py.
"""

from typing import Any, Protocol

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """The five ranked roles, highest first."""

    SUPER_ADMIN = "super_admin", _("Super admin")
    ADMIN = "admin", _("Admin")
    MODERATOR = "moderator", _("Moderator")
    USER = "user", _("User")
    GUEST = "guest", _("Guest")


class Scope(models.TextChoices):
    """What the key of another service may do; a service has no role and no rank."""

    AUDIT_WRITE = "audit.write", _("Write into the trail")
    AUDIT_READ = "audit.read", _("Read the trail")
    USERS_READ = "users.read", _("Read users")
    SESSIONS_INTROSPECT = "sessions.introspect", _("Ask whether a session is live")


RANK = {Role.SUPER_ADMIN: 4, Role.ADMIN: 3, Role.MODERATOR: 2, Role.USER: 1, Role.GUEST: 0}
STAFF_ROLES = (Role.SUPER_ADMIN, Role.ADMIN, Role.MODERATOR)

_ACCOUNT = frozenset({"account.read", "sessions.own"})
_USER = _ACCOUNT | {"account.change"}
_MODERATOR = _USER | {"users.read", "users.sessions.read", "audit.read_below"}
_ADMIN = _MODERATOR | {
    "users.read_addresses",
    "users.create",
    "users.change",
    "users.disable",
    "users.enable",
    "users.unlock",
    "users.reset",
    "users.delete",
    "users.sessions.end",
    "users.role",
    "audit.read",
    "audit.export",
    "audit.statistics",
    "mail.read",
}
_SUPER_ADMIN = _ADMIN | {"users.grant", "keys.api", "keys.signing", "sessions.end_all", "audit.archive"}

MATRIX: dict[Role, frozenset[str]] = {
    Role.GUEST: _ACCOUNT,
    Role.USER: _USER,
    Role.MODERATOR: _MODERATOR,
    Role.ADMIN: _ADMIN,
    Role.SUPER_ADMIN: _SUPER_ADMIN,
}


class Holder(Protocol):
    """Somebody with a role: an account."""

    pk: Any
    role: Any
    is_active: Any

    def may(self, permission: str) -> bool: ...


def permissions_of(role: str) -> frozenset[str]:
    """Return the permissions that *role* gives; none for an unknown role."""
    try:
        return MATRIX[Role(role)]
    except ValueError:
        return frozenset()


def at_least(role: Role) -> tuple[Role, ...]:
    """Return *role* and those above it."""
    return tuple(one for one, rank in RANK.items() if rank >= RANK[role])


def roles_below(role: str) -> tuple[Role, ...]:
    """Return the roles that rank below *role*."""
    return tuple(one for one, rank in RANK.items() if rank < RANK[Role(role)])


def can_manage(actor: Holder, target: Holder) -> bool:
    """Tell whether *actor* stands above *target*: staff above those of a lower rank, a super admin above everybody.

    Nobody manages himself, and who is not active manages nobody. It says nothing of what may be done to them: that is
    a permission, which a moderator has none of.
    """
    if actor.pk == target.pk or not actor.is_active or actor.role not in STAFF_ROLES:
        return False
    return actor.role == Role.SUPER_ADMIN or RANK[Role(actor.role)] > RANK[Role(target.role)]


def can_give_role(actor: Holder, role: str) -> bool:
    """Tell whether *actor* may give *role* to those it manages: ranks below its own, and a super admin every one."""
    if actor.role not in STAFF_ROLES or not actor.may("users.role"):
        return False
    return actor.role == Role.SUPER_ADMIN or RANK[Role(actor.role)] > RANK[Role(role)]
