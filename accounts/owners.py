"""Whom an operator means by an address, an id or a role (the setting ``SESSIONS["OWNERS"]``)."""

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from accounts.models import User
from accounts.roles import Role
from gatehouse.text import InvalidEmail, normalise_email


def find(kind: str, value: str) -> QuerySet[User]:
    """Return the accounts that *value* means: by address or id for ``user``, by name for ``role``.

    Raises ValueError for a role that is none.
    """
    if kind == "role":
        if value not in Role.values:
            raise ValueError(f"There is no role {value}. The roles are {', '.join(Role.values)}.")
        return User.objects.filter(role=value)
    return User.objects.filter(email_key=_key(value)) if "@" in value else User.objects.filter(pk__in=_ids(value))


def _key(address: str) -> str | None:
    try:
        return normalise_email(address)[1]
    except InvalidEmail:
        return None


def _ids(value: str) -> list[UUID]:
    try:
        return [User._meta.pk.to_python(value)]
    except ValidationError:
        return []
