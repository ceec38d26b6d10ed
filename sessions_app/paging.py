"""A person's sessions, page by page: the one at hand first, then the newest."""

from datetime import datetime
from typing import Any
from uuid import UUID

from gatehouse.cursors import Page, beginning_with, older_than
from gatehouse.cursors import page_of as newest_first
from sessions_app.models import Session, SessionQuerySet

_BY = "created_at"


def page_of(
    *, user: Any, current_id: UUID | None, now: datetime, limit: int, cursor: str | None = None
) -> Page[Session]:
    """Return one page of the live sessions of *user*; raises gatehouse.cursors.InvalidCursorError."""
    live = Session.objects.live(now).for_user(user)
    others = live.exclude(pk=current_id) if current_id else live
    return newest_first(
        others, by=_BY, limit=limit, cursor=cursor, first=lambda: _first_page(live, others, current_id, limit)
    )


def _first_page(live: SessionQuerySet, others: SessionQuerySet, current_id: UUID | None, limit: int) -> Page[Session]:
    current = list(live.filter(pk=current_id)) if current_id else []
    room = limit - len(current)
    rows = list(others.newest_first()[: room + 1])
    if len(rows) <= room:
        return Page(current + rows, None, None)
    return Page(current + rows[:room], older_than(rows[room - 1], _BY) if room else beginning_with(rows[0], _BY), None)
