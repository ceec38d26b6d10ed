"""Verification: every seal and every event again, from the first to the last, and what is wrong with them.

A seal is checked by its number, its place in the chain, its signature and its time; an event against the leaf that was
sealed; then what no seal holds, what a checkpoint says that is not there, and the triggers. Nothing is locked: what is
sealed does not change, and what comes meanwhile is left for the next time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max
from django.utils import timezone

from . import canonical, checkpoints, contents, merkle
from .findings import Code, Finding, Report
from .immutability import missing_triggers
from .models import Event
from .sealing import top
from .seals import FULL, NOTHING, Checkpoint, Gap, Seal, SealedEvent
from .shelf import Shelf
from .signing import PublicKey, public_keys

SEALED_WITHIN = timedelta(minutes=3)
CLOCKS = timedelta(minutes=5)  # how far the clocks of two sealers may be apart
_SEALS = 200
_RANGE = 20_000  # events looked through at a time for those that no seal holds
_TOLD = 100  # findings that are kept for staff
_LEAST = -(2**63)  # no id is below it
_UNHELD = """
    SELECT e.id FROM audit_event e LEFT JOIN audit_sealedevent s
    ON s.event_id = e.id AND s.seal_id BETWEEN 1 AND %s AND s.{position} >= 0
    WHERE e.id BETWEEN %s AND %s AND s.event_id IS NULL ORDER BY e.id
"""
Watch = Callable[[int], bool]


class StoppedError(Exception):
    """Raised by verify() where *watch* said that it is enough."""


@dataclass
class _Chain:
    """Where the reading of the seals stands."""

    keys: Mapping[str, PublicKey]
    last: Seal | None
    passed: int  # the greatest event that the seals so far hold
    horizon: datetime | None  # when everything there was had been sealed

    def check(self, seal: Seal) -> Iterator[Finding]:
        """Say what is wrong with *seal* beside what it holds."""
        expected = self.last.number + 1 if self.last else 1
        if seal.number != expected:
            missing = f"seals {expected} to {seal.number - 1} are gone"
            yield Finding(Code.SEAL_MISSING, missing, seal=expected)
        elif seal.previous != (self.last.digest if self.last else NOTHING):
            yield Finding(Code.SEAL_CHAIN, "it was made after another seal than the one before it", seal=seal.number)
        key = self.keys.get(seal.key_id)
        if key is None:
            yield Finding(Code.SIGNATURE, f"no key of ours is called {seal.key_id!r}", seal=seal.number)
        elif not key.verifies(seal.signed_by, seal.message):
            yield Finding(Code.SIGNATURE, "its signature is not by the key it names", seal=seal.number)
        if self.last and seal.sealed_at < self.last.sealed_at - CLOCKS:
            yield Finding(Code.SEAL_TIME, "it is older than the seal before it", seal=seal.number)

    def go_on(self, seal: Seal) -> None:
        """Let *seal* be the one before the next."""
        self.last, self.passed = seal, max(self.passed, seal.last_event)
        if seal.count < FULL:  # a full one may have left events behind
            self.horizon = seal.sealed_at


def verify(
    *, first: int = 1, notes: Sequence[str] = (), archive: Path | None = None, watch: Watch = lambda _events: True
) -> Report:
    """Verify the trail from seal *first* on, and against the checkpoints in *notes* and those we keep.

    Files in *archive* are read along; without it rows that were archived are taken on the word of their records.
    *watch* is told how many events were read, and stops it by False. Checkpoints are about all seals, so they count
    only with the first one. Raises StoppedError; ImproperlyConfigured for a key that cannot be read.
    """
    alias = router.db_for_read(Seal)
    connection, report, log = connections[alias], Report(), merkle.Tree()
    chain = _begin(alias, first)
    beginning = _LEAST if first == 1 else chain.passed + 1
    report.add(triggers(connection))
    published = _published(alias, notes, chain.keys, report) if first == 1 else {}
    shelf = Shelf(alias, chain.keys, archive)
    for seals in _seals(alias, first, report):
        stored, found = shelf.take(seals)
        held = []
        for seal in seals:
            held.append(contents.held(connection, seal, chain.horizon, chain.passed, stored.get(seal.number)))
            found += chain.check(seal)
            log.append(seal.log_leaf)
            found += _compare(published.pop(log.size, []), log, seal)
            chain.go_on(seal)
        for through, events, wrong in contents.check(connection, held):
            report.add(finding for finding in found if (finding.seal or 0) <= through)
            found = [finding for finding in found if (finding.seal or 0) > through]
            report.add(wrong)
            report.events += events
            if not watch(report.events):
                raise StoppedError
        report.seals += len(seals)
        _take_down(held, report)
    shelf.close()
    report.sealed_through = chain.passed
    report.add(_cut(alias, published, log, chain.last))
    report.add(_stray(alias))
    report.add(shelf.stray())
    report.add(_inserted(connection, beginning, chain.passed))
    report.add(unsealed(alias))
    return report


def triggers(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Say whether the trail can be changed."""
    if missing := missing_triggers(connection):
        yield Finding(Code.TRIGGERS, f"missing, disabled or altered: {', '.join(missing)}")


