"""The outbox: mails that wait in the database until they are sent."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gatehouse.ids import uuid7
from gatehouse.text import EMAIL_MAX_LENGTH


class MailState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Given up")
    DROPPED = "dropped", _("Not sent")


class MailQuerySet(models.QuerySet["Mail"]):
    def due(self, now: datetime) -> Self:
        """Keep what should be sent now, what a dead worker left behind included."""
        return self.filter(state__in=(MailState.QUEUED, MailState.SENDING), next_try_at__lte=now)

    def finished_before(self, moment: datetime, state: MailState) -> Self:
        """Keep the mails in *state*, one that is final, whose last try was before *moment*.

        Of a finished mail ``next_try_at`` is when the last claim ran out: some minutes after that try.
        """
        return self.filter(state=state, next_try_at__lt=moment)


class Mail(models.Model):
    """A mail to be sent, in the transaction of what it tells of.

    Written by accounts/mails.py, sent by accounts/outbox.py, removed by the cleanup command.
    Nothing here is secret: the worker derives codes and links from the rows that ``context`` names.
    While a worker holds it, ``next_try_at`` is the moment at which another may take it up.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template = models.CharField(max_length=60)
    to = models.CharField(max_length=EMAIL_MAX_LENGTH)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="mails")
    context = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=MailState.choices, default=MailState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True, default="")

    objects = MailQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "next_try_at"], name="accounts_mail_state_next_try"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(state__in=MailState.values), name="accounts_mail_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.template} mail {self.pk}"
