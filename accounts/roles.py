"""Roles, what each may do, and who manages whom: the one matrix that everything else is made from."""

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


def permissions_of(role: str) -> frozenset[str]:
    """Return the permissions that *role* gives; none for an unknown role."""
    try:
        return MATRIX[Role(role)]
    except ValueError:
        return frozenset()


def may_manage(*, actor_role: str, target_role: str) -> bool:
    """Tell whether an actor may manage a target: strictly below, and a super admin also other super admins."""
    if actor_role == Role.SUPER_ADMIN:
        return True
    return RANK[Role(actor_role)] > RANK[Role(target_role)] and actor_role in STAFF_ROLES


def roles_below(role: str) -> list[Role]:
    """Return the roles that rank below *role*."""
    return [other for other, rank in RANK.items() if rank < RANK[Role(role)]]


def can_give_role(*, actor_role: str, role: str) -> bool:
    """Tell whether an actor may give *role* to those it manages: ranks below its own, and a super admin every one."""
    if "users.role" not in permissions_of(actor_role):
        return False
    return actor_role == Role.SUPER_ADMIN or RANK[Role(actor_role)] > RANK[Role(role)]
