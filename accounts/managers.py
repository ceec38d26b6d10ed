"""How accounts are found: by the one form of an address that every look-up uses."""

from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.contrib.auth.base_user import BaseUserManager
from django.db import connections
from django.db.models import Exists

from gatehouse.text import InvalidEmail, normalise_email

if TYPE_CHECKING:
    from accounts.models.user import AbstractAccount

A = TypeVar("A", bound="AbstractAccount")


class AccountManager(BaseUserManager[A]):
    """Finds accounts by address. Accounts are made by the services, never here."""

    def by_address(self, email: str, **facts: Exists) -> A | None:
        """Return the account of *email* in any spelling, or None, also for what is no address.

        *facts* are asked in the same query, and are attributes of the account.
        """
        try:
            _, key = normalise_email(email)
        except InvalidEmail:
            return None
        found: A | None = self.annotate(**facts).filter(email_key=key).first()
        return found

    def lock(self, pk: UUID, **facts: object) -> bool:
        """Lock an account until the end of the transaction; return whether it is there, and *facts* hold of it.

        Whoever changes what belongs to an account locks the account first: two orders would wait for each other.
        """
        no_key = connections[self.db].features.has_select_for_no_key_update  # rows that point to it may be written
        found = self.select_for_update(no_key=no_key).filter(pk=pk, **facts).values_list("pk", flat=True)
        return found.first() is not None

    def get_by_natural_key(self, username: str | None) -> A:
        """Return the account whose normalised address is *username*, for Django's backends."""
        return self.get(email_key=username)