def unsealed(alias: str) -> Iterator[Finding]:
    """Say whether the sealer is away: events wait, and for a while it sealed nothing."""
    before = timezone.now() - SEALED_WITHIN
    waiting = Event.objects.using(alias).filter(pk__gt=top(alias), timestamp__lt=before).order_by("pk")
    event = waiting.values_list("pk", flat=True).first()
    lately = (
        Seal.objects.using(alias).filter(number__gte=1).order_by("-number").values_list("sealed_at", flat=True).first()
    )
    if event is not None and (lately is None or lately < before):
        yield Finding(Code.UNSEALED, "it waits to be sealed for more than three minutes", event=event)


def _begin(alias: str, first: int) -> _Chain:
    """Return the chain as it stands before seal *first*."""
    keys = public_keys()
    before = Seal.objects.using(alias).filter(number__gte=1, number__lt=first)
    whole = before.filter(count__lt=FULL).order_by("-number").values_list("sealed_at", flat=True).first()
    passed = before.aggregate(passed=Max("last_event"))["passed"] or 0
    return _Chain(keys, before.order_by("-number").first(), passed, whole)


def _take_down(held: Sequence[contents.Held], report: Report) -> None:
    """Count what only the archive has."""
    for one in held:
        report.archived += one.gone - one.unread
        if one.unread:
            report.take_on_word(one.seal.number)


def _published(
    alias: str, notes: Sequence[str], keys: Mapping[str, PublicKey], report: Report
) -> dict[int, list[checkpoints.Published]]:
    """Return what checkpoints say, by their sizes; what is none goes into *report*."""
    ours = Checkpoint.objects.using(alias).order_by("size").values_list("note", flat=True)
    found: dict[int, list[checkpoints.Published]] = {}
    texts = ((place, one) for place, text in enumerate((*notes, *ours.iterator())) for one in checkpoints.each(text))
    for place, text in texts:
        try:
            for one in checkpoints.read(text, keys, checkpoints.origin()):
                found.setdefault(one.size, []).append(one)
                report.outside += place < len(notes)
        except checkpoints.NoCheckpointError as error:
            report.add([Finding(Code.CHECKPOINT, f"a checkpoint does not count: {error}")])
    return found


def _seals(alias: str, first: int, report: Report) -> Iterator[list[Seal]]:
    """Yield the seals from number *first* on, some at a time; one that cannot be read is named in *report*."""
    numbers = Seal.objects.using(alias).order_by("number").values_list("number", flat=True)
    while chunk := list(numbers.filter(number__gte=first)[:_SEALS]):
        rows = Seal.objects.using(alias).filter(number__gte=chunk[0], number__lte=chunk[-1]).order_by("number")
        try:
            seals = list(rows)
        except canonical.FAULTS:
            if not connections[alias].is_usable():
                raise
            seals = []
        if not seals or not all(seal.is_sound for seal in seals):
            seals = [seal for number in chunk for seal in _readable(alias, number, report)]
        yield seals
        first = chunk[-1] + 1


