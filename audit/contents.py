"""What seals hold, read again: each event against the leaf that was sealed, and the leaves against the root.

Reads in slices, so that memory does not grow with the trail, and takes raw rows, since every event passes here.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from . import canonical, merkle
from .findings import Code, Finding
from .seals import Seal
from .shelf import Stored

SLICE = 1000  # events in memory at a time
TOLERANCE = timedelta(hours=1)
_SWAPS = 50  # of more odd rows at a time none is looked for in the others: that takes their square
_SPARE = 100  # rows more than a seal says are still read, to name them
_HELD = 4  # columns before those of the event
_NO_EVENT = object()  # in place of a row that cannot be fetched
Row = tuple[Any, ...]


@dataclass
class Held:
    """One seal whose events are being read."""

    seal: Seal
    oldest: Any  # the moment before which no event of this seal can be, as rows have moments; None: any can
    youngest: Any
    passed: int  # the greatest id that the sealer had passed before
    tree: merkle.Tree
    stored: Stored | None  # where the archive has it
    gone: int = 0  # events of which only the archive has the row
    unread: int = 0  # and of these, what no file was read for
    before: int = 0  # the event before
    in_order: bool = True


@dataclass(frozen=True)
class _Slice:
    """What is read at a time: some seals, or the places of one from *begin* to before *end*, None for all there are."""

    seals: list[Held]
    begin: int = 0
    end: int | None = None

    @property
    def most(self) -> int:
        """How many rows are read at most."""
        return min(sum(one.seal.count for one in self.seals), SLICE) + _SPARE


def held(
    connection: BaseDatabaseWrapper, seal: Seal, horizon: datetime | None, passed: int, stored: Stored | None
) -> Held:
    """Begin with *seal*; up to *horizon* everything had been sealed, and up to id *passed*."""
    oldest = None if horizon is None else canonical.as_fetched(connection, horizon - TOLERANCE)
    youngest = canonical.as_fetched(connection, seal.sealed_at + TOLERANCE)
    return Held(seal, oldest, youngest, passed, merkle.Tree(), stored)


def check(connection: BaseDatabaseWrapper, seals: Sequence[Held]) -> Iterator[tuple[int, int, list[Finding]]]:
    """Read what *seals*, which follow each other, hold.

    Yields for each slice the seal it ends in, how many events it had, and what is wrong with them.
    """
    for part in _slices(seals):
        rows = _fetch(connection, part)
        found = {number: list(group) for number, group in groupby(rows, key=itemgetter(0))}
        findings: list[Finding] = []
        for one in part.seals:
            events = _check_rows(one, found.get(one.seal.number, []))
            findings += sorted(events, key=lambda finding: finding.event or 0)
            if part.end is None:
                findings += _conclude(one)
        yield part.seals[-1].seal.number, len(rows), findings


def _slices(seals: Sequence[Held]) -> Iterator[_Slice]:
    """Take small seals together, and large ones apart."""
    waiting: list[Held] = []
    for one in seals:
        if waiting and not _fits(waiting, one):
            yield _Slice(waiting)
            waiting = []
        if one.seal.count <= SLICE:
            waiting.append(one)
            continue
        for begin in range(0, one.seal.count, SLICE):
            yield _Slice([one], begin, begin + SLICE if begin + SLICE < one.seal.count else None)
    if waiting:
        yield _Slice(waiting)


def _fits(waiting: Sequence[Held], one: Held) -> bool:
    follows = one.seal.number == waiting[-1].seal.number + 1
    return follows and sum(other.seal.count for other in waiting) + one.seal.count <= SLICE


def _check_rows(one: Held, rows: Sequence[Row]) -> Iterator[Finding]:
    """Compare each event with its leaf, and take the leaf into the tree."""
    odd: list[Row] = []
    sha256, leaf_bytes, append = hashlib.sha256, canonical.leaf_bytes, one.tree.append
    timestamp, number, stored = _HELD + canonical.TIMESTAMP, one.seal.number, one.stored
    for row in rows:
        _seal, place, event, leaf = row[:_HELD]
        if place != one.tree.size or event <= one.before:
            one.in_order = False
        one.before = event
        append(leaf)
        line = stored.line(event, leaf) if stored else None
        moment = row[timestamp]
        try:
            if sha256(b"\0" + leaf_bytes(row[_HELD:])).digest() != leaf:
                odd.append(row)
                continue
        except canonical.UnreadableError:
            if stored is None or row[_HELD + canonical.ID] is not None:
                odd.append(row)
                continue
            moment = _moment_of_gone(one, line)
        if moment is not None:
            yield from _check_moment(one, moment, event)
    yield from _odd(odd, number)


def _moment_of_gone(one: Held, line: bytes | None) -> Any:
    """Return the moment of an event whose row went; None where no file says it."""
    one.gone += 1
    one.unread += line is None
    return None if line is None else canonical.moment_in(line, one.youngest)


def _check_moment(one: Held, moment: Any, event: int) -> Iterator[Finding]:
    number = one.seal.number
    try:
        is_young = moment > one.youngest
        is_old = one.oldest is not None and moment < one.oldest
    except TypeError:  # a moment with a zone where the others have none
        yield Finding(Code.UNREADABLE, "its row holds what no event can hold", event, number)
        return
    if is_young:
        yield Finding(Code.POST_DATED, "it is more than an hour younger than its seal", event, number)
    elif is_old:
        yield _old(event, number, one.passed)


def _old(event: int, number: int, passed: int) -> Finding:
    if event > passed:
        says = "it came after a seal and says that it happened more than an hour before that"
        return Finding(Code.BACK_DATED, says, event, number)
    says = "it was committed more than an hour after it got its number, or was put in by hand"
    return Finding(Code.LATE, says, event, number)


def _odd(rows: Sequence[Row], number: int) -> Iterator[Finding]:
    """Say what became of events that are not what was sealed."""
    swaps = rows if len(rows) <= _SWAPS else ()
    for row in rows:
        event, there = row[2], row[_HELD + canonical.ID]
        if there is None:
            yield Finding(Code.REMOVED, "it was sealed and is gone", event, number)
        elif there is _NO_EVENT:
            yield Finding(Code.UNREADABLE, "its row holds what no event can hold", event, number)
        elif other := next((one[2] for one in swaps if one is not row and _was(row, one)), None):
            yield Finding(Code.SWAPPED, f"what it holds was sealed as event {other}", event, number)
        else:
            yield Finding(Code.EDITED, "it is not what was sealed", event, number)


def _was(row: Row, other: Row) -> bool:
    """Tell whether *row* is what was sealed under the number of *other*."""
    values = list(row[_HELD:])
    values[canonical.ID] = other[2]
    try:
        leaf: bytes = other[3]
        return merkle.leaf_hash(canonical.leaf_bytes(values)) == leaf
    except canonical.UnreadableError:
        return False


def _conclude(one: Held) -> Iterator[Finding]:
    """Compare the list of what a seal holds with what the seal says."""
    seal, size = one.seal, one.tree.size
    if one.stored:
        yield from one.stored.conclude()
    if size != seal.count:
        says = f"it was made over {seal.count} events, and {size} are listed"
    elif one.tree.root().hex() != seal.root:
        says = f"what is listed for events {seal.first_event} to {seal.last_event} is not what was sealed"
    elif not one.in_order:
        says = "its events are not in their order"
    else:
        return
    yield Finding(Code.LIST, says, seal=seal.number)


def _fetch(connection: BaseDatabaseWrapper, part: _Slice) -> list[Row]:
    """Return the rows of a slice, the event's values behind its place; one that cannot be read is fetched alone."""
    try:
        return list(map(_sound, _held_rows(connection, part, with_events=True)))
    except canonical.FAULTS:
        if not connection.is_usable():
            raise
        rows = map(_sound, _held_rows(connection, part, with_events=False))
        return [(*row, *_one(connection, row[2])) for row in rows]


