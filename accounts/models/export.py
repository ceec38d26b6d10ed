"""What people asked to be given of what is held about them."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from gatehouse.fields import KeyField
from gatehouse.ids import uuid7


class ExportState(models.TextChoices):
    ASKED = "asked"
    MAKING = "making"
    READY = "ready"
    FETCHED = "fetched"
    FAILED = "failed"
    EXPIRED = "expired"


class ExportQuerySet(models.QuerySet["Export"]):
    def due(self, now: datetime) -> Self:
        """Keep what should be made now, what a dead worker left behind included."""
        return self.filter(state__in=(ExportState.ASKED, ExportState.MAKING), next_try_at__lte=now)

    def over(self) -> Self:
        """Keep what is not open any more."""
        return self.filter(open_key__isnull=True)

    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-id")


class Export(models.Model):
    """What is held about one person, asked for by them, as a file that is fetched once.

    Written by accounts/services/export*.py alone; read by its owner; the file goes once it was fetched or is too old,
    the row some time later, both by the cleanup command; gone with the user.
    ``open_key`` is the user while the export is asked for, being made or ready, and null afterwards: plain unique, so
    one is open at a time. While a worker makes it, ``next_try_at`` is the moment at which another may take it up.
    ``file_name`` is written down before the file is, and emptied after it is gone: no file is without a row that names
    it, but for one whose row went with its user.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports", db_index=False)
    state = models.CharField(max_length=10, choices=ExportState.choices, default=ExportState.ASKED)
    open_key = KeyField(max_length=64, unique=True, null=True)
    ip = models.GenericIPAddressField(null=True)  # where it was asked for
    device_name = models.CharField(max_length=200, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    error = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    made_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    file_name = models.CharField(max_length=100, blank=True, default="")
    size = models.BigIntegerField(null=True)  # bytes
    sha256 = models.CharField(max_length=64, blank=True, default="")

    objects = ExportQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "next_try_at"], name="accounts_export_state_next_try"),
            models.Index(fields=["user", "created_at"], name="accounts_export_user"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(state__in=ExportState.values), name="accounts_export_state_known"),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"

    def is_ready(self, now: datetime) -> bool:
        return self.state == ExportState.READY and self.expires_at is not None and now < self.expires_at

    def status(self, now: datetime) -> str:
        """Return what its owner is told at *now*: preparing, ready, fetched, failed or expired."""
        match self.state:
            case ExportState.ASKED | ExportState.MAKING:
                return "preparing"
            case ExportState.READY if not self.is_ready(now):
                return ExportState.EXPIRED.value
            case state:
                return str(state)
