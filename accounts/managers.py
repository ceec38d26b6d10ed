"""How accounts are found: by the one form of an address that every look-up uses."""

from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.contrib.auth.base_user import BaseUserManager

from gatehouse import prepared
from gatehouse.text import InvalidEmail, normalise_email

if TYPE_CHECKING:
    from accounts.models.user import AbstractAccount

A = TypeVar("A", bound="AbstractAccount")


class AccountManager(BaseUserManager[A]):
    """Finds accounts by address. Accounts are made by the services, never here."""

    def by_address(self, email: str) -> A | None:
        """Return the account of *email* in any spelling, or None, also for what is no address."""
        try:
            _, key = normalise_email(email)
        except InvalidEmail:
            return None
        found: A | None = self.filter(email_key=key).first()
        return found

    def lock(self, pk: UUID, **facts: object) -> bool:
        """Lock an account until the end of the transaction; return whether it is there, and *facts* hold of it.

        Whoever changes what belongs to an account locks the account first: two orders would wait for each other.
        """
        return prepared.lock(self.model, **{self.model._meta.pk.name: pk}, **facts)

    def get_by_natural_key(self, username: str | None) -> A:
        """Return the account whose normalised address is *username*, for Django's backends."""
        return self.get(email_key=username)
