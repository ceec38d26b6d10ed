"""Which accounts a member of staff sees, and how much of them."""

from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from accounts.roles import roles_below
from gatehouse.text import mask_email
from sessions_app.models import Session, SessionQuerySet

WHOLE = "users.read_addresses"


def visible_users(viewer: User) -> QuerySet[User]:
    """Return the accounts that *viewer* may look at, without what belongs to their credentials."""
    found = User.objects.defer("password")
    return found if viewer.may(WHOLE) else found.filter(role__in=roles_below(viewer.role))


def visible_sessions(viewer: User) -> SessionQuerySet:
    """Return the sessions of those accounts."""
    found = Session.objects.all()
    return found if viewer.may(WHOLE) else found.filter(user__role__in=roles_below(viewer.role))


def address_of(user: Any, viewer: User) -> str:
    """Return the address of *user* as *viewer* may see it."""
    email = str(user.email)
    return email if viewer.may(WHOLE) else mask_email(email)
