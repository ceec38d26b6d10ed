"""One-time links: what a mail proves, and until when."""

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from gatehouse import hashing
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7
from gatehouse.text import EMAIL_MAX_LENGTH


class LinkPurpose(models.TextChoices):
    """What a link is good for; a link of one purpose opens nothing else."""

    VERIFY = "verify"
    ENROL = "enrol"
    RESET = "reset"
    DISAVOW = "disavow"
    UNDO_DELETION = "undo_deletion"
    ADDRESS = "address"
    ADDRESS_UNDO = "address_undo"
    UNLOCK = "unlock"


class LinkQuerySet(models.QuerySet["Link"]):
    def for_token(self, token: str, purpose: LinkPurpose) -> Self:
        """Keep the link that *token* opens, under any key in force."""
        return self.filter(token_hash__in=hashing.keyed_hashes("link", purpose, token), purpose=purpose)

    def open(self) -> Self:
        return self.filter(open_key__isnull=False)

    def holding(self, keys: Collection[str], now: datetime) -> Self:
        """Keep the open links by which an account may keep, or take back, an address with one of these *keys*."""
        return self.open().filter(held_key__in=keys, used_at__isnull=True, expires_at__gt=now)

    def ended_before(self, moment: datetime) -> Self:
        return self.filter(expires_at__lt=moment)


class Link(models.Model):
    """A link in a mail.

    Written by accounts/links.py alone, read by the services, removed by the cleanup command some time
    after its end. Its token is derived from the row and a key (gatehouse/hashing.py); only a keyed hash is here.
    ``open_key`` is user and purpose (and session, or the address that was left; of a disavowal the session and the
    address it was mailed to) while the link is open and null afterwards: plain unique, so one is open at a time.
    The open link to a new address is the change that waits.
    A link that goes on being worth something once it was used keeps one that names itself, until its end:
    ``expires_at`` moves there (unlock).
    ``held_key`` is, of a link that undoes a change, the key of the address that it is about: nobody else gets that
    address while the link is open.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="links")
    purpose = models.CharField(max_length=20, choices=LinkPurpose.choices)
    token_hash = KeyField(max_length=64, unique=True)
    email = models.CharField(max_length=EMAIL_MAX_LENGTH)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    ip = models.GenericIPAddressField(null=True)
    # The session that a disavowal ends, or that asked for the change of address; no key, since it may be gone first.
    session_id = models.UUIDField(null=True)
    open_key = KeyField(max_length=64, unique=True, null=True)
    held_key = KeyField(max_length=320, null=True)

    objects = LinkQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["expires_at"], name="accounts_link_expires_at"),
            models.Index(fields=["held_key"], name="accounts_link_held_key"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} link {self.pk}"

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at

    def is_open(self, now: datetime) -> bool:
        return self.open_key is not None and self.used_at is None and not self.is_expired(now)

    def is_in_force(self, now: datetime) -> bool:
        """Tell whether it was used, and what it opened is open still."""
        return self.open_key is not None and self.used_at is not None and not self.is_expired(now)
