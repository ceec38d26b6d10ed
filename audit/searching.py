"""The filters of the trail as conditions, and as ways to find the newest of what passes them along an index each.

1. A filter that names several values (two types, somebody as actor or subject) is several ways: no index has the
   newest events of two values in one order, so each way is asked for a page of its own, and the newest of all are it.
2. At most one filter is taken apart like that, the one that finds least; the others are conditions beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import F, Q
from django.utils.timezone import is_naive

from gatehouse.cursors import Side
from gatehouse.trail import TrailScope

from . import indexing, kinds
from .columns import BeginsWith
from .models import Event, EventQuerySet

_MAX_ID_DIGITS = 18


class FilterError(ValueError):
    """Raised for a filter that cannot be right; ``name`` says which one, ``says`` why."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(f"{name}: {says}")
        self.name, self.says = name, says


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is asked of the trail; see queries.events()."""

    types: Sequence[str] = ()
    actions: Sequence[str] = ()
    users: Sequence[object] = ()
    as_role: Literal["actor", "subject"] | None = None
    email: str | None = None
    success: bool | None = None
    reason: str | None = None
    ip: str | None = None
    resource: str | None = None
    session: object = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None
    scope: TrailScope | None = None


@dataclass(frozen=True)
class Search:
    """What is wanted of every event, and the ways to find the newest ones."""

    wanted: Q
    ways: tuple[Q, ...]

    @property
    def rows(self) -> EventQuerySet:
        """Every event found, in no order."""
        together = Q()
        for way in self.ways:
            together |= way
        return Event.objects.filter(self.wanted & together)

    def read(self, side: Side | None, number: int) -> list[Event]:
        """Return the *number* events on *side* that are nearest to its place; without one, the newest."""
        if len(self.ways) == 1:
            return list(self._nearest(self.ways[0], side, number))
        found: set[tuple[datetime, int]] = set()
        for way in self.ways:
            found.update(self._nearest(way, side, number).values_list("timestamp", "pk"))
        keys = sorted(found, reverse=not (side and side.is_newer))[:number]
        rows = {row.pk: row for row in Event.objects.filter(pk__in=[key for _moment, key in keys])}
        return [rows[key] for _moment, key in keys]

    def _nearest(self, way: Q, side: Side | None, number: int) -> EventQuerySet:
        rows = Event.objects.filter(self.wanted & way)
        if side is not None:
            rows = rows.filter(side.condition("timestamp"))
        return rows.order_by(*(("timestamp", "pk") if side and side.is_newer else ("-timestamp", "-pk")))[:number]


def search(filters: Filters) -> Search:
    """Return what finds the events that pass *filters*.

    Raises FilterError.
    """
    wanted = _plain(filters) & _times(filters) & _within(filters)
    several: list[list[Q]] = []
    for ways in (_places(filters), _anything(filters), _people(filters), _actions(filters), _types(filters)):
        if len(ways) == 1:
            wanted &= ways[0]
        elif ways:
            several.append(ways)
    for ways in several[1:]:
        together = Q()
        for way in ways:
            together |= way
        wanted &= together
    return Search(wanted, tuple(several[0]) if several else (Q(),))


def _plain(filters: Filters) -> Q:
    wanted = Q()
    if filters.email is not None:
        wanted &= indexing.by_email(_clean("email", filters.email))
    if filters.success is not None:
        wanted &= Q(success=filters.success)
    if filters.reason is not None:
        wanted &= Q(success=False, failure_reason=_clean("reason", filters.reason))
    if filters.resource:
        wanted &= Q(BeginsWith(F("resource"), _clean("resource", filters.resource)))
    if filters.session is not None:
        wanted &= Q(session_id=_clean("session", str(filters.session)))
    if filters.request_id is not None:
        wanted &= Q(request_id=_clean("request_id", filters.request_id))
    return wanted


def _types(filters: Filters) -> list[Q]:
    if unknown := [kind for kind in filters.types if kind not in kinds.event_types()]:
        raise FilterError("types", f"no event type is called {unknown[0]!r}.")
    return [Q(event_type=str(kind)) for kind in dict.fromkeys(filters.types)]


def _actions(filters: Filters) -> list[Q]:
    return [Q(action=_clean("actions", action)) for action in dict.fromkeys(filters.actions)]


def _people(filters: Filters) -> list[Q]:
    if filters.as_role not in (None, "actor", "subject"):
        raise FilterError("as_role", "it is 'actor' or 'subject'.")
    ids = dict.fromkeys(_clean("users", str(user)) for user in filters.users)
    subjects = [Q(user_id=one) for one in ids] if filters.as_role != "actor" else []
    actors = [Q(actor_type="user", actor_id=one) for one in ids] if filters.as_role != "subject" else []
    return subjects + actors


def _times(filters: Filters) -> Q:
    wanted = Q()
    for name, moment, lookup in (("since", filters.since, "gte"), ("until", filters.until, "lt")):
        if moment is None:
            continue
        if is_naive(moment):
            raise FilterError(name, "a time needs its zone.")
        wanted &= Q(**{f"timestamp__{lookup}": moment})
    return wanted


def _places(filters: Filters) -> list[Q]:
    if filters.ip is None:
        return []
    try:
        return [indexing.by_place(filters.ip)]
    except ValueError as error:
        raise FilterError("ip", str(error)) from error


def _anything(filters: Filters) -> list[Q]:
    if filters.q is None:
        return []
    text = _clean("q", filters.q).strip()
    if "@" in text:
        return [indexing.by_email(text)]
    ways = [Q(request_id=text), Q(session_id=text)]
    if text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS:
        ways.append(Q(pk=int(text)))
    return ways


def _within(filters: Filters) -> Q:
    """Return what *filters* keep back from whoever asks: whose network is not shown is not found by it either."""
    scope, wanted = filters.scope, Q()
    if scope is not None and scope.concerning is not None:
        wanted &= scope.concerning
    if scope is not None and not scope.sees_addresses and filters.ip is not None:
        wanted &= Q(actor_type="anonymous") | Q(actor_type="user", actor_id=F("user_id"))
    return wanted


def _clean(name: str, text: str) -> str:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError(name, "it holds a character that no row can hold.")
    return text
