"""Clearing: rows that lie in the archive leave the table. Nothing else in this project deletes a row of the trail.

1. A row goes only if the very bytes of it stand in a file, which is read for that, whose digest a signed row of
   ``Archive`` names. One that is not what was sealed stays, for ``verify`` to name.
2. The database's own trigger asks besides that the seal of each row stands in ``Archive``: no statement of anybody
   gets round that one.
3. With a row go its search digests. Both, how far it came, and how much went since the last event about it are one
   transaction: a run that dies leaves nothing half done, and the next one goes on.
4. What the side table of searches, the counts and the queue of webhooks have not taken in yet, and what that has not
   sent or given up, waits.
5. What AUDIT["ARCHIVE_ONLINE"] names stays. Where that is shortened, the files are gone through again.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor

from . import archive_files, authorizer, canonical, counting, following, indexing
from .archive_files import DamagedError, Reader
from .archives import Archive, Cleared, is_ours
from .conf import ANY
from .events import TrailCleared, record
from .queue import Endpoint, Queued, Webhook
from .rollups import Counted
from .seals import Entered
from .signing import public_keys

logger = logging.getLogger(__name__)

AT_ONCE = 500  # rows that go in one transaction
_NETWORK, _PERSONAL = canonical.COLUMNS.index("network"), canonical.COLUMNS.index("personal")


class _EarlyError(Exception):
    """Raised where a row would go that somebody still needs."""


@dataclass
class _Batch:
    """Events of a file that are to go together, by their ids."""

    seal: int  # the last one that ends among them
    upto: int  # the last one of all
    lines: dict[int, bytes]
    is_last: bool = False


@dataclass(frozen=True)
class Going:
    """What a step did."""

    removed: int


def stays(event_type: str, action: str, online: Sequence[str]) -> bool:
    """Tell whether such an event stays in the table: *online* names types, actions, and actions by their beginning."""
    return any(
        action.startswith(name.removesuffix(ANY)) if name.endswith(ANY) else name in (event_type, action)
        for name in online
    )


def clear(*, folder: Path, online: Sequence[str], actor: Actor, client: Client) -> Iterator[Going]:
    """Let rows go that lie in the archive, of one file after another, some at each step.

    Raises DamagedError where a file is missing, or is not what was recorded: of that nothing goes.
    """
    alias = router.db_for_write(Archive)
    while indexing.enter_next() or counting.count_next():
        yield Going(0)
    with suppress(_EarlyError):
        while records := _next(alias, _cleared(alias, online).seal):
            yield from _clear_file(folder, records, online, actor, client)


def _clear_file(
    folder: Path, records: Mapping[int, Archive], online: Sequence[str], actor: Actor, client: Client
) -> Iterator[Going]:
    alias, first = router.db_for_write(Archive), next(iter(records.values()))

    def tell(seal: int, removed: int) -> None:
        says: dict[str, Any] = {"resource": first.file, "file": first.file, "through_seal": seal, "removed": removed}
        record(TrailCleared(client=client, actor=actor, **says))

    try:
        with archive_files.opened(folder, first.file) as file:
            if archive_files.digest(file) != first.sha256:
                raise DamagedError("it is not the file that was recorded")
            for batch in _batches(Reader(file), records, first.seal - 1, online):
                removed = _clear(connections[alias], batch, online, tell)
                yield Going(removed)
    except OSError as error:
        raise DamagedError(f"{first.file}: {error.strerror or error}") from error
    except DamagedError as error:
        raise DamagedError(f"{first.file}: {error}") from error


def _next(alias: str, after: int) -> dict[int, Archive]:
    """Return the records of the next file with seals beyond *after*, from the first of these on.

    Anybody who may add rows can put some in: what is not signed is no record, and ``verify`` names it.
    """
    rows, keys = Archive.objects.using(alias).order_by("seal"), public_keys()
    while page := list(rows.filter(seal__gt=after)[:AT_ONCE]):
        if first := next((row for row in page if is_ours(row, keys)), None):
            same = rows.filter(file=first.file, sha256=first.sha256, seal__gte=first.seal)
            return {row.seal: row for row in same if is_ours(row, keys)}
        after = page[-1].seal
    return {}


def _batches(reader: Reader, records: Mapping[int, Archive], after: int, online: Sequence[str]) -> Iterator[_Batch]:
    """Yield what of the seals beyond *after* is to go; the last one with the last seal of the file."""
    lines: dict[int, bytes] = {}
    through = after
    while found := reader.seal():
        body, _signature = found
        number, is_wanted = body["number"], body["number"] > after and body["number"] in records
        for _place in range(body["count"]):
            line = reader.event()
            if is_wanted:
                event = json.loads(line)
                if not stays(event["event_type"], event["action"], online):
                    lines[event["id"]] = line
            if len(lines) >= AT_ONCE:
                yield _Batch(through, number, lines)
                lines = {}
        through = max(through, number)
    yield _Batch(max(through, *records), max(records), lines, is_last=True)


@again_after_deadlock
def _clear(
    connection: BaseDatabaseWrapper, batch: _Batch, online: Sequence[str], tell: Callable[[int, int], None]
) -> int:
    """Let the rows of *batch* go that are what the file says, and write down how far that is."""
    alias = connection.alias
    with transaction.atomic(using=alias, durable=True):
        cleared = _cleared(alias, online, lock=True)
        if cleared.seal > batch.seal:  # another run came by
            return 0
        if _is_early(alias, batch):
            raise _EarlyError
        removed = _let_go(connection, batch.lines) if batch.lines else 0
        cleared.seal, cleared.removed = batch.seal, cleared.removed + removed
        if batch.is_last and cleared.removed:
            tell(cleared.seal, cleared.removed)
            cleared.removed = 0
        cleared.save(using=alias)
    return removed


def _is_early(alias: str, batch: _Batch) -> bool:
    """Tell whether some of *batch* was not counted, is not in the side table of searches, or is still to be sent."""
    taken = following.has_taken_in(Entered, batch.upto, alias) and following.has_taken_in(Counted, batch.upto, alias)
    if taken and Queued.objects.using(alias).exists():  # there is none where nothing is sent
        taken = following.has_taken_in(Queued, batch.upto, alias)
    if not taken:
        return True
    names = list(Endpoint.objects.using(alias).values_list("name", flat=True))
    waiting = Webhook.objects.using(alias).filter(endpoint__in=names, given_up_at=None)
    return bool(batch.lines) and waiting.filter(event_id__in=list(batch.lines)).exists()


def _let_go(connection: BaseDatabaseWrapper, lines: Mapping[int, bytes]) -> int:
    """Delete the rows whose bytes are those of *lines*, with what searches find them by."""
    marks, ids = ", ".join(["%s"] * len(lines)), sorted(lines)
    try:
        rows = list(canonical.rows(connection, f"e.id IN ({marks})", ids))
    except canonical.FAULTS:
        if not connection.is_usable():
            raise
        rows = [row for event in ids for row in _alone(connection, event)]
    same = {row[canonical.ID]: row for row in rows if _text_of(row) == lines[row[canonical.ID]]}
    if odd := [row[canonical.ID] for row in rows if row[canonical.ID] not in same]:
        logger.error("what was archived of these events is not what stands here: %s; audit verify says more", odd)
    if not same:
        return 0
    indexing.forget({event: (row[_NETWORK], row[_PERSONAL]) for event, row in same.items()})
    going = sorted(same)
    statement = f"DELETE FROM audit_event WHERE id IN ({', '.join(['%s'] * len(going))})"  # noqa: S608 - our own names
    with authorizer.letting_rows_go(connection), connection.cursor() as cursor:
        cursor.execute(statement, going)
        return int(cursor.rowcount)


def _alone(connection: BaseDatabaseWrapper, event: int) -> list[tuple[Any, ...]]:
    """Return the row of one event; nothing where it cannot be read."""
    try:
        return list(canonical.rows(connection, "e.id = %s", [event]))
    except canonical.FAULTS:
        if not connection.is_usable():
            raise
        return []


def _text_of(row: Sequence[object]) -> bytes | None:
    try:
        return canonical.leaf_bytes(row)
    except canonical.UnreadableError:
        return None


def _cleared(alias: str, online: Sequence[str], *, lock: bool = False) -> Cleared:
    rows = Cleared.objects.using(alias).filter(id=1)
    found = rows.select_for_update().first() if lock else rows.first()
    if found is None and lock:
        Cleared.objects.using(alias).bulk_create([Cleared()], ignore_conflicts=True)
        found = rows.select_for_update().get()
    found = found or Cleared()
    found.begin_anew(tuple(online))
    return found
