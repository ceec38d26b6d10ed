"""Single permissions that a super admin gave one person for a time, beside what the role gives."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from accounts import lengths
from gatehouse.ids import uuid7
from gatehouse.reasons import MAX_REASON


class GrantQuerySet(models.QuerySet["Grant"]):
    def in_force(self, now: datetime) -> Self:
        """Keep what nobody took back and no time has ended."""
        return self.filter(ended_at__isnull=True, expires_at__gt=now)

    def over_before(self, moment: datetime) -> Self:
        """Keep what time ended before *moment*; what was taken back goes when that time has come."""
        return self.filter(expires_at__lt=moment)


class Grant(models.Model):
    """One permission of one account, for a time.

    Written by accounts/services/grants.py alone, and ended by a change of role; read whenever a permission is asked for
    that the role does not give (``user.may()``, ``has_perm``). Whether it is over is decided at each use. Removed by
    the cleanup command some time later, with its account, and by an erasure; the trail keeps who gave it, and why.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants", db_index=False)
    permission = models.CharField(max_length=lengths.PERMISSION)
    reason = models.CharField(max_length=MAX_REASON)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=64)  # the id of the super admin
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=64, blank=True, default="")

    objects = GrantQuerySet.as_manager()

    class Meta:
        default_permissions: ClassVar = ()
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "expires_at"], name="accounts_grant_user"),
            models.Index(fields=["expires_at"], name="accounts_grant_expires_at"),
        ]

    def __str__(self) -> str:
        return f"{self.permission} of {self.user_id}"
