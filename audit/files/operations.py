"""One operation on a file: what goes by is counted and hashed, and one row says how it ended."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, router, transaction

from audit.conf import app_settings
from audit.file_details import EXTRA, FILE_ACTIONS, mime_type_or_none
from audit.files.acting import Who, remember_failure, whoever
from audit.files.paths import shown
from audit.models import Event
from audit.recording import record
from gatehouse.client import Client
from gatehouse.events import Actor, EventType, FailureReason
from gatehouse.measuring import Measure

log = structlog.get_logger(__name__)

_REFUSED = {PermissionError: FailureReason.NOT_PERMITTED, SuspiciousOperation: FailureReason.INPUT_INVALID}


class RolledBackError(Exception):
    """Stands in the trail where an operation was done and its transaction undone, without an error that came out."""


class Digests:
    """SHA-256, and by setting SHA-1, of bytes that come in their order; what comes once more counts once.

    A gap, where somebody skipped a part, leaves no digest of the whole.
    """

    def __init__(self) -> None:
        self._hashes = [hashlib.sha256()]
        if app_settings().FILE_SHA1:
            self._hashes.append(hashlib.new("sha1", usedforsecurity=False))
        self.reached = 0  # up to where
        self.is_whole = True  # whether all of it came by

    def take(self, chunk: bytes, at: int | None = None) -> None:
        """Take *chunk*, which stands at the place *at*; without one it follows the chunk before."""
        place = self.reached if at is None else at
        if place > self.reached:
            self.is_whole = False
        fresh = chunk[self.reached - place :] if place < self.reached else chunk
        for one in self._hashes:
            one.update(fresh)
        self.reached += len(fresh)

    def break_off(self) -> None:
        """Say that what was taken is not the whole."""
        self.is_whole = False

    def as_details(self) -> dict[str, str]:
        """Return the digests by their names; none where the whole did not come by."""
        return {one.name: one.hexdigest() for one in self._hashes} if self.is_whole else {}


class Operation:
    """An operation that goes on; recording() and the storages make it, and one row tells of it."""

    def __init__(self, action: str, *, resource: str, who: Who | None = None) -> None:
        if action not in FILE_ACTIONS:
            raise ValueError(f"action: one of {', '.join(FILE_ACTIONS)}.")
        self.action, self.resource, self.who = action, resource, who or whoever()
        self.size_bytes: int | None = None  # where nothing goes by, but the size is known
        self.mime_type: str | None = None
        self.source: str | None = None  # of what is moved or renamed: from where
        self.target: str | None = None  # and to where
        self.extra: dict[str, Any] = {}
        self.digests = Digests()
        self._measure, self._has_seen = Measure(), False
        self._row: Event | None = None
        self._is_kept = False

    def saw(self, chunk: bytes, at: int | None = None) -> None:
        """Count and hash *chunk*, which went by; *at* says at which place it stands, if not behind the one before."""
        self._has_seen = True
        self._measure.size += len(chunk)
        self.digests.take(chunk, at)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *chunks*, counted and hashed on their way."""
        for chunk in chunks:
            self.saw(chunk)
            yield chunk

    def done(self) -> Event:
        """Record that it succeeded, in the caller's transaction where one is open; only the first call does."""
        if self._row is None:
            self._measure.stop()
            self._row = self._record(success=True)
            transaction.on_commit(self._keep, using=router.db_for_write(Event))
        return self._row

    def end(self) -> None:
        """Record what the end of the block means: done, unless done() stood in a transaction that was rolled back."""
        is_open = transaction.get_connection(router.db_for_write(Event)).in_atomic_block
        if self._row is not None and not self._is_kept and not is_open:
            self.failed(RolledBackError())
        else:
            self.done()

    def failed(self, error: BaseException) -> None:
        """Record that it failed for *error*, unless it was recorded as done and that is committed.

        What cannot be recorded is logged: the error is about to be raised, and must not be hidden by another.
        """
        if self._is_kept:
            return
        self._measure.stop()
        reason = next((why for kind, why in _REFUSED.items() if isinstance(error, kind)), FailureReason.ERROR)

        def write() -> Event:
            return self._record(success=False, failure_reason=reason, error_message=_said(error))

        row = None
        try:
            row = write()
        except DatabaseError as fault:
            log.error("file_failure_not_recorded", action=self.action, cause=type(fault).__name__)
        if transaction.get_connection(router.db_for_write(Event)).in_atomic_block:
            remember_failure(row, write)

    def details(self) -> dict[str, Any]:
        """Return what is recorded of the file."""
        size = self._measure.size if self._has_seen else self.size_bytes
        rate = self._measure.bytes_per_second if self._has_seen else None
        found: dict[str, Any] = {
            "size_bytes": size,
            "mime_type": mime_type_or_none(self.mime_type),
            "duration_ms": self._measure.duration_ms,
            "bytes_per_second": rate,
            "from": None if self.source is None else shown(self.source),
            "to": None if self.target is None else shown(self.target),
            EXTRA: self.extra or None,
        }
        known = {name: value for name, value in found.items() if value is not None}
        return known | (self.digests.as_details() if self._has_seen else {})

    def _record(self, **outcome: Any) -> Event:
        return record(
            event_type=EventType.FILE_ACCESS,
            action=self.action,
            client=self.who.client,
            actor=self.who.actor,
            user_id=self.who.user_id,
            session_id=self.who.session_id,
            resource=shown(self.resource),
            details=self.details(),
            **outcome,
        )

    def _keep(self) -> None:
        self._is_kept = True


@contextmanager
def recording(
    action: str,
    *,
    resource: str,
    client: Client | None = None,
    actor: Actor | None = None,
    user_id: object = None,
    session_id: object = None,
    mime_type: str | None = None,
    source: str | None = None,
    target: str | None = None,
) -> Iterator[Operation]:
    """Record what the block does with a file: ``upload download delete move`` or ``rename`` of *resource*.

    The row is written at the end, or where ``done()`` is called: there it stands in the transaction of the change.
    Where the block raises, the failure is recorded with its reason, and raised on. Without *client* it is done by
    whoever acting() or the middleware says; without *actor* by the account *user_id*, or else by the system.
    """
    operation = Operation(action, resource=resource, who=_who(client, actor, user_id, session_id))
    operation.mime_type, operation.source, operation.target = mime_type, source, target
    try:
        yield operation
    except BaseException as error:
        operation.failed(error)
        raise
    operation.end()


def _who(client: Client | None, actor: Actor | None, user_id: object, session_id: object) -> Who:
    known = whoever()
    if client is None and actor is None and user_id is None:
        return known
    user = None if user_id is None else str(user_id)
    acting = actor or (Actor("user", user, "user") if user else known.actor)
    session = None if session_id is None else str(session_id)
    return Who(client=client or known.client, actor=acting, user_id=user, session_id=session)


def _said(error: BaseException) -> str:
    """Return what may be told of *error*: its kind, and what the system said; never a path or a content."""
    name = type(error).__name__
    return f"{name}: {error.strerror}" if isinstance(error, OSError) and error.strerror else name
