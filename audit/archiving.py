"""Archiving: what old seals hold is written into files, checked, and recorded; ``clearing`` then lets rows go.

1. A file holds whole seals, one after another, with all their events, also those that stay online: it verifies alone.
2. It is on the disk under its name, and was read back, before a row of ``Archive`` names it; those rows, and the event
   that tells of them, are one transaction. Until then nothing has changed, and after it everything is there.
3. A run that was killed leaves a draft, which the next one removes, or a file that no row names, which it takes over
   as it is. Of two runs at once one records a seal, since that is the key; the other takes its own file away.
4. A seal that does not verify is passed over: its rows stay where they are, for somebody to look at.
"""

import logging
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from django.db import IntegrityError, OperationalError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from gatehouse.client import Client
from gatehouse.deadlocks import is_deadlock
from gatehouse.events import Actor

from . import archive_files, canonical, merkle
from .archive_files import DamagedError, Reader
from .archives import Archive
from .checkpoints import origin
from .columns import BeginsWith
from .conf import ANY
from .events import TrailArchived, record
from .models import Event
from .seals import Seal, SealedEvent
from .signing import public_keys, signing_key

logger = logging.getLogger(__name__)

SEALS = 1500  # of one file at most: about a day where little happens
EVENTS = 50_000  # of one file at most, but for the last seal
_SLICE = 500


class ContendedError(Exception):
    """Raised by archive_next() where another run has recorded some of these seals; the next call goes on after them."""


@dataclass(frozen=True)
class Archived:
    """One file that was recorded."""

    file: str
    first_seal: int
    last_seal: int
    events: int


@dataclass(frozen=True)
class Plan:
    """What a run would do: how much goes into files, and how many of these events stay online as well."""

    seals: int
    events: int
    online: int


def due(before: datetime) -> QuerySet[Seal]:
    """Return the seals made before that moment which no file holds: all in them is at least as old."""
    alias = router.db_for_write(Archive)
    recorded = Archive.objects.using(alias).filter(seal=OuterRef("number"))
    return Seal.objects.using(alias).filter(~Exists(recorded), number__gte=1, sealed_at__lt=before).order_by("number")


def plan(*, before: datetime, online: Sequence[str]) -> Plan:
    """Return what there is to do."""
    waiting = due(before)
    found = waiting.order_by().aggregate(seals=Count("number"), events=Sum("count"))
    held = SealedEvent.objects.using(waiting.db).filter(seal_id__in=waiting.order_by().values("number"))
    stay = Q(pk__in=[])
    for name in online:
        if name.endswith(ANY):
            stay |= Q(BeginsWith(F("action"), name.removesuffix(ANY)))
        else:
            stay |= Q(event_type=name) | Q(action=name)
    staying = Event.objects.using(waiting.db).filter(stay, pk__in=held.values("event_id"))
    return Plan(found["seals"], found["events"] or 0, staying.count())


def archive_next(*, folder: Path, before: datetime, now: datetime, actor: Actor, client: Client) -> Archived | None:
    """Write the next seals that are due into a file, record it, and return what it holds.

    None where nothing is due. Raises ContendedError, DamagedError for a file that cannot be read back, OSError for a
    folder that takes none, ImproperlyConfigured where there is no key that signs.
    """
    signing_key()
    if faults := archive_files.faults(folder):
        raise OSError(f"{folder}: {', '.join(faults)}")
    archive_files.sweep(folder)
    alias = router.db_for_write(Archive)
    seals = _together(connections[alias], due(before))
    if not seals:
        return None
    for name in archive_files.present(folder, seals[0].number):
        if held := _taken_over(folder, name, alias, before):
            return _record(folder, name, held, now, actor, client)
    events = sum(seal.count for seal in seals)
    with archive_files.draft(folder) as draft:
        draft.write(archive_files.header(origin(), seals[0].number, seals[-1].number, events))
        for seal in seals:
            draft.write(canonical.dumps({"seal": seal.body, "signature": seal.signature}))
            for line in _lines(connections[alias], seal):
                draft.write(line)
        written = draft.end()
        sha256 = _read_back(written, seals)
        name = archive_files.name_of(seals[0].number, seals[-1].number, sha256)
        draft.keep(name)
    return _record(folder, name, seals, now, actor, client)


def _together(connection: BaseDatabaseWrapper, waiting: QuerySet[Seal]) -> list[Seal]:
    """Return the first seals of *waiting* that follow each other and verify, as many as one file takes."""
    keys, found, events = public_keys(), list[Seal](), 0
    for seal in _paged(waiting):
        if found and (seal.number != found[-1].number + 1 or len(found) >= SEALS or events >= EVENTS):
            break
        key = keys.get(seal.key_id)
        signed = seal.is_sound and key is not None and key.verifies(seal.signed_by, seal.message)
        if not signed or not _is_whole(connection, seal):
            logger.error("seal %s of the trail does not verify and is not archived: audit verify says more", seal.pk)
            if found:
                break
            continue
        found.append(seal)
        events += seal.count
    return found


