"""A dated report of the trail: figures in sections, each with the filters that find its events.

The same report is a page of the staff area, a file, and a mail each month.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from gatehouse.conf import app_settings as ground

from .canonical import moment
from .charts import Columns, bar
from .statistics import BUCKETS, Bucket, Span, Statistics, of_actions, statistics

SIGNED_IN = ("authn_login_success",)
SIGN_IN_REFUSED = ("authn_login_fail", "authn_login_fail_max", "authn_login_lock", "authn_code_fail")
NEW_DEVICE = ("authn_device_added",)
_LONGEST = 20  # rows of a list
Filters = Mapping[str, str]


@dataclass(frozen=True)
class Figure:
    """One number, what it counts, the filters of its events, and its share of the largest beside it."""

    label: str
    number: int
    filters: Filters
    share: float = 0
    is_size: bool = False

    @property
    def url(self) -> str:
        """Where its events are; "" where that is nowhere."""
        return events_url(self.filters)

    @property
    def bar(self) -> str:
        """Its share as the width of a bar."""
        return bar(self.share)


@dataclass(frozen=True)
class Section:
    """Figures that belong together: a few side by side, a list with bars, or a chart with a column a bucket."""

    name: str
    title: str
    figures: tuple[Figure, ...] = ()
    bars: tuple[Figure, ...] = ()
    columns: Columns | None = None
    says: str = ""


@dataclass(frozen=True)
class Report:
    """What the trail says of a time."""

    made_at: datetime
    found: Statistics
    sections: tuple[Section, ...]
    shows_addresses: bool

    @property
    def title(self) -> str:
        """What it is called."""
        return _("Report of the audit trail")

    def as_json(self) -> dict[str, Any]:
        """Return its figures for programs."""
        figures = self.found.as_json()
        if not self.shows_addresses:
            del figures["top_failing_ips"]
        return {"made_at": moment(self.made_at), "bucket": self.found.bucket, **figures}


def make(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    bucket: Span = "hour",
    addresses: bool,
    now: datetime | None = None,
) -> Report:
    """Return the report of the time from *since* to before *until*, with or without the *addresses* of failures.

    Raises FilterError.
    """
    now = now or timezone.now()
    found = statistics(since=since, until=until, bucket=bucket, now=now)
    sections = [_totals(found), _events(found), _sign_ins(found), _reasons(found)]
    if addresses:
        sections.append(_places(found))
    sections += [_others(found), _kinds(found), _actions(found)]
    return Report(now, found, tuple(sections), addresses)


def events_url(filters: Filters) -> str:
    """Return the address of the list of events in the admin, narrowed down; "" where no admin shows the trail."""
    try:
        path = reverse("admin:audit_event_changelist")
    except NoReverseMatch:
        return ""
    return ground().url(f"{path}?{urlencode(dict(filters))}")


def _totals(found: Statistics) -> Section:
    totals, within = found.totals, _within(found)
    figures = (
        Figure(_("Events"), totals.events, within),
        Figure(_("Succeeded"), totals.succeeded, {**within, "success": "1"}),
        Figure(_("Failed"), totals.failed, {**within, "success": "0"}),
    )
    return Section("totals", _("In short"), figures=figures)


def _events(found: Statistics) -> Section:
    return Section("events", _("Events over time"), columns=_columns(found.buckets, found.bucket, {}))


def _sign_ins(found: Statistics) -> Section:
    done = of_actions(SIGNED_IN, since=found.since, until=found.until, bucket=found.bucket)
    refused = of_actions(SIGN_IN_REFUSED, since=found.since, until=found.until, bucket=found.bucket)
    both = [Bucket(a.start, a.events + b.events, b.events) for a, b in zip(done, refused, strict=True)]
    actions = {"action": ",".join((*SIGNED_IN, *SIGN_IN_REFUSED))}
    figures = (
        Figure(_("Sign-ins"), sum(one.events for one in done), _within(found, action=",".join(SIGNED_IN))),
        Figure(_("Refused"), sum(one.events for one in refused), _within(found, action=",".join(SIGN_IN_REFUSED))),
    )
    return Section("sign-ins", _("Sign-ins"), figures=figures, columns=_columns(both, found.bucket, actions))


def _reasons(found: Statistics) -> Section:
    rows = {reason.replace("_", " "): (n, {"reason": reason}) for reason, n in found.failure_reasons.items()}
    return Section("reasons", _("Why something failed"), bars=_bars(rows, found))


def _places(found: Statistics) -> Section:
    rows = {place.ip: (place.failed, {"ip": place.ip, "success": "0"}) for place in found.top_failing_ips}
    says = _("As far as the trail still tells where its events came from.")
    return Section("places", _("Where most failures came from"), bars=_bars(rows, found), says=says)


def _others(found: Statistics) -> Section:
    files, devices = found.files, sum(found.by_action.get(action, 0) for action in NEW_DEVICE)
    kind = {"type": "FILE_ACCESS", "success": "1"}
    figures = (
        Figure(_("New devices"), devices, _within(found, action=",".join(NEW_DEVICE))),
        Figure(_("Files uploaded"), files.uploads, _within(found, action="upload", **kind)),
        Figure(_("Files downloaded"), files.downloads, _within(found, action="download", **kind)),
        Figure(_("Bytes of these"), files.bytes, _within(found, action="upload,download", **kind), is_size=True),
    )
    return Section("others", _("Devices and files"), figures=figures)


def _kinds(found: Statistics) -> Section:
    rows = {kind: (n, {"type": kind}) for kind, n in found.by_type.items()}
    return Section("types", _("By type"), bars=_bars(rows, found))


def _actions(found: Statistics) -> Section:
    rows = {action: (n, {"action": action}) for action, n in found.by_action.items()}
    says = _("The most frequent of them.") if len(rows) > _LONGEST else ""
    return Section("actions", _("By action"), bars=_bars(rows, found), says=says)


def _bars(rows: Mapping[str, tuple[int, Filters]], found: Statistics) -> tuple[Figure, ...]:
    most = max((number for number, _filters in rows.values()), default=0)
    made = [
        Figure(label, number, {**_within(found), **filters}, number / most) for label, (number, filters) in rows.items()
    ]
    return tuple(made[:_LONGEST])


def _columns(buckets: list[Bucket], bucket: Span, filters: Filters) -> Columns:
    width = BUCKETS[bucket]
    urls = [
        events_url({**filters, "since": moment(one.start), "until": moment(one.start + width)}) if one.events else ""
        for one in buckets
    ]
    return Columns(buckets=buckets, bucket=bucket, urls=urls)


def _within(found: Statistics, **filters: str) -> dict[str, str]:
    return {**filters, "since": moment(found.since), "until": moment(found.until)}
