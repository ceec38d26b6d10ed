"""The one road for reading the trail: the API, the admin and commands all ask here.

Filters are those of events(), and ``scope``: what somebody may see (gatehouse/trail.py), where that is not everything.
"""

from collections.abc import Iterator
from typing import Any

from django.db import router
from django.db.models import QuerySet

from gatehouse.cursors import Page, Side, read_page
from gatehouse.trail import TrailScope

from .archives import Archive, record_of
from .models import Event
from .searching import FilterError, Filters, Search, search

__all__ = ["FilterError", "events", "find", "page", "timeline", "walk"]

_LARGEST_ID = 2**63 - 1


def events(**filters: Any) -> QuerySet[Event]:
    """Return the events that pass every filter given, newest first.

    *types*, *actions* and *users* are lists. *users* are those concerned or those who acted, as *as_role* (``actor``,
    ``subject``) says, or either. *email* is an address as typed, *reason* why something failed. *ip* is an address or
    a /24 or /16 of IPv4, a /64 or /48 of IPv6. *resource* is a prefix; *session* and *request_id* are exact. *since* is
    inclusive, *until* exclusive. *q* is exactly an address, an event, request or session id.

    Good for few rows; a page of a long trail is read by page(). Raises FilterError.
    """
    return search(Filters(**filters)).rows.order_by("-timestamp", "-pk")


def page(*, limit: int, cursor: str | None = None, **filters: Any) -> Page[Event]:
    """Return one page of the events that pass every filter of events(), newest first, without counting them.

    Raises FilterError, gatehouse.cursors.InvalidCursorError.
    """
    return read_page(search(Filters(**filters)).read, key=Event._meta.pk, by="timestamp", limit=limit, cursor=cursor)


def walk(*, number: int = 500, **filters: Any) -> Iterator[list[Event]]:
    """Return the pages, of *number* each, of all events that pass every filter of events(), newest first.

    Each is read when it is asked for, along an index from where the one before ended. Raises FilterError, at once.
    """
    return _walk(search(Filters(**filters)), number)


def timeline(user_id: object) -> QuerySet[Event]:
    """Return what happened to one account, newest first."""
    return events(users=[user_id], as_role="subject")


def find(event_id: int, *, scope: TrailScope | None = None) -> Event | None:
    """Return one event, or None where there is none within *scope*."""
    if not 0 <= event_id <= _LARGEST_ID:
        return None
    return search(Filters(scope=scope)).rows.filter(pk=event_id).first()


def archived_in(text: str) -> str | None:
    """Return the name of the archive's file in which the event of that id lies, whose row went; None for all else."""
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID or find(int(text)):
        return None
    record = record_of(int(text), alias=router.db_for_read(Archive))
    return record.file if record else None


def _walk(found: Search, number: int) -> Iterator[list[Event]]:
    rows = found.read(None, number)
    while rows:
        yield rows
        last = rows[-1]
        rows = found.read(Side(last.timestamp, last.pk, is_newer=False), number) if len(rows) == number else []
