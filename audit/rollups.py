"""What the worker counts of the trail, so that a figure of a month does not read the month."""

from django.db import models

from gatehouse.fields import KeyField

from .seals import Follower

ALL, TYPE, ACTION, REASON, FILE = "all", "type", "action", "reason", "file"


class Rollup(models.Model):
    """How many events an hour had, and how many of them failed, by one dimension.

    Written by :mod:`audit.counting` from sealed events, read by :mod:`audit.statistics`, removed by the chore
    ``trail-counts``. It tells of nobody; where the failing ones came from is in ``FailingAddress``.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()  # its beginning, in UTC
    dimension = models.CharField(max_length=6)
    name = KeyField(max_length=100, blank=True, default="")  # which type, action, reason or operation; "" for all
    events = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)  # bytes of the files

    class Meta:
        db_table = "audit_rollup"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["dimension", "hour", "name"], name="audit_rollup_unique")]
        indexes = [models.Index(fields=["hour"], name="audit_rollup_hour")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.name} {self.hour:%Y-%m-%d %H}h"


class FailingAddress(models.Model):
    """How many events of an hour failed from one IP address: a keyed digest, and an event to read the address from.

    Written by :mod:`audit.counting`, read by :mod:`audit.statistics`; deleted with the data key of the events by
    :mod:`audit.privacy`, by erasure and by age, and by the chore ``trail-addresses``.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    digest = models.CharField(max_length=32)
    key_id = models.UUIDField()  # the data key that the address is sealed with
    event_id = models.BigIntegerField()  # the newest of these events
    failed = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "audit_failing_address"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["hour", "digest", "key_id"], name="audit_failing_address_unique")
        ]
        indexes = [models.Index(fields=["key_id"], name="audit_failing_address_key")]

    def __str__(self) -> str:
        return f"{self.failed} failed, as #{self.event_id}"


class Counted(Follower):
    """How far the counts have come: written and read by :mod:`audit.counting`."""

    class Meta(Follower.Meta):
        abstract = False
        db_table = "audit_counted"


class MonthlyReport(models.Model):
    """Whether the report of a month was mailed: a row a month, which stays.

    Written and read by :mod:`audit.monthly`. While a worker is at it, ``next_try_at`` is when another may try.
    """

    month = models.CharField(max_length=7, primary_key=True)  # 2026-11
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "audit_monthly_report"
        default_permissions = ()

    def __str__(self) -> str:
        return f"report of {self.month}"
