"""Events that wait to be sent to other systems, and how each of these systems stands."""

from django.db import models

from gatehouse.fields import KeyField

from .seals import Follower


class Webhook(models.Model):
    """One event on its way to one endpoint: nothing of the event but its id, so that an erasure finds nothing here.

    Written by the worker from the seals (:mod:`audit.webhooks`), which sends it and deletes the row once the endpoint
    has taken it. One that was given up stays until the chore ``webhooks``; ``manage.py audit webhooks`` shows it and
    puts it back.
    """

    id = models.BigAutoField(primary_key=True)  # the order in which they are sent
    endpoint = models.CharField(max_length=32)
    event_id = models.BigIntegerField()
    subject = KeyField(max_length=255, blank=True, default="")  # the account concerned: its events come in order
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    created_at = models.DateTimeField()
    given_up_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        db_table = "audit_webhook"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["endpoint", "event_id"], name="audit_webhook_unique")]
        indexes = [
            models.Index(fields=["endpoint", "given_up_at", "id"], name="audit_webhook_waiting"),
            models.Index(fields=["endpoint", "subject", "id"], name="audit_webhook_subject"),
            models.Index(fields=["created_at"], name="audit_webhook_created"),
        ]

    def __str__(self) -> str:
        return f"#{self.event_id} to {self.endpoint}"


class Endpoint(models.Model):
    """How one of AUDIT["WEBHOOKS"] stands: a row each, written by :mod:`audit.webhooks`, read by the command.

    While a worker sends, ``next_try_at`` is when another may take over from it; after a failure, when it is tried
    again.
    """

    name = models.CharField(max_length=32, primary_key=True)
    next_try_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)  # in a row
    delivered = models.BigIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        db_table = "audit_endpoint"
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Queued(Follower):
    """How far the queue of webhooks has come: written and read by :mod:`audit.webhooks`; none while there are none."""

    class Meta(Follower.Meta):
        abstract = False
        db_table = "audit_queued"
