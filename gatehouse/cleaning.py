"""What grows, and how it is taken away again: chores that any app hangs under one service.

1. An app, a host's too, lists its chores as ``CHORES`` in its ``retention.py``; that is all it has to do.
2. A chore goes batch by batch, each in a short transaction of its own, along an indexed column. It may be left between
   any two batches, or killed: nothing is lost, and the next run goes on.
3. Rows are locked before they are removed, those that others hold are passed over, and the conditions are repeated in
   the DELETE: what somebody uses at the same moment stays, and two clean-ups do not wait for each other.
4. Whether something is over is decided when it is used, never here.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from .client import Client
from .declared import in_apps
from .events import Actor
from .signals import note_cleaning

# Beside 50 requests a second these leave the p99 of the requests as it was (docs/performance.md); larger batches and
# shorter rests were seen to cost it a half.
BATCH = 100
REST = 2.0
AT_ONCE = timedelta(0)
_MODULE = "retention"
M = TypeVar("M", bound=Model)
Count = Callable[[datetime, datetime], int]
Removal = Callable[[datetime, datetime, int], Iterator[int]]


@dataclass(frozen=True, kw_only=True)
class Chore:
    """One thing that grows. Moments are given as *before* (now less the age) and *now*."""

    name: str  # what --only calls it
    says: str  # what it is about
    done: str = "removed"  # what becomes of a row
    age: Callable[[], timedelta]  # how long a row is kept after it was over: a setting of the app that owns it
    count: Count  # how many rows would go; (before, now)
    # Does a batch at each step and yields how many rows went; (before, now, rows a batch).
    remove: Removal


def of_rows(
    *,
    name: str,
    says: str,
    age: Callable[[], timedelta],
    rows: Callable[[datetime, datetime], QuerySet[Any]],
    by: str,
) -> Chore:
    """Return the chore that removes *rows*, a function of before and now, along the indexed column *by*."""

    def remove(before: datetime, now: datetime, number: int) -> Iterator[int]:
        return remove_rows(rows(before, now), by=by, number=number)

    return Chore(name=name, says=says, age=age, count=lambda before, now: rows(before, now).count(), remove=remove)


def remove_rows(rows: QuerySet[Any], *, by: str, number: int) -> Iterator[int]:
    """Remove *rows* in batches of *number*, oldest first; yield how many each took.

    One DELETE a batch, as Django sends it where nothing else hangs on the rows and no signal listens.
    """
    alias = router.db_for_write(rows.model)
    left = rows = rows.using(alias)
    while True:
        with transaction.atomic(using=alias, durable=True):
            found = list(locked(left).order_by(by).values_list("pk", by)[:number])
            removed = rows.filter(pk__in=[pk for pk, _ in found]).delete()[1] if found else {}
        if not found:
            return
        yield removed.get(rows.model._meta.label, 0)
        left = rows.filter(**{f"{by}__gte": found[-1][1]})  # not once more past what the removed rows left behind


def locked(rows: QuerySet[M]) -> QuerySet[M]:
    """Lock *rows* until the transaction ends, passing over those that others hold, as far as the database can.

    SQLite has no such lock; there a transaction that writes is alone.
    """
    features = connections[rows.db].features
    return rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def chores() -> dict[str, Chore]:
    """Return the chores of every installed app by their names; raises ImproperlyConfigured for a name used twice."""
    found: dict[str, Chore] = {}
    for _app, module in in_apps(_MODULE):
        for chore in getattr(module, "CHORES", ()):
            if chore.name in found:
                raise ImproperlyConfigured(f"Two chores are called {chore.name!r}.")
            found[chore.name] = chore
    return found


class Sweep:
    """One clean-up, which may be done in slices: ``removed`` says how far it came."""

    def __init__(
        self,
        todo: Iterable[Chore],
        *,
        actor: Actor,
        older_than: timedelta | None = None,
        batch: int = BATCH,
        rest: float = 0,
        now: datetime | None = None,
    ) -> None:
        """*older_than* stands in for the age of every chore; *batch* is in rows, *rest* a share of a batch's time.

        A rest after each batch leaves the processor and the disk to the requests that came meanwhile.
        """
        self.todo = tuple(todo)
        self.removed = {chore.name: 0 for chore in self.todo}
        self._actor, self._older_than, self._batch, self._rest = actor, older_than, batch, rest
        self._now = now or timezone.now()
        self._steps: Iterator[tuple[Chore, int]] | None = None

    def count(self, chore: Chore) -> int:
        """Return how many rows *chore* would remove."""
        return chore.count(self._before(chore), self._now)

    def steps(self) -> Iterator[tuple[Chore, int]]:
        """Do a batch at each step; yield its chore and how many rows went."""
        for chore in self.todo:
            began = time.monotonic()
            for number in chore.remove(self._before(chore), self._now, self._batch):
                took = time.monotonic() - began
                self.removed[chore.name] += number
                yield chore, number
                time.sleep(took * self._rest)
                began = time.monotonic()

    def go_on(self, seconds: float) -> bool:
        """Work for about so many *seconds*, and tell whether all is done.

        After a failure of the database the next call begins anew with what is left.
        """
        end = time.monotonic() + seconds
        steps, self._steps = self._steps or self.steps(), None
        for _ in steps:
            if time.monotonic() >= end:
                self._steps = steps
                return False
        return True

    def conclude(self) -> None:
        """Record what went, if anything did."""
        if any(self.removed.values()):
            note_cleaning(Client.local("cleanup"), self._actor, self.removed)

    def _before(self, chore: Chore) -> datetime:
        return self._now - (chore.age() if self._older_than is None else self._older_than)