def _paged(seals: QuerySet[Seal]) -> Iterator[Seal]:
    after = 0
    while page := list(seals.filter(number__gt=after)[:_SLICE]):
        yield from page
        after = page[-1].number


def _is_whole(connection: BaseDatabaseWrapper, seal: Seal) -> bool:
    try:
        return merkle.root_of(map(merkle.leaf_hash, _lines(connection, seal))).hex() == seal.root
    except DamagedError:
        return False


def _lines(connection: BaseDatabaseWrapper, seal: Seal) -> Iterator[bytes]:
    """Yield the events that *seal* holds, in their order and canonical form. Raises DamagedError."""
    held = SealedEvent.objects.using(connection.alias).filter(seal_id=seal.number).order_by("position")
    for begin in range(0, seal.count + 1, _SLICE):  # one more than there should be is not passed over
        places = held.filter(position__gte=begin, position__lt=begin + _SLICE)
        ids = list(places.values_list("event_id", flat=True))
        if not ids:
            continue
        try:
            marks = ", ".join(["%s"] * len(ids))
            rows = {row[canonical.ID]: row for row in canonical.rows(connection, f"e.id IN ({marks})", ids)}
            yield from [canonical.leaf_bytes(rows[event]) for event in ids]
        except (*canonical.FAULTS, KeyError) as error:
            if not connection.is_usable():
                raise
            raise DamagedError(f"an event of seal {seal.number} is gone, or cannot be read") from error


def _read_back(file: IO[bytes], seals: Sequence[Seal]) -> str:
    """Verify all that *file* holds, and that it is *seals*; return its digest. Raises DamagedError."""
    sha256, reader = archive_files.digest(file), Reader(file)
    bodies = archive_files.verified(reader, public_keys())
    for seal in seals:
        if next(bodies, None) != seal.body:
            raise DamagedError(f"seal {seal.number} in it is another one")
    if next(bodies, None) is not None or reader.header.get("origin") != origin():
        raise DamagedError("it holds more seals than it should, or is of another trail")
    return sha256


def _taken_over(folder: Path, name: str, alias: str, before: datetime) -> list[Seal] | None:
    """Return the seals in a file that an earlier run left without a record; None where it is not whole, or not ours."""
    found = archive_files.NAME.fullmatch(name)
    if found is None:
        return None
    first, last = int(found["first"]), int(found["last"])
    seals = list(Seal.objects.using(alias).filter(number__gte=first, number__lte=last).order_by("number")[: SEALS + 1])
    try:
        with archive_files.opened(folder, name) as file:
            sha256 = _read_back(file, seals)
    except (OSError, DamagedError) as error:
        logger.warning("%s is no whole file of the archive and is left alone: %s", name, error)
        return None
    whole = len(seals) == last - first + 1 and name == archive_files.name_of(first, last, sha256)
    return seals if whole and all(seal.sealed_at < before for seal in seals) else None


def _record(folder: Path, name: str, seals: Sequence[Seal], now: datetime, actor: Actor, client: Client) -> Archived:
    """Write down, signed, that *seals* lie in the file *name*."""
    alias = router.db_for_write(Archive)
    with archive_files.opened(folder, name) as file:
        sha256 = archive_files.digest(file)
    rows = list(_records(seals, name, sha256, now))
    events = sum(seal.count for seal in seals)
    done = Archived(name, seals[0].number, seals[-1].number, events)
    event = TrailArchived(
        client=client,
        actor=actor,
        resource=name,
        file=name,
        sha256=sha256,
        first_seal=done.first_seal,
        last_seal=done.last_seal,
        events=events,
    )
    try:
        with transaction.atomic(using=alias, durable=True):
            _insert(rows, alias)
            record(event)
    except OperationalError as error:
        if not is_deadlock(error):
            raise
        raise ContendedError from error
    except ContendedError:
        # Whoever was quicker may have taken this very file over; else no record can ever name it.
        if not Archive.objects.using(alias).filter(file=name).exists():
            (folder / name).unlink(missing_ok=True)
        raise
    return done


def _insert(rows: Iterable[Archive], alias: str) -> None:
    try:
        Archive.objects.using(alias).bulk_create(rows, batch_size=_SLICE)
    except IntegrityError as error:
        raise ContendedError("Another run has recorded some of these seals.") from error


def _records(seals: Iterable[Seal], name: str, sha256: str, now: datetime) -> Iterator[Archive]:
    key = signing_key()
    for seal in seals:
        row = Archive(seal=seal.number, root=seal.root, count=seal.count, file=name, sha256=sha256, archived_at=now)
        row.key_id = key.public.key_id
        row.signature = b64encode(key.sign(row.message(origin()))).decode()
        yield row
