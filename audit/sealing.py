"""Sealing: the events since the last seal get a Merkle root, the hash of the seal before, a time and a signature.

1. Writers are not slowed, locked or put into an order: the sealer only reads what they committed, some time later.
2. Ids are given out before they are committed. One that the sealer passes while its transaction is open is written down
   in ``Gap``, is looked for again, and goes into a later seal. A transaction that is rolled back leaves such a gap for
   ever; so a gap is looked at more and more rarely, and forgotten after LATE_AFTER.
3. A seal, what it holds and what became of the gaps are one transaction: a sealer that dies leaves nothing half done.
4. Seals are numbered without a gap and the number is the key: of two sealers at the same moment one fails on it and
   begins anew, past what the other has sealed. Nothing else that fails is taken for that, and nothing is built on a
   seal that is not ours.
5. What is listed already is not sealed again: a row that somebody put into the list keeps its own event out, which
   ``verify`` names, and no other.
6. Everything is found by keys and indexes; what was sealed is never read again.
"""

import logging
from base64 import b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice, pairwise
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max
from django.utils import timezone

from gatehouse.deadlocks import is_deadlock

from . import canonical, merkle
from .conf import app_settings
from .seals import FULL, NOTHING, Gap, Seal, SealedEvent
from .signing import SigningKey, public_keys, signing_key

logger = logging.getLogger(__name__)
T = TypeVar("T")

TRIES = 5
_SLICE = 500  # rows in memory at a time
_WIDE = 20  # a gap with more ids is read by itself
_FREE = "AND NOT EXISTS (SELECT 1 FROM audit_sealedevent s WHERE s.event_id = e.id)"
_RARER = 4  # a gap is looked at again after this part of its age


class ContendedError(Exception):
    """Raised by seal_next() where other sealers were quicker every time; what waits may be theirs by now."""


class ForgedError(Exception):
    """Raised by seal_next() where no key of ours signed the newest seal: nothing is built on it."""


class _TakenError(Exception):
    """Raised where another sealer has made a seal of this number."""


@dataclass(frozen=True)
class Sealed:
    """What a run did."""

    seals: int
    events: int


@dataclass(frozen=True)
class _Leaf:
    event: int
    hash: bytes


@dataclass
class _Look:
    """What a look at the gaps brought: the late events, the gaps they lay in, and whether every gap was looked at."""

    late: list[_Leaf]
    gaps: list[Gap]
    whole: bool = True


def seal(*, now: datetime | None = None) -> Sealed:
    """Seal what waits, and return what was done. Raises as seal_next() does."""
    seals = events = 0
    while made := seal_next(now=now or timezone.now()):
        seals, events = seals + 1, events + made.count
        if made.count < FULL:  # what comes meanwhile is for the next run
            break
    return Sealed(seals, events)


def seal_next(*, now: datetime) -> Seal | None:
    """Make one seal over at most FULL events, and return it; None where nothing waits.

    Raises ContendedError, ForgedError; ImproperlyConfigured where there is no key that signs.
    """
    key = signing_key()
    alias = router.db_for_write(Seal)
    for _try in range(TRIES):
        try:
            with transaction.atomic(using=alias, durable=True):
                return _seal_next(connections[alias], key, now)
        except _TakenError:
            continue
        except OperationalError as error:
            if not is_deadlock(error):
                raise
    raise ContendedError("Another sealer is at work.")


def top(alias: str) -> int:
    """Return the greatest id that a sealer has passed; 0 before the first."""
    return Seal.objects.using(alias).filter(number__gte=1).aggregate(top=Max("last_event"))["top"] or 0


def _seal_next(connection: BaseDatabaseWrapper, key: SigningKey, now: datetime) -> Seal | None:
    # The number is read before anything else: what a seal made meanwhile would change here makes this one fail.
    last = Seal.objects.using(connection.alias).filter(number__gte=1).order_by("-number").first()
    _check(last)
    passed = top(connection.alias)
    look = _look_at_gaps(connection, now, passed)
    new = list(_new(connection, passed, FULL - len(look.late)))
    leaves = sorted([*look.late, *new], key=_event)
    made = _write(connection.alias, last, leaves, key, now) if leaves else None
    _split(look, connection.alias, now)
    _write_gaps([passed, *map(_event, new)], connection.alias, now)
    if look.whole:
        _look_later(connection.alias, now)
    return made


def _check(last: Seal | None) -> None:
    """Raise ForgedError where *last* is not by a key of ours."""
    if last is None:
        return
    key = public_keys().get(last.key_id)
    if key is None or not key.verifies(last.signed_by, last.message):
        raise ForgedError(f"No key of ours signed seal {last.number}: nothing is sealed after it.")


def _write(alias: str, last: Seal | None, leaves: Sequence[_Leaf], key: SigningKey, now: datetime) -> Seal:
    made = Seal(
        number=last.number + 1 if last else 1,
        root=merkle.root_of(leaf.hash for leaf in leaves).hex(),
        count=len(leaves),
        first_event=leaves[0].event,
        last_event=leaves[-1].event,
        previous=last.digest if last else NOTHING,
        sealed_at=now,
        key_id=key.public.key_id,
    )
    made.signature = b64encode(key.sign(made.message)).decode()
    try:
        made.save(using=alias)
    except IntegrityError as error:
        raise _TakenError from error
    held = partial(SealedEvent, seal_id=made.number)
    SealedEvent.objects.using(alias).bulk_create(
        [held(event_id=leaf.event, position=place, leaf=leaf.hash) for place, leaf in enumerate(leaves)],
        batch_size=_SLICE,
    )
    return made


