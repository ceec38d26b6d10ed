"""Charts as SVG that needs neither a script nor an inline style: columns over time, and bars beside a number.

What a template draws is numbers alone; every text stands outside of the picture, in a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .statistics import BUCKETS, Bucket, Span

HEIGHT = 100.0  # of the tallest column, in units of the picture
_STEP, _WIDE = 10.0, 8.0  # from one column to the next, and how wide it is


@dataclass(frozen=True)
class Column:
    """One column: what succeeded stands on what failed."""

    bucket: Bucket
    until: datetime
    url: str
    left: str
    good_top: str
    good_height: str
    bad_top: str
    bad_height: str

    @property
    def succeeded(self) -> int:
        """How many events did not fail."""
        return self.bucket.events - self.bucket.failed


@dataclass(frozen=True)
class Columns:
    """A chart with a column for each bucket."""

    buckets: Sequence[Bucket]
    bucket: Span
    urls: Sequence[str]

    @property
    def width(self) -> str:
        """How wide the picture is, in its own units."""
        return _number(len(self.buckets) * _STEP)

    @property
    def most(self) -> int:
        """What the tallest column stands for."""
        return max((one.events for one in self.buckets), default=0)

    @property
    def last(self) -> datetime:
        """When the last bucket ends."""
        return self.buckets[-1].start + BUCKETS[self.bucket]

    @property
    def drawn(self) -> list[Column]:
        """The columns, from left to right."""
        scale = HEIGHT / self.most if self.most else 0.0
        width = BUCKETS[self.bucket]
        return [_column(place, one, width, url, scale) for place, (one, url) in enumerate(self._both)]

    @property
    def filled(self) -> list[Column]:
        """Those of them that stand for anything, for the table beside the chart."""
        return [column for column in self.drawn if column.bucket.events]

    @property
    def _both(self) -> list[tuple[Bucket, str]]:
        return list(zip(self.buckets, self.urls, strict=True))


def bar(share: float) -> str:
    """Return the width of a bar, of 100."""
    return _number(100 * share)


def _column(place: int, bucket: Bucket, width: timedelta, url: str, scale: float) -> Column:
    bad, good = bucket.failed * scale, (bucket.events - bucket.failed) * scale
    return Column(
        bucket=bucket,
        until=bucket.start + width,
        url=url,
        left=_number(place * _STEP + (_STEP - _WIDE) / 2),
        good_top=_number(HEIGHT - bad - good),
        good_height=_number(good),
        bad_top=_number(HEIGHT - bad),
        bad_height=_number(bad),
    )


def _number(value: float) -> str:
    """Return *value* as SVG reads it, whatever the language."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
