"""One-time links: what a mail proves, and until when."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models

from gatehouse import hashing
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7

if TYPE_CHECKING:
    from accounts.models.user import User


class LinkPurpose(models.TextChoices):
    """What a link is good for; a link of one purpose opens nothing else."""

    VERIFY = "verify"
    ENROL = "enrol"
    RESET = "reset"
    DISAVOW = "disavow"


class LinkQuerySet(models.QuerySet["Link"]):
    def for_token(self, token: str, purpose: LinkPurpose) -> Self:
        """Keep the link that *token* opens, under any key in force."""
        return self.filter(token_hash__in=hashing.keyed_hashes("link", purpose, token), purpose=purpose)

    def open(self) -> Self:
        return self.filter(open_key__isnull=False)

    def ended_before(self, moment: datetime) -> Self:
        return self.filter(expires_at__lt=moment)


class Link(models.Model):
    """A link in a mail.

    Written by accounts/links.py alone, read by the services, removed by the cleanup command some time
    after its end. Its token is derived from the row and a key (gatehouse/hashing.py); only a keyed hash is here.
    ``open_key`` is user and purpose (and session) while the link is open and null afterwards: plain unique, so one is
    open at a time.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user: "models.ForeignKey[User]" = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="links"
    )
    purpose = models.CharField(max_length=20, choices=LinkPurpose.choices)
    token_hash = KeyField(max_length=64, unique=True)
    email = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    ip = models.GenericIPAddressField(null=True)
    session_id = models.UUIDField(null=True)  # the session that a disavowal ends; no key, since it may be gone first
    open_key = KeyField(max_length=64, unique=True, null=True)

    objects = LinkQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["expires_at"], name="accounts_link_expires_at"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} link {self.pk}"

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at

    def is_open(self, now: datetime) -> bool:
        return self.open_key is not None and not self.is_expired(now)
