"""The data keys of the trail: one for each subject, class and calendar month, wrapped by the keys of ``AUDIT``.

A row of :class:`audit.models.SubjectKey` is all that holds a data key. Where it is deleted, nothing that was sealed
with it is read again, by anybody, wherever a copy of the row lies (crypto-shredding; NIST SP 800-88, 2.5).
"""

import base64
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from gatehouse.encryption import Cipher, DecryptionFailed, decrypt, encrypt
from gatehouse.ids import uuid7

from .conf import app_settings
from .models import SubjectKey

logger = logging.getLogger(__name__)

CLOSED = "closed"  # instead of class and month, of a subject for which no key is made any more
_KEPT = 4096  # data keys in the memory of a process
_LIFE = 600.0  # seconds; after an erasure, what another process still writes is sealed with a key that is gone


class Name(NamedTuple):
    """What a data key is for: whose data, of which class, in which month (``2026-11``)."""

    subject: str
    kind: str
    month: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key that can be used."""

    id: UUID
    cipher: Cipher


class _Memory:
    """The data keys that this process writes with, the ones used last."""

    def __init__(self) -> None:
        self._keys: OrderedDict[tuple[str, Name], tuple[float, DataKey]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, alias: str, name: Name) -> DataKey | None:
        with self._lock:
            known = self._keys.get((alias, name))
            if known is None or known[0] < time.monotonic():
                return None
            self._keys.move_to_end((alias, name))
            return known[1]

    def keep(self, alias: str, found: dict[Name, DataKey]) -> None:
        until = time.monotonic() + _LIFE
        with self._lock:
            self._keys.update({(alias, name): (until, key) for name, key in found.items()})
            while len(self._keys) > _KEPT:
                self._keys.popitem(last=False)

    def forget(self) -> None:
        with self._lock:
            self._keys.clear()


_memory = _Memory()
forget = _memory.forget


def to_write(names: Collection[Name], *, alias: str) -> dict[Name, DataKey]:
    """Return the data keys called *names*, made where there are none, inside the caller's transaction.

    A key is remembered once the transaction that read it has committed: one that was rolled back never was.
    """
    found = {name: key for name in names if (key := _memory.find(alias, name))}
    missing = [name for name in names if name not in found]
    if missing:
        read, closed = _read(missing, alias)
        absent = sorted(set(missing).difference(read))
        found |= {name: _throw_away() for name in absent if name.subject in closed}
        if absent := [name for name in absent if name.subject not in closed]:
            _make(absent, alias)
            read |= _read(absent, alias)[0]
        transaction.on_commit(lambda: _memory.keep(alias, read), using=alias)
        found |= read
    return found


def close(subjects: Iterable[str], *, alias: str) -> None:
    """Have no key made for *subjects* any more: what is written of them from now on, nobody reads."""
    rows = [SubjectKey(subject=subject, kind=CLOSED, month=CLOSED) for subject in subjects]
    SubjectKey.objects.using(alias).bulk_create(rows, ignore_conflicts=True)


def to_read(ids: Iterable[UUID], *, alias: str, lock: bool = False) -> dict[UUID, DataKey | None]:
    """Return those of the data keys with *ids* that still are there; always asks the database.

    One that nothing in AUDIT["KEYS"] opens is None, and logged. With *lock* they stay until the end of the
    transaction, and such a one raises DecryptionFailed: what is made of them would lack something for good.
    """
    rows = SubjectKey.objects.using(alias).filter(pk__in=set(ids)).order_by("pk")
    found: dict[UUID, DataKey | None] = {}
    for row in rows.select_for_update() if lock else rows:
        try:
            found[row.pk] = DataKey(row.pk, _unwrap(row))
        except DecryptionFailed:
            if lock:
                raise
            found[row.pk] = None
    if unopened := [str(key) for key, data_key in found.items() if data_key is None]:
        logger.error("AUDIT['KEYS'] opens %d of the trail's data keys no more, as %s", len(unopened), unopened[0])
    return found


def _read(names: list[Name], alias: str) -> tuple[dict[Name, DataKey], set[str]]:
    """Return those of the data keys called *names* that are there, and the subjects that are closed."""
    rows = SubjectKey.objects.using(alias).filter(
        subject__in={name.subject for name in names}, month__in={CLOSED, *(name.month for name in names)}
    )
    there = {Name(row.subject, row.kind, row.month): row for row in rows}
    keys = {name: DataKey(there[name].pk, _unwrap(there[name])) for name in names if name in there}
    return keys, {name.subject for name in there if name.kind == CLOSED}


def _throw_away() -> DataKey:
    return DataKey(uuid7(), Cipher(Cipher.new_key()))


def _make(names: list[Name], alias: str) -> None:
    """Make the keys *names*; where another transaction makes the same one, the first to commit stands."""
    rows = [SubjectKey(pk=uuid7(), **name._asdict()) for name in names]
    for row in rows:
        row.wrapped = encrypt(base64.b64encode(Cipher.new_key()).decode(), _context(row), keys=_ring())
    SubjectKey.objects.using(alias).bulk_create(rows, ignore_conflicts=True)


def _unwrap(row: SubjectKey) -> Cipher:
    """Return the cipher of *row*.

    Raises DecryptionFailed, which names the setting: without its keys nothing of the trail can be read or written.
    """
    try:
        return Cipher(base64.b64decode(decrypt(row.wrapped, _context(row), keys=_ring())))
    except DecryptionFailed as error:
        raise DecryptionFailed("AUDIT['KEYS'] has no key that opens the trail's data keys.") from error


def _context(row: SubjectKey) -> str:
    return f"audit:{row.pk}:{row.subject}:{row.kind}:{row.month}"


def _ring() -> tuple[str, ...]:
    return app_settings().KEYS
