"""Challenges: a half-done sign-in, waiting for a code."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from gatehouse.client import DEVICE_NAME_LENGTH
from gatehouse.ids import uuid7
from gatehouse.text import EMAIL_MAX_LENGTH


class Method(models.TextChoices):
    """How a challenge can be answered."""

    EMAIL = "email"
    TOTP = "totp"
    RECOVERY = "recovery"


class ChallengePurpose(models.TextChoices):
    SIGN_IN = "sign_in"
    STAFF = "staff"


class ChallengeQuerySet(models.QuerySet["Challenge"]):
    def live(self, now: datetime, attempts: int) -> Self:
        """Keep what may still be answered: not over, not consumed, with one of *attempts* left."""
        return self.filter(consumed_at__isnull=True, expires_at__gt=now, attempts__lt=attempts)

    def ended_before(self, moment: datetime) -> Self:
        return self.filter(expires_at__lt=moment)


class Challenge(models.Model):
    """A sign-in whose first step is done.

    Written by accounts/services/sign_in.py, codes.py and answers.py, read by them, removed by the cleanup command.
    The mailed code is derived from the row and the send number; only a keyed hash of the newest is here.
    An answer first takes an attempt and then consumes, by one conditional UPDATE each.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="challenges")
    purpose = models.CharField(max_length=20, choices=ChallengePurpose.choices)
    methods = models.JSONField()
    email = models.CharField(max_length=EMAIL_MAX_LENGTH)
    code_hash = models.CharField(max_length=64, blank=True, default="")
    code_expires_at = models.DateTimeField(null=True)
    sends = models.PositiveSmallIntegerField(default=0)
    last_sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)
    method_used = models.CharField(max_length=20, blank=True, default="")
    ip = models.GenericIPAddressField(null=True)
    device_name = models.CharField(max_length=DEVICE_NAME_LENGTH, blank=True, default="")
    door = models.CharField(max_length=10)
    keep = models.BooleanField(default=True)

    objects = ChallengeQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["expires_at"], name="accounts_challenge_expires_at"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} challenge {self.pk}"