def _held_rows(connection: BaseDatabaseWrapper, part: _Slice, *, with_events: bool) -> list[Row]:
    position = connection.ops.quote_name("position")
    columns = f"s.seal_id, s.{position}, s.event_id, s.leaf"
    joined, until = "", ""
    parameters = [part.seals[0].seal.number, part.seals[-1].seal.number, part.begin]
    if with_events:
        columns += ", " + canonical.columns(connection, "e")
        joined = "LEFT JOIN audit_event e ON e.id = s.event_id"
    if part.end is not None:
        until = f"AND s.{position} < %s"
        parameters.append(part.end)
    statement = (
        f"SELECT {columns} FROM audit_sealedevent s {joined} "  # noqa: S608 - our own names
        f"WHERE s.seal_id BETWEEN %s AND %s AND s.{position} >= %s {until} "
        f"ORDER BY s.seal_id, s.{position} LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, part.most])
        return list(cursor.fetchall())


def _sound(row: Row) -> Row:
    """Return *row* with a number and a leaf of bytes, also where somebody put something else there."""
    number, place, event, leaf = row[:_HELD]
    if type(leaf) is bytes and type(event) is int:
        return row
    leaf = bytes(leaf) if isinstance(leaf, bytes | memoryview) else b""
    return (number, place, event if type(event) is int else 0, leaf, *row[_HELD:])


def _one(connection: BaseDatabaseWrapper, event: int) -> Row:
    try:
        return next(canonical.rows(connection, "e.id = %s", [event]), (None,) * len(canonical.COLUMNS))
    except canonical.FAULTS:
        if not connection.is_usable():
            raise
        return (_NO_EVENT,) * len(canonical.COLUMNS)
