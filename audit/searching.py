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
class Way:
    """A way to find the newest events: a condition, and whose columns are in order, the event's or the side table's."""

    where: Q
    by: str = ""

    @property
    def columns(self) -> tuple[str, str]:
        """The columns of the moment and of the key."""
        return f"{self.by}timestamp", f"{self.by}event_id" if self.by else "pk"


@dataclass(frozen=True)
class Choice:
    """One filter: the ways to what passes it, and the same as a single condition."""

    ways: tuple[Way, ...]
    condition: Q

    @property
    def is_plain(self) -> bool:
        """Whether it is a condition like any other, with no way of its own."""
        return len(self.ways) == 1 and not self.ways[0].by


@dataclass(frozen=True)
class Search:
    """What is wanted of every event, what its moment is between, and the filter by whose ways the newest are found."""

    wanted: Q
    between: tuple[tuple[str, datetime], ...]
    choice: Choice

    @property
    def rows(self) -> EventQuerySet:
        """Every event found, in no order."""
        return Event.objects.filter(self.wanted & self._times("timestamp") & self.choice.condition)

    def read(self, side: Side | None, number: int) -> list[Event]:
        """Return the *number* events on *side* that are nearest to its place; without one, the newest."""
        ways = self.choice.ways
        if len(ways) == 1:
            return list(self.nearest(ways[0], side, number))
        found: set[tuple[datetime, int]] = set()
        for way in ways:
            found.update(self.nearest(way, side, number).values_list("timestamp", "pk"))
        keys = sorted(found, reverse=not (side and side.is_newer))[:number]
        rows = {row.pk: row for row in Event.objects.filter(pk__in=[key for _moment, key in keys])}
        return [rows[key] for _moment, key in keys if key in rows]

    def nearest(self, way: Way, side: Side | None, number: int) -> EventQuerySet:
        """Return what read() asks of one way."""
        moment, key = way.columns
        # in one call: each further one would join the side table once more
        wanted = self.wanted & way.where & self._times(moment)
        rows = Event.objects.filter(wanted & side.condition(moment, key) if side else wanted)
        return rows.order_by(*((moment, key) if side and side.is_newer else (f"-{moment}", f"-{key}")))[:number]

    def _times(self, column: str) -> Q:
        return Q(**{f"{column}__{lookup}": moment for lookup, moment in self.between})


def search(filters: Filters) -> Search:
    """Return what finds the events that pass *filters*.

    Raises FilterError.
    """
    wanted, first = _plain(filters) & _within(filters), None
    for read in (_address, _place, _anything, _people, _actions, _types):
        choice = read(filters)
        if choice is None:
            continue
        if first is None and not choice.is_plain:
            first = choice
        else:
            wanted &= choice.condition
    return Search(wanted, _between(filters), first or Choice((Way(Q()),), Q()))


def _choice(ways: Sequence[Q]) -> Choice | None:
    """Return the choice of what passes one of *ways* by the event's own columns, or None without any."""
    condition = Q()
    for way in ways:
        condition |= way
    return Choice(tuple(Way(way) for way in ways), condition) if ways else None


def _entered(found: indexing.Found) -> Choice:
    """Return the choice of what the side table leads to, and what it does not know yet."""
    ways = [Way(Q(found_at__digest=digest), "found_at__") for digest in found.digests]
    fresh = [Way(Q(pk__in=found.fresh))] if found.fresh else []
    return Choice((*ways, *fresh), found.condition)


def _plain(filters: Filters) -> Q:
    wanted = Q()
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


def _types(filters: Filters) -> Choice | None:
    if unknown := [kind for kind in filters.types if kind not in kinds.event_types()]:
        raise FilterError("types", f"no event type is called {unknown[0]!r}.")
    return _choice([Q(event_type=str(kind)) for kind in dict.fromkeys(filters.types)])


def _actions(filters: Filters) -> Choice | None:
    return _choice([Q(action=_clean("actions", action)) for action in dict.fromkeys(filters.actions)])


def _people(filters: Filters) -> Choice | None:
    if filters.as_role not in (None, "actor", "subject"):
        raise FilterError("as_role", "it is 'actor' or 'subject'.")
    ids = dict.fromkeys(_clean("users", str(user)) for user in filters.users)
    subjects = [Q(user_id=one) for one in ids] if filters.as_role != "actor" else []
    actors = [Q(actor_type="user", actor_id=one) for one in ids] if filters.as_role != "subject" else []
    return _choice(subjects + actors)


def _between(filters: Filters) -> tuple[tuple[str, datetime], ...]:
    given = (("since", filters.since, "gte"), ("until", filters.until, "lt"))
    for name, moment, _lookup in given:
        if moment is not None and is_naive(moment):
            raise FilterError(name, "a time needs its zone.")
    return tuple((lookup, moment) for _name, moment, lookup in given if moment is not None)


def _address(filters: Filters) -> Choice | None:
    return None if filters.email is None else _entered(indexing.by_email(_clean("email", filters.email)))


def _place(filters: Filters) -> Choice | None:
    if filters.ip is None:
        return None
    try:
        return _entered(indexing.by_place(filters.ip))
    except ValueError as error:
        raise FilterError("ip", str(error)) from error


def _anything(filters: Filters) -> Choice | None:
    if filters.q is None:
        return None
    text = _clean("q", filters.q).strip()
    if "@" in text:
        return _entered(indexing.by_email(text))
    ways = [Q(request_id=text), Q(session_id=text)]
    if text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS:
        ways.append(Q(pk=int(text)))
    return _choice(ways)


def _within(filters: Filters) -> Q:
    """Return what *filters* keep back from whoever asks: what is not shown is not found by it either.

    That is whose network is hidden, and an address in a resource, which its beginnings would read out letter by letter.
    """
    scope, wanted = filters.scope, Q()
    if scope is not None and scope.concerning is not None:
        wanted &= scope.concerning
    if scope is None or scope.sees_addresses:
        return wanted
    if filters.ip is not None:
        wanted &= Q(actor_type="anonymous") | Q(actor_type="user", actor_id=F("user_id"))
    if filters.resource:
        wanted &= ~Q(resource__contains="@")
    return wanted


def _clean(name: str, text: str) -> str:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError(name, "it holds a character that no row can hold.")
    return text
