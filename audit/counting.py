"""The counts of the trail by the hour: each sealed event once, whenever it was committed.

1. The worker follows the seals (:mod:`audit.following`), so an event that came late is counted with the seal that holds
   it, in the hour in which it happened.
2. Counts tell of nobody. An IP address is a keyed digest beside the data key that it was sealed with; that key is
   locked while the digest is made, so that an erasure at the same moment waits, and takes the digest with the key.
3. What is counted of files is how many succeeded, and how large they were as far as the events can be read.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import connections, router, transaction
from django.db.models import Exists, Model, OuterRef, Sum

from gatehouse.events import EventType

from . import following
from .digests import place_digests
from .models import NETWORK, Event
from .privacy import key_of, open_rows
from .rollups import ACTION, ALL, FILE, REASON, TYPE, Counted, FailingAddress, Rollup
from .seals import Seal, SealedEvent

AT_ONCE = 500  # events counted in one transaction
COUNTED_FILES = ("upload", "download")
_LARGEST = 2**50  # bytes of one file; what somebody says beyond that is no size
_MOST = 2**62  # and of all of them, which is what a column holds
M = TypeVar("M", bound=Model)


@dataclass
class _Tally:
    """What some events add to one count."""

    events: int = 0
    failed: int = 0
    size: int = 0


def count_next() -> bool:
    """Count some events of the first seal that is not counted whole; return whether more may wait."""
    return following.step(Counted, AT_ONCE, _count)


def begin_anew() -> None:
    """Forget every count, for count_next() to begin with the first seal."""
    alias = router.db_for_write(Counted)
    with transaction.atomic(using=alias, durable=True):
        place = following.locked(Counted, alias)
        Rollup.objects.using(alias).all().delete()
        FailingAddress.objects.using(alias).all().delete()
        place.seal, place.event = 1, 0
        place.save(using=alias)


def gone() -> int:
    """Return how many sealed events are not in the table any more, and could not be counted again."""
    alias = router.db_for_write(Counted)
    sealed = Seal.objects.using(alias).filter(number__gte=1).aggregate(events=Sum("count"))["events"] or 0
    there = Exists(Event.objects.using(alias).filter(pk=OuterRef("event_id")))
    return int(sealed) - SealedEvent.objects.using(alias).filter(there).count()


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour of *moment*, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _count(rows: list[Event], alias: str) -> None:
    open_rows([row for row in rows if not row.success or _is_file(row)], lock=True)
    _add_counts(rows, alias)
    _add_addresses(rows, alias)


def _add_counts(rows: Sequence[Event], alias: str) -> None:
    tallies: dict[tuple[datetime, str, str], _Tally] = defaultdict(_Tally)
    for row in rows:
        hour = hour_of(row.timestamp)
        for dimension, name in _dimensions(row):
            tally = tallies[hour, dimension, name]
            tally.events += 1
            tally.failed += not row.success
            tally.size += _size(row) if dimension == FILE else 0
    known = Rollup.objects.using(alias).filter(hour__in={hour for hour, _dimension, _name in tallies})
    before = {(row.hour, row.dimension, row.name): row for row in known}
    made = []
    for (hour, dimension, name), tally in tallies.items():
        count = before.get((hour, dimension, name)) or Rollup(hour=hour, dimension=dimension, name=name)
        count.events, count.failed = count.events + tally.events, count.failed + tally.failed
        count.size = min(count.size + tally.size, _MOST)
        made.append(count)
    _put(made, alias, by=("dimension", "hour", "name"), changes=("events", "failed", "size"))


def _add_addresses(rows: Sequence[Event], alias: str) -> None:
    found: dict[tuple[datetime, str, Any], list[int]] = defaultdict(list)
    for row in rows:
        key = None if row.success else key_of(row, NETWORK)
        if key and (digest := _digest(row)):
            found[hour_of(row.timestamp), digest, key].append(row.pk)
    known = FailingAddress.objects.using(alias).filter(
        hour__in={hour for hour, _digest, _key in found}, digest__in={digest for _hour, digest, _key in found}
    )
    before = {(row.hour, row.digest, row.key_id): row for row in known}
    made = []
    for (hour, digest, key), events in found.items():
        count = before.get((hour, digest, key)) or FailingAddress(hour=hour, digest=digest, key_id=key, event_id=0)
        count.failed, count.event_id = count.failed + len(events), max(count.event_id, *events)
        made.append(count)
    _put(made, alias, by=("hour", "digest", "key_id"), changes=("failed", "event_id"))


def _put(rows: list[M], alias: str, *, by: Sequence[str], changes: Sequence[str]) -> None:
    """Insert or overwrite *rows*, which are unique *by* these columns, in one statement."""
    if not rows:
        return
    target = by if connections[alias].features.supports_update_conflicts_with_target else None
    for row in rows:
        row.pk = None
    rows[0]._meta.model._default_manager.using(alias).bulk_create(
        rows, update_conflicts=True, unique_fields=target, update_fields=changes, batch_size=100
    )


def _dimensions(row: Event) -> list[tuple[str, str]]:
    found = [(ALL, ""), (TYPE, row.event_type), (ACTION, row.action)]
    if row.failure_reason:
        found.append((REASON, row.failure_reason))
    if _is_file(row):
        found.append((FILE, row.action))
    return found


def _is_file(row: Event) -> bool:
    return row.success and row.event_type == EventType.FILE_ACCESS and row.action in COUNTED_FILES


def _size(row: Event) -> int:
    """Return the size of the file that *row* tells of, 0 where it says none or cannot be read."""
    size = row.details.get("size_bytes")
    return size if type(size) is int and 0 <= size <= _LARGEST else 0


def _digest(row: Event) -> str:
    """Return the digest of the address that *row* came from, "" without one."""
    try:
        return place_digests(row.ip_address)[0][1] if row.ip_address else ""
    except ValueError:  # a host may have put anything there
        return ""
