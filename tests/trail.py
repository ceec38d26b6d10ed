"""Rows that a test puts into the trail by hand."""

from collections.abc import Iterable, Mapping
from typing import Any

from audit.models import Event
from audit.privacy import close_rows


def put(rows: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Insert an event for each of *rows*, which name its attributes, and return them."""
    events = []
    for row in rows:
        event = Event(**{name: value for name, value in row.items() if name not in Event.private})
        for name in Event.private.keys() & row.keys():
            setattr(event, name, row[name])
        events.append(event)
    close_rows(events, alias="default")
    return Event.objects.bulk_create(events)
