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


def page_of(
    rows: "QuerySet[M]", *, by: str, limit: int, cursor: str | None = None, first: Callable[[], Page[M]] | None = None
) -> Page[M]:
    """Return one page of *rows*, the newest first *by* a column of times and then by key.

    *first* gives the first page where that is another than the newest *limit* rows. Raises InvalidCursorError.
    """
    newest_first = rows.order_by(f"-{by}", "-pk")
    if cursor is None:
        if first is not None:
            return first()
        found = list(newest_first[: limit + 1])
        return Page(found[:limit], older_than(found[limit - 1], by) if len(found) > limit else None, None)
    direction, moment, key = _read(cursor, rows)
    if direction == _OLDER:
        older = Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "pk__lt": key})
        found = list(newest_first.filter(older)[: limit + 1])
        more = older_than(found[limit - 1], by) if len(found) > limit else None
        return Page(found[:limit], more, _write(_NEWER, found[0], by) if found else None)
    newer = Q(**{f"{by}__gt": moment}) | Q(**{by: moment, "pk__gt": key})
    found = list(rows.filter(newer).order_by(by, "pk")[:limit])
    if len(found) < limit:
        return page_of(rows, by=by, limit=limit, first=first)
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


def _read(cursor: str, rows: "QuerySet[Any]") -> tuple[str, datetime, Any]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise InvalidCursorError(cursor)
        moment = _EPOCH + timedelta(microseconds=int(match[2]))
        return match[1], moment, rows.model._meta.pk.to_python(match[3])
    except (ValueError, OverflowError, ValidationError) as error:
        raise InvalidCursorError(cursor) from error
