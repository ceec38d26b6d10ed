"""A person's sessions, page by page: the one at hand first, then the newest."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from sessions_app.models import Session, SessionQuerySet

DEFAULT_LIMIT = 50
HIGHEST_LIMIT = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([ab])(\d{1,17})\.([0-9a-f]{32})", re.ASCII)


class InvalidCursorError(ValueError):
    """A cursor that was not made here; raised by page_of()."""


@dataclass(frozen=True)
class SessionPage:
    """Some sessions, and the cursors of the pages beside them."""

    sessions: list[Session]
    next: str | None
    previous: str | None


def page_of(*, user: Any, current_id: UUID | None, now: datetime, limit: int, cursor: str | None = None) -> SessionPage:
    """Return one page of the live sessions of *user*; raises InvalidCursorError."""
    live = Session.objects.live(now).for_user(user)
    others = live.exclude(pk=current_id) if current_id else live
    if cursor is None:
        return _first_page(live, others, current_id, limit)
    direction, created_at, pk = _read(cursor)
    if direction == "a":
        older = Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk)
        rows = list(others.filter(older).newest_first()[: limit + 1])
        return SessionPage(rows[:limit], _after(rows, limit), _write("b", rows[0]) if rows else None)
    newer = Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk)
    rows = list(others.filter(newer).order_by("created_at", "pk")[:limit])
    if len(rows) < limit:
        return _first_page(live, others, current_id, limit)
    rows.reverse()
    return SessionPage(rows, _write("a", rows[-1]), _write("b", rows[0]))


def _first_page(live: SessionQuerySet, others: SessionQuerySet, current_id: UUID | None, limit: int) -> SessionPage:
    current = list(live.filter(pk=current_id)) if current_id else []
    room = limit - len(current)
    rows = list(others.newest_first()[: room + 1])
    if len(rows) <= room:
        return SessionPage(current + rows, None, None)
    last = rows[room - 1] if room else None
    return SessionPage(current + rows[:room], _write("a", last) if last else _from_the_top(rows[0]), None)


def _after(rows: list[Session], limit: int) -> str | None:
    return _write("a", rows[limit - 1]) if len(rows) > limit else None


def _from_the_top(first: Session) -> str:
    """Return the cursor of the page that begins with *first*."""
    return _encode("a", first.created_at + timedelta(microseconds=1), first.pk)


def _write(direction: str, session: Session) -> str:
    return _encode(direction, session.created_at, session.pk)


def _encode(direction: str, created_at: datetime, pk: UUID) -> str:
    micros = (created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{direction}{micros}.{pk.hex}".encode()).rstrip(b"=").decode()


def _read(cursor: str) -> tuple[str, datetime, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError as error:
        raise InvalidCursorError(cursor) from error
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidCursorError(cursor)
    return match[1], _EPOCH + timedelta(microseconds=int(match[2])), UUID(match[3])