def _new(connection: BaseDatabaseWrapper, passed: int, number: int) -> Iterator[_Leaf]:
    """Yield the leaves of the next events after *passed*, *number* at most."""
    while number > 0:
        most = min(number, _SLICE)
        rows = list(_readable(connection, f"e.id > %s {_FREE} ORDER BY e.id LIMIT %s", [passed, most]))
        leaves = _leaves(rows)
        yield from leaves
        if len(rows) < most:
            return
        number, passed = number - len(leaves), rows[-1][canonical.ID]


def _readable(connection: BaseDatabaseWrapper, condition: str, parameters: list[int]) -> list[Sequence[Any]]:
    """Return the rows for which *condition* holds, without what no driver can read, but by its number.

    Somebody may have put bytes into one that are no text: what follows is sealed all the same.
    """
    try:
        return list(canonical.rows(connection, condition, parameters))
    except canonical.FAULTS:
        if not connection.is_usable():
            raise
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT e.id FROM audit_event e WHERE {condition}", parameters)  # noqa: S608 - our own names
        ids = [event for (event,) in cursor.fetchall()]
    found: list[Sequence[Any]] = []
    for event in ids:
        try:
            found += canonical.rows(connection, "e.id = %s", [event])
        except canonical.FAULTS:
            found.append([event if place == canonical.ID else None for place in range(len(canonical.COLUMNS))])
    return found


def _look_at_gaps(connection: BaseDatabaseWrapper, now: datetime, passed: int) -> _Look:
    """Look for events in the gaps whose time it is, until a seal would be full.

    Anybody can write a gap: one above *passed* is none, and two may lie over each other.
    """
    look = _Look([], [])
    due = Gap.objects.using(connection.alias).filter(look_at__lte=now, last__lte=passed).order_by("look_at")
    for gaps in _sliced(due.iterator(chunk_size=_SLICE)):
        found = sorted(_inside(connection, gaps), key=_event)
        look.gaps += [gap for gap in gaps if _between(found, gap)]
        look.late += found
        if len(look.late) >= FULL:
            look.whole = False
            break
    look.late = sorted({leaf.event: leaf for leaf in look.late}.values(), key=_event)[:FULL]
    return look


def _inside(connection: BaseDatabaseWrapper, gaps: list[Gap]) -> Iterator[_Leaf]:
    """Yield the leaves of the events that stand in *gaps* by now."""
    ids = (number for gap in gaps if _is_narrow(gap) for number in range(gap.first, gap.last + 1))
    for some in _sliced(ids):
        yield from _leaves(canonical.rows(connection, f"e.id IN ({', '.join(['%s'] * len(some))}) {_FREE}", some))
    for gap in gaps:
        if not _is_narrow(gap):
            room = [gap.first, gap.last, FULL]
            yield from _leaves(
                canonical.rows(connection, f"e.id BETWEEN %s AND %s {_FREE} ORDER BY e.id LIMIT %s", room)
            )


def _is_narrow(gap: Gap) -> bool:
    return gap.last - gap.first < _WIDE


def _event(leaf: _Leaf) -> int:
    return leaf.event


def _between(leaves: Sequence[_Leaf], gap: Gap) -> list[int]:
    """Return the ids of *leaves*, which are sorted, that lie in *gap*."""
    begin, end = bisect_left(leaves, gap.first, key=_event), bisect_right(leaves, gap.last, key=_event)
    return [leaf.event for leaf in leaves[begin:end]]


def _leaves(rows: Iterable[Sequence[Any]]) -> list[_Leaf]:
    """Return the leaves of the events in *rows*; a row that no event can be is left unsealed."""
    leaves = []
    for row in rows:
        try:
            leaves.append(_Leaf(row[canonical.ID], merkle.leaf_hash(canonical.leaf_bytes(row))))
        except canonical.UnreadableError:
            logger.warning("an event of the trail cannot be read and is not sealed: %s", row[canonical.ID])
    return leaves


def _split(look: _Look, alias: str, now: datetime) -> None:
    """Take the late events out of the gaps they lay in. What is left of a gap that moved is waited for anew."""
    Gap.objects.using(alias).filter(pk__in=[gap.pk for gap in look.gaps]).delete()
    for gap in look.gaps:
        _write_gaps([gap.first - 1, *_between(look.late, gap), gap.last + 1], alias, now)


def _write_gaps(there: Sequence[int], alias: str, now: datetime) -> None:
    """Write down what lies between each two of *there*."""
    gaps = [
        Gap(first=before + 1, last=after - 1, seen_at=now, look_at=now)
        for before, after in pairwise(there)
        if after - before > 1
    ]
    for some in _sliced(gap.first for gap in gaps):  # what somebody wrote there by hand
        Gap.objects.using(alias).filter(first__in=some).delete()
    Gap.objects.using(alias).bulk_create(gaps, batch_size=_SLICE)


def _look_later(alias: str, now: datetime) -> None:
    """Forget the gaps that were looked at and are old; say when to look at the others again."""
    late_after = app_settings().LATE_AFTER
    looked_at = Gap.objects.using(alias).filter(look_at__lte=now)
    looked_at.filter(seen_at__lte=now - late_after).delete()
    for seen_at in sorted(set(looked_at.filter(seen_at__lt=now).values_list("seen_at", flat=True))):
        look_at = min(now + (now - seen_at) / _RARER, seen_at + late_after)
        looked_at.filter(seen_at=seen_at).update(look_at=look_at)


def _sliced(items: Iterable[T]) -> Iterator[list[T]]:
    whole = iter(items)
    while some := list(islice(whole, _SLICE)):
        yield some
