"""The one table of the ground: counters, and the beat of the worker's heart."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import models

from .counting import Counted, lower_hits, raise_hits, read_hits
from .fields import KeyField

BEAT_LIFE = timedelta(days=7)


class CounterQuerySet(models.QuerySet["Counter"]):
    """Reading and tidying counters."""

    def running(self, now: datetime) -> "CounterQuerySet":
        """Return the counters whose window has not ended."""
        return self.filter(expires_at__gt=now)

    def ended(self, now: datetime) -> "CounterQuerySet":
        """Return the counters that mean nothing any more; the clean-up deletes them."""
        return self.filter(expires_at__lte=now)


class CounterManager(models.Manager.from_queryset(CounterQuerySet)):  # type: ignore[misc]
    """Raising and lowering counters, exactly under any race."""

    def raise_all(
        self, hits: Iterable[tuple[str, timedelta]], now: datetime, *, lowered: Iterable[str] = ()
    ) -> dict[str, Counted]:
        """Raise every counter by one in one statement, and return what they then are.

        A window begins with its first hit, and no later hit moves its end. Those *lowered*, which are others, lose a
        hit in the same statement.
        """
        return raise_hits(self.model, dict(hits), now, lowered=lowered)

    def lower(self, keys: Iterable[str], now: datetime) -> int:
        """Give one hit back to each running counter, never below 0."""
        return lower_hits(self.model, keys, now)

    def read(self, keys: Iterable[str], now: datetime) -> dict[str, Counted]:
        """Return what the running counters among *keys* are, without counting."""
        return read_hits(self.model, keys, now)

    def beat(self, name: str, now: datetime) -> None:
        """Note that the process called *name* is alive."""
        life = {"window_start": now, "expires_at": now + BEAT_LIFE, "hits": 0}
        self.update_or_create(key=f"beat:{name}", defaults=life)

    def last_beat(self, name: str) -> datetime | None:
        """Return when the process called *name* was last alive, or None."""
        moment: datetime | None = self.filter(key=f"beat:{name}").values_list("window_start", flat=True).first()
        return moment


class Counter(models.Model):
    """How often something happened within a window.

    Written by ``limits.py`` (and by the worker, which leaves its beat here, and by the cache of sessions, which counts
    what it could not say), read by it, by the health check and by the staff area; the clean-up deletes what has ended.
    The key is a keyed hash or the name of a process, so the table names nobody.
    """

    key = KeyField(max_length=64, primary_key=True)
    window_start = models.DateTimeField()
    expires_at = models.DateTimeField()
    hits = models.PositiveIntegerField()

    objects = CounterManager()

    class Meta:
        db_table = "gatehouse_counter"
        indexes = [models.Index(fields=["expires_at"], name="gatehouse_counter_expires")]

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.hits}"
