"""Lists page by page, the newest first: a cursor says where a page ends, so that new rows move no old page."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

DEFAULT_LIMIT = 50
HIGHEST_LIMIT = 200

M = TypeVar("M", bound=Model)

_OLDER, _NEWER = "a", "b"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(rf"([{_OLDER}{_NEWER}])(\d{{1,17}})\.([0-9a-f-]{{1,36}})", re.ASCII)


class InvalidCursorError(ValueError):
    """A cursor that was not made here; raised by page_of()."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows, and the cursors of the pages beside them."""

    rows: list[M]
    next: str | None
    previous: str | None


@dataclass(frozen=True)
class Side:
    """The rows on one side of a place in a list: those before it, which are newer, or those after it."""

    moment: datetime
    key: Any
    is_newer: bool

    def condition(self, by: str, key: str = "pk") -> Q:
        """Return the condition of these rows by their columns *by* and *key*.

        It bounds *by* alone besides, as an index can: the rest of it would have a database read all that is newer.
        """
        beyond = "gt" if self.is_newer else "lt"
        within = Q(**{f"{by}__{beyond}e": self.moment})
        return within & (Q(**{f"{by}__{beyond}": self.moment}) | Q(**{f"{key}__{beyond}": self.key}))


def page_of(
    rows: "QuerySet[M]", *, by: str, limit: int, cursor: str | None = None, first: Callable[[], Page[M]] | None = None
) -> Page[M]:
    """Return one page of *rows*, the newest first *by* a column of times and then by key.

    *first* gives the first page where that is another than the newest *limit* rows. Raises InvalidCursorError.
    """

    def read(side: Side | None, number: int) -> list[M]:
        beside = rows.filter(side.condition(by)) if side else rows
        return list(beside.order_by(*((by, "pk") if side and side.is_newer else (f"-{by}", "-pk")))[:number])

    return read_page(read, key=rows.model._meta.pk, by=by, limit=limit, cursor=cursor, first=first)


def read_page(
    read: Callable[[Side | None, int], list[M]],
    *,
    key: Any,
    by: str,
    limit: int,
    cursor: str | None = None,
    first: Callable[[], Page[M]] | None = None,
) -> Page[M]:
    """Return one page of what *read* reads: so many rows of a side, the nearest to its place first.

    *key* is the field of their key. *first* and what is raised are those of page_of().
    """
    if cursor is None:
        if first is not None:
            return first()
        found = read(None, limit + 1)
        return Page(found[:limit], older_than(found[limit - 1], by) if len(found) > limit else None, None)
    side = _read(cursor, key)
    if not side.is_newer:
        found = read(side, limit + 1)
        more = older_than(found[limit - 1], by) if len(found) > limit else None
        return Page(found[:limit], more, _write(_NEWER, found[0], by) if found else None)
    found = read(side, limit)
    if len(found) < limit:
        return read_page(read, key=key, by=by, limit=limit, first=first)
    found.reverse()
    return Page(found, older_than(found[-1], by), _write(_NEWER, found[0], by))


def older_than(row: Model, by: str) -> str:
    """Return the cursor of the page that begins after *row*."""
    return _write(_OLDER, row, by)


def beginning_with(row: Model, by: str) -> str:
    """Return the cursor of the page that begins with *row*."""
    return _encode(_OLDER, getattr(row, by) + timedelta(microseconds=1), row.pk)


def _write(direction: str, row: Model, by: str) -> str:
    return _encode(direction, getattr(row, by), row.pk)


def _encode(direction: str, moment: datetime, key: object) -> str:
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{direction}{micros}.{key}".encode()).rstrip(b"=").decode()


def _read(cursor: str, key: Any) -> Side:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise InvalidCursorError(cursor)
        moment = _EPOCH + timedelta(microseconds=int(match[2]))
        return Side(moment, key.to_python(match[3]), match[1] == _NEWER)
    except (ValueError, OverflowError, ValidationError) as error:
        raise InvalidCursorError(cursor) from error
