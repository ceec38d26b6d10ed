"""The keys by which other services call the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from django.db import models

from accounts import lengths
from gatehouse.apikeys import ID_LENGTH
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7
from gatehouse.reasons import MAX_REASON


class ApiKey(models.Model):
    """A key of another service.

    Written by accounts/services/api_keys.py alone; read by it for each request of a service, and by the command
    ``apikeys``. Rows stay, revoked or expired, since the trail names them by their ids. Of the key itself only a keyed
    hash is here (gatehouse/hashing.py); ``public_id`` is its beginning, by which it is found, and is no secret.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=lengths.API_KEY_NAME)  # of the service, never an address
    public_id = KeyField(max_length=ID_LENGTH, unique=True)
    secret_hash = KeyField(max_length=64)
    scopes = models.JSONField(default=list)  # of accounts.roles.Scope, sorted
    limit_per_minute = models.PositiveIntegerField(null=True)  # None: that of the table of limits
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True, default="")
    revoked_reason = models.CharField(max_length=MAX_REASON, blank=True, default="")

    class Meta:
        default_permissions: ClassVar[Sequence[str]] = ()

    def __str__(self) -> str:
        return f"API key {self.public_id}"

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at

    def status(self, now: datetime) -> str:
        """Return ``live``, ``revoked`` or ``expired``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.is_expired(now) else "live"