def _readable(alias: str, number: int, report: Report) -> list[Seal]:
    try:
        seal = Seal.objects.using(alias).get(number=number)
    except canonical.FAULTS:
        seal = None
    if seal is not None and seal.is_sound:
        return [seal]
    report.add([Finding(Code.UNREADABLE, "its row holds what no seal can hold", seal=number)])
    return []


def _compare(published: Sequence[checkpoints.Published], log: merkle.Tree, seal: Seal) -> Iterator[Finding]:
    if any(one.root != log.root() for one in published):
        yield Finding(Code.HISTORY, "a checkpoint was published of other seals up to this one", seal=seal.number)


def _cut(
    alias: str, published: Mapping[int, list[checkpoints.Published]], log: merkle.Tree, last: Seal | None
) -> Iterator[Finding]:
    """Say whether there were more seals once."""
    number = last.number if last else 0
    if beyond := [size for size in published if size > log.size]:
        says = f"a checkpoint was published of {max(beyond)} seals, and there are {log.size}"
        yield Finding(Code.CUT, says, seal=number + 1)
    # in this order: a seal that is made meanwhile is there before what it lists is looked for
    listed = SealedEvent.objects.using(alias).aggregate(listed=Max("seal_id"))["listed"] or 0
    if listed > _newest(alias):
        yield Finding(Code.CUT, "events are listed for seals after the newest one", seal=number + 1)


def _stray(alias: str) -> Iterator[Finding]:
    """Name what stands outside of every seal's place, where nothing else would look for it."""
    for number in Seal.objects.using(alias).filter(number__lt=1).values_list("number", flat=True)[:_TOLD]:
        yield Finding(Code.SEAL_CHAIN, "no seal is numbered below 1: it was put in by hand", seal=number)
    listed = SealedEvent.objects.using(alias)
    for strays in (listed.filter(seal_id__lt=1), listed.filter(position__lt=0)):
        for event, number in strays.order_by("seal_id", "position").values_list("event_id", "seal_id")[:_TOLD]:
            yield Finding(Code.LIST, "it is listed where no seal lists anything", event, number)


def _newest(alias: str) -> int:
    return Seal.objects.using(alias).aggregate(newest=Max("number"))["newest"] or 0


def _inserted(connection: BaseDatabaseWrapper, begin: int, through: int) -> Iterator[Finding]:
    """Name the events from id *begin* up to *through* that no seal holds and no gap may still bring."""
    statement = _UNHELD.format(position=connection.ops.quote_name("position"))
    while begin <= through:
        ids = Event.objects.using(connection.alias).filter(pk__gte=begin, pk__lte=through).order_by("pk")
        next_end = ids.values_list("pk", flat=True)[_RANGE : _RANGE + 1].first()
        end = through if next_end is None else next_end
        with connection.cursor() as cursor:
            cursor.execute(statement, [_newest(connection.alias), begin, end])
            unheld = [event for (event,) in cursor.fetchall()]
        for event in unheld:
            if not _is_awaited(connection.alias, event):
                yield Finding(Code.INSERTED, "no seal holds it, though later events are sealed", event=event)
        begin = end + 1


def _is_awaited(alias: str, event: int) -> bool:
    """Tell whether *event* may still come into a seal: anybody can write a gap, so only what is new is excused."""
    now = timezone.now()
    lately = (now - contents.TOLERANCE, now + contents.TOLERANCE)
    gap = Gap.objects.using(alias).filter(first__lte=event).order_by("-first").first()
    is_in_gap = gap is not None and gap.last >= event
    if is_in_gap and Event.objects.using(alias).filter(pk=event, timestamp__range=lately).exists():
        return True
    # a sealer may have come by between two looks
    listed = SealedEvent.objects.using(alias).filter(pk=event, seal_id__gte=1, position__gte=0)
    number = listed.values_list("seal_id", flat=True).first()
    return number is not None and number <= _newest(alias)
