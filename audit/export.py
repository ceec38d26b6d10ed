"""The trail as a stream of lines, recorded before the first byte leaves and once the last one has."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

from gatehouse.client import Client
from gatehouse.events import FailureReason
from gatehouse.spreadsheets import Table
from gatehouse.text import mask_email
from gatehouse.trail import TrailScope

from .events import TrailExportBegun, TrailExportEnded, record
from .models import Event

Format = Literal["ndjson", "csv"]
Shape = Callable[[Event], dict[str, Any]]

_FAULTS = ("erased", "altered", "unreadable")


class Export:
    """Some events as bytes, page after page, so that memory stays flat; whoever serves it calls close() in the end.

    The events of one export are those that were there when each page was read: it goes from the newest back, so what
    comes meanwhile is not in it.
    """

    def __init__(
        self,
        pages: Iterable[list[Event]],
        *,
        form: Format,
        shape: Shape,
        scope: TrailScope,
        client: Client,
        filters: dict[str, Any],
    ) -> None:
        """Record that the export begins: nothing leaves without that."""
        begun = TrailExportBegun(
            client=client, actor=scope.actor, session_id=scope.session_id, format=form, filters=_told(filters)
        )
        self._ended = TrailExportEnded(
            client=client,
            actor=scope.actor,
            session_id=scope.session_id,
            begun=record(begun),
            format=form,
            events=0,
            size_bytes=0,
            sha256="",
            duration_ms=0,
            success=False,
            failure_reason=FailureReason.ERROR,
        )
        self._pages, self._write, self._shape = pages, _ndjson if form == "ndjson" else _Csv(), shape
        self._began, self._digest = time.monotonic(), hashlib.sha256()
        self._events = self._size = 0
        self._is_whole = self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for rows in self._pages:
            chunk = self._write(self._shape(row) for row in rows)
            self._digest.update(chunk)
            yield chunk
            self._events, self._size = self._events + len(rows), self._size + len(chunk)
        self._is_whole = True

    def close(self) -> None:
        """Record how it ended, once: how many events were handed over, and whether these were all."""
        if self._is_closed:
            return
        self._is_closed = True
        ended = replace(
            self._ended,
            events=self._events,
            size_bytes=self._size,
            sha256=self._digest.hexdigest() if self._is_whole else "",
            duration_ms=int((time.monotonic() - self._began) * 1000),
            success=self._is_whole,
            failure_reason=None if self._is_whole else FailureReason.ERROR,
        )
        record(ended)


def _ndjson(shapes: Iterator[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(shape, ensure_ascii=False, separators=(",", ":")) + "\n" for shape in shapes).encode()


class _Csv:
    """Writes events as lines of one table; no cell of it is run as a formula."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._table = Table(self)

    def write(self, text: str) -> None:
        self._text.append(text)

    def __call__(self, shapes: Iterator[dict[str, Any]]) -> bytes:
        for shape in shapes:
            self._table.add(_flat(shape))
        text, self._text = "".join(self._text), []
        return text.encode()


def _flat(shape: dict[str, Any]) -> dict[str, Any]:
    """Return *shape* with the same columns for every event, the actor in three of them."""
    row: dict[str, Any] = {}
    for name, value in shape.items():
        if name == "actor":
            row |= {f"actor_{part}": one for part, one in value.items()}
        elif name not in _FAULTS:
            row[name] = value
    return row | {fault: fault in shape for fault in _FAULTS}


def _told(filters: dict[str, Any]) -> dict[str, Any]:
    """Return *filters* as the trail keeps them: by no address of somebody who may be erased."""
    masked = {name: mask_email(value) for name, value in filters.items() if isinstance(value, str) and "@" in value}
    return filters | masked
