"""Figures of the trail, from the counts that the worker keeps: an event is in them a minute or two after its commit.

Counts are by the hour, in UTC, so the time asked for is widened to whole hours, or to whole days where the buckets are
days; what is returned says from when until when it counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone
from django.utils.timezone import is_naive

from .canonical import moment
from .counting import hour_of
from .models import Event, FailingAddress, Rollup
from .queries import FilterError
from .rollups import ACTION, ALL, FILE, REASON, TYPE

Span = Literal["hour", "day"]
BUCKETS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
DEFAULT = {"hour": timedelta(days=1), "day": timedelta(days=30)}  # how far back where nobody says
MOST_BUCKETS = 1000
TOP = 10
_SPARE = 2  # times as many addresses are looked at, for those that cannot be read any more


@dataclass(frozen=True)
class Totals:
    """How many events there were, and how they ended."""

    events: int
    succeeded: int
    failed: int


@dataclass(frozen=True)
class Files:
    """How many files were uploaded and downloaded with success, and how large they were together."""

    uploads: int
    downloads: int
    bytes: int


@dataclass(frozen=True)
class FailingPlace:
    """How many events from one IP address failed."""

    ip: str
    failed: int


@dataclass(frozen=True)
class Bucket:
    """What an hour or a day had; ``start`` is its beginning."""

    start: datetime
    events: int
    failed: int


class _Sum(NamedTuple):
    """What one name of a dimension comes to."""

    events: int
    size: int


_NONE = _Sum(0, 0)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The figures of a time, from ``since`` to before ``until``."""

    since: datetime
    until: datetime
    bucket: Span
    totals: Totals
    by_type: dict[str, int]
    by_action: dict[str, int]
    failure_reasons: dict[str, int]
    top_failing_ips: list[FailingPlace]
    files: Files
    buckets: list[Bucket]

    def as_json(self) -> dict[str, Any]:
        """Return what the API answers."""
        found = {
            name: value for name, value in asdict(self).items() if name not in {"since", "until", "bucket", "buckets"}
        }
        buckets = [{**asdict(one), "start": moment(one.start)} for one in self.buckets]
        return {"since": moment(self.since), "until": moment(self.until), **found, "buckets": buckets}


def statistics(
    *, since: datetime | None = None, until: datetime | None = None, bucket: Span = "hour", now: datetime | None = None
) -> Statistics:
    """Return the figures of the events from *since* to before *until*: by default of the last day, or 30 days by day.

    Raises FilterError.
    """
    since, until = widened(since, until, bucket, now or timezone.now())
    counts = Rollup.objects.filter(hour__gte=since, hour__lt=until)
    sums = _sums(counts)
    files = sums[FILE]
    buckets = _buckets(counts.filter(dimension=ALL), since, until, bucket)
    events, failed = sum(one.events for one in buckets), sum(one.failed for one in buckets)
    return Statistics(
        since=since,
        until=until,
        bucket=bucket,
        totals=Totals(events, events - failed, failed),
        by_type=_named(sums[TYPE]),
        by_action=_named(sums[ACTION]),
        failure_reasons=_named(sums[REASON]),
        top_failing_ips=_failing(since, until),
        files=Files(
            uploads=files.get("upload", _NONE).events,
            downloads=files.get("download", _NONE).events,
            bytes=sum(one.size for one in files.values()),
        ),
        buckets=buckets,
    )


def of_actions(actions: Iterable[str], *, since: datetime, until: datetime, bucket: Span) -> list[Bucket]:
    """Return what each hour or day had of *actions*. Raises FilterError."""
    since, until = widened(since, until, bucket, until)
    counts = Rollup.objects.filter(hour__gte=since, hour__lt=until, dimension=ACTION, name__in=list(actions))
    return _buckets(counts, since, until, bucket)


def widened(since: datetime | None, until: datetime | None, bucket: Span, now: datetime) -> tuple[datetime, datetime]:
    """Return the time asked for in whole buckets. Raises FilterError."""
    for name, given in (("since", since), ("until", until)):
        if given is not None and is_naive(given):
            raise FilterError(name, "a time needs its zone.")
    width = BUCKETS[bucket]
    try:
        last = until or now
        first = _begin(since or last - DEFAULT[bucket], bucket)
        end = _begin(last, bucket)
        end = end if end == last else end + width
    except OverflowError:
        raise FilterError("since", "it is out of every time.") from None
    if first >= end:
        raise FilterError("until", "it lies before the beginning.")
    if (end - first) / width > MOST_BUCKETS:
        raise FilterError("since", f"at most {MOST_BUCKETS} buckets; ask for days, or for less.")
    return first, end


def _begin(at: datetime, bucket: Span) -> datetime:
    hour = hour_of(at)
    return hour if bucket == "hour" else hour.replace(hour=0)


def _sums(counts: QuerySet[Rollup]) -> dict[str, dict[str, _Sum]]:
    """Return what each name of each dimension but ALL comes to."""
    found: dict[str, dict[str, _Sum]] = defaultdict(dict)
    named = counts.exclude(dimension=ALL).order_by().values("dimension", "name")
    for row in named.annotate(sum=Sum("events"), bytes=Sum("size")):
        found[row["dimension"]][row["name"]] = _Sum(int(row["sum"]), int(row["bytes"]))
    return found


def _named(sums: dict[str, _Sum]) -> dict[str, int]:
    """Return the names of a dimension with their numbers, the most frequent first."""
    return {name: one.events for name, one in sorted(sums.items(), key=lambda pair: (-pair[1].events, pair[0]))}


def _buckets(counts: QuerySet[Rollup], since: datetime, until: datetime, bucket: Span) -> list[Bucket]:
    numbers = {start: (0, 0) for start in _starts(since, until, bucket)}
    by_hour = counts.order_by().values("hour").annotate(all=Sum("events"), bad=Sum("failed"))
    for row in by_hour:
        start = _begin(row["hour"], bucket)
        events, failed = numbers[start]
        numbers[start] = events + int(row["all"]), failed + int(row["bad"])
    return [Bucket(start, *both) for start, both in numbers.items()]


def _starts(since: datetime, until: datetime, bucket: Span) -> Iterator[datetime]:
    start = since.astimezone(UTC)
    while start < until:
        yield start
        start += BUCKETS[bucket]


def _failing(since: datetime, until: datetime) -> list[FailingPlace]:
    """Return the addresses from which most failed, each read from an event of it that is still readable."""
    rows = FailingAddress.objects.filter(hour__gte=since, hour__lt=until).order_by().values("digest")
    sums = list(rows.annotate(sum=Sum("failed"), newest=Max("event_id")).order_by("-sum", "digest")[: TOP * _SPARE])
    addresses = _addresses([row["newest"] for row in sums])
    found: dict[str, int] = {}
    for row in sums:
        if ip := addresses.get(row["newest"]):
            found[ip] = found.get(ip, 0) + int(row["sum"])
    places = [FailingPlace(ip, failed) for ip, failed in found.items()]
    return sorted(places, key=lambda place: (-place.failed, place.ip))[:TOP]


def _addresses(events: Sequence[int]) -> dict[int, str]:
    return {row.pk: row.ip_address for row in Event.objects.filter(pk__in=events) if row.ip_address}
