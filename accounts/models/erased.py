"""Addresses whose account was erased, as nobody can read them."""

from typing import ClassVar

from django.db import models

from gatehouse.fields import KeyField


class ErasedAddress(models.Model):
    """That the account of some address was erased, so that no import brings it back unasked.

    Written by accounts/services/erasure.py through accounts/suppression.py, read by the import, removed by the cleanup
    command. The digest is keyed (gatehouse/hashing.py), and its key is not in the database: a copy of the table tells
    of no address, and of none that is guessed. The time is that of the day, and leads to no account.
    """

    digest = KeyField(max_length=64, primary_key=True)
    erased_on = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["erased_on"], name="accounts_erased_on"),
        ]

    def __str__(self) -> str:
        return "an erased address"
