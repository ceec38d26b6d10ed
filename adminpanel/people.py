"""Which accounts a member of staff sees, and how much of them."""

from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from accounts.roles import RANK, Role
from gatehouse.text import mask_email

WHOLE = "users.read_addresses"


def roles_below(viewer: User) -> list[Role]:
    """Return the roles that *viewer* may look at: all, or those below where addresses are masked."""
    if viewer.may(WHOLE):
        return list(Role)
    return [role for role, rank in RANK.items() if rank < viewer.rank]


def visible_users(viewer: User) -> QuerySet[User]:
    """Return the accounts that *viewer* may look at, without what belongs to their credentials."""
    return User.objects.filter(role__in=roles_below(viewer)).defer("password")


def address_of(user: Any, viewer: User) -> str:
    """Return the address of *user* as *viewer* may see it."""
    email = str(user.email)
    return email if viewer.may(WHOLE) else mask_email(email)
