"""Ending many sessions by a command, in batches, each whole.

1. A batch locks its accounts first, all in one order, then the rows: as ending.py does, so that nobody waits in a ring.
   The rows are locked by their key alone: a database that locks what it looks at would lock those of others, too.
2. A sign-in that holds its account's lock meanwhile commits a session that a walk may have passed already; a second
   walk finds it. Sign-ins that begin later are not meant.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor
from gatehouse.reasons import checked_reason
from sessions_app.events import SessionsEndedByCommand
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from sessions_app.selection import Selection
from sessions_app.services.ending import revoke_locked
from sessions_app.services.rows import lock, lock_all
from sessions_app.signals import announce

BATCH = 200
_WALKS = 2


class MassEnd:
    """The end of every live session of *selection*, for a *reason* in words; ``ended`` says how many so far."""

    def __init__(self, selection: Selection, *, reason: str, client: Client, actor: Actor) -> None:
        """Raises validation_failed for a reason that is empty, too long or unsafe to store."""
        self.selection, self.ended = selection, 0
        self._reason, self._client, self._actor = checked_reason(reason), client, actor

    def steps(self) -> Iterator[int]:
        """End a batch at each step, in a transaction of its own; yield how many sessions it ended.

        Those of one account end in one transaction, the record of the command with them.
        """
        if self.selection.is_of_one_account:
            yield self._end_of_one_account()
            return
        for _walk in range(_WALKS):
            for batch in _walk_along(self.selection):
                ended = self._end_batch(batch)
                self.ended += ended
                yield ended

    def conclude(self) -> None:
        """Record the command and how many sessions it ended; for one account, steps() did."""
        if not self.selection.is_of_one_account:
            with transaction.atomic(durable=True):
                self._record()

    def _end_of_one_account(self) -> int:
        with transaction.atomic(durable=True):
            lock(self.selection.user)
            live = self.selection.rows.live(timezone.now())
            ended = self._end_rows(list(live.select_for_update().order_by("pk")))
            self.ended += ended
            self._record()
        return ended

    @again_after_deadlock
    def _end_batch(self, batch: list[tuple[UUID, Any]]) -> int:
        with transaction.atomic(durable=True):
            lock_all({owner for _, owner in batch})
            held = Session.objects.filter(pk__in=[pk for pk, _ in batch]).select_for_update().order_by("pk")
            now = timezone.now()
            return self._end_rows([one for one in held if one.end(now) is None and self.selection.matches(one.ip)])

    def _end_rows(self, ending: list[Session]) -> int:
        actor = self._actor
        revoke_locked(ending, reason=RevokeReason.STAFF, client=self._client, actor=actor, by=actor.label)
        return len(ending)

    def _record(self) -> None:
        chosen = self.selection
        announce(
            SessionsEndedByCommand(
                client=self._client,
                actor=self._actor,
                user_id=str(chosen.user.pk) if chosen.user else None,
                session_id=str(chosen.session_id) if chosen.session_id else None,
                selector=chosen.kind,
                selected=chosen.named,
                reason=self._reason,
                sessions_ended=self.ended,
            )
        )


def count_live(selection: Selection) -> int:
    """Return how many live sessions *selection* means."""
    live = selection.rows.live(timezone.now())
    if selection.network is None:
        return live.count()
    return sum(selection.matches(ip) for ip in live.values_list("ip", flat=True).iterator())


def _walk_along(selection: Selection) -> Iterator[list[tuple[UUID, Any]]]:
    """Yield the live sessions of *selection* with their owners, in batches, along the primary key."""
    left = selection.rows.live(timezone.now()).order_by("pk")
    while found := list(left.values_list("pk", "user_id", "ip")[:BATCH]):
        if batch := [(pk, owner) for pk, owner, ip in found if selection.matches(ip)]:
            yield batch
        left = left.filter(pk__gt=found[-1][0])
