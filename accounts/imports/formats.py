"""JSON lines and CSV: what becomes a row of fields, and what does not.

In both a record is one line. No field holds a line break, so a quote that is never closed, or broken bytes, spoil one
line and not what comes after it.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from accounts.imports.lines import Line, Unreadable
from accounts.imports.refusals import Code, Refusal

FIELDS = ("email", "password_hash", "display_name", "email_verified", "created_at", "role", "terms_version")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")  # a field's name, and nothing that is told to nobody


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one line, as they came; names are known ones."""

    line: int
    fields: dict[str, Any] = field(repr=False)


Rows = Iterator[Row | Refusal]


def from_json(lines: Iterable[Line | Refusal]) -> Rows:
    """Read an object of JSON from every line; empty lines are passed over."""
    for line in lines:
        if isinstance(line, Refusal):
            yield line
        elif line.text.strip():
            yield _object(line)


def from_csv(lines: Iterable[Line | Refusal]) -> Rows:
    """Read comma-separated values, the first line being names; empty lines are passed over.

    Raises Unreadable at once for names that are no fields.
    """
    left = iter(lines)
    return _records(_names(left), left)


FORMATS: dict[str, Callable[[Iterable[Line | Refusal]], Rows]] = {"jsonl": from_json, "csv": from_csv}


def _object(line: Line) -> Row | Refusal:
    try:
        value = json.loads(line.text, object_pairs_hook=_once, parse_constant=_no_constant)
    except _RepeatedError:
        return Refusal(line.number, Code.REPEATED_FIELD)
    except (ValueError, RecursionError):
        return Refusal(line.number, Code.MALFORMED)
    if not isinstance(value, dict):
        return Refusal(line.number, Code.MALFORMED)
    for name in value:
        if name not in FIELDS:
            return Refusal(line.number, Code.UNKNOWN_FIELD, name if _NAME.fullmatch(name) else None)
    return Row(line.number, value)


def _records(names: list[str], lines: Iterator[Line | Refusal]) -> Rows:
    for line in lines:
        if isinstance(line, Refusal):
            yield line
        elif line.text.strip():
            cells = _cells(line.text)
            if cells is None or len(cells) != len(names):
                yield Refusal(line.number, Code.MALFORMED)
            else:
                yield Row(line.number, dict(zip(names, cells, strict=True)))


class _RepeatedError(ValueError):
    """A name stands in an object twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedError
    return found


def _no_constant(_text: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity.")


def _names(lines: Iterator[Line | Refusal]) -> list[str]:
    for line in lines:
        if isinstance(line, Line) and not line.text.strip():
            continue
        names = None if isinstance(line, Refusal) else _cells(line.text)
        if names is None:
            break
        if unknown := [name for name in names if name not in FIELDS]:
            told = ", ".join(name for name in unknown if _NAME.fullmatch(name))
            raise Unreadable(f"The first line names columns that are not known{f': {told}' if told else ''}.{_known()}")
        if len(set(names)) != len(names) or "email" not in names:
            raise Unreadable(f"The first line names a column twice, or not the email.{_known()}")
        return names
    raise Unreadable(f"The first line has no names of columns.{_known()}")


def _known() -> str:
    return f" Known are {', '.join(FIELDS)}."


def _cells(text: str) -> list[str] | None:
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None
