"""The trail as a stream of lines, recorded before the first byte leaves and once the last one has."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal

from gatehouse.client import Client
from gatehouse.spreadsheets import Table
from gatehouse.text import mask_email
from gatehouse.trail import TrailScope

from .events import TrailExportBegun, record
from .files.acting import Who
from .files.operations import Operation
from .models import Event

Format = Literal["ndjson", "csv"]
MIME_TYPES: Final[dict[Format, str]] = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
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
        self._extra: dict[str, Any] = {"begun": record(begun), "format": form, "events": 0}
        self._download = Operation(
            "download",
            resource="audit:export",
            who=Who(client=client, actor=scope.actor, session_id=scope.session_id),
        )
        self._download.mime_type, self._download.extra = MIME_TYPES[form], self._extra
        self._download.saw(b"")
        self._pages, self._write, self._shape = pages, _ndjson if form == "ndjson" else _Csv(), shape
        self._is_whole = self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for rows in self._pages:
            chunk = self._write(self._shape(row) for row in rows)
            yield chunk
            self._download.saw(chunk)
            self._extra["events"] += len(rows)
        self._is_whole = True

    def close(self) -> None:
        """Record how it ended, once: how many events were handed over, and whether these were all."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_whole:
            self._download.done()
        else:
            self._download.digests.break_off()
            self._download.failed(ConnectionAbortedError())


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
    return {
        name: [_masked(one) for one in value] if isinstance(value, list) else _masked(value)
        for name, value in filters.items()
    }


def _masked(value: Any) -> Any:
    return mask_email(value) if isinstance(value, str) and "@" in value else value
