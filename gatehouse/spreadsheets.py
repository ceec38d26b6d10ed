"""CSV for people who open it in a spreadsheet: what stands in a cell is a text there, and never a formula."""

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from django.core.serializers.json import DjangoJSONEncoder

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection; ASVS 1.2.10), full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Sink(Protocol):
    """Where lines go: a file opened for text with ``newline=""``."""

    def write(self, text: str, /) -> object:
        """Take *text*."""


class Table:
    """One table as RFC 4180 writes it: the names of the first row stand above it, and every row has the same."""

    def __init__(self, out: Sink) -> None:
        self._lines = csv.writer(out, quoting=csv.QUOTE_ALL)
        self._names: list[str] = []

    def add(self, row: dict[str, Any]) -> None:
        """Write *row*. Raises ValueError where it has other names than the first."""
        if not self._names:
            self._names = list(row)
            self._write(self._names)
        if list(row) != self._names:
            raise ValueError(f"A row has {list(row)}, the first one had {self._names}.")
        self._write(row.values())

    def _write(self, values: Iterable[Any]) -> None:
        self._lines.writerow([cell(value) for value in values])


def cell(value: Any) -> str:
    """Return *value* as a cell shows it; a text that a spreadsheet would run begins with an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)  # a number is a number, also below zero
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case list() | tuple() | dict():
            return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(_FORMULA) else text
