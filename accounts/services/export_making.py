"""The worker's part of an export: it puts the file together, a slice at a time, so that no mail waits for it.

1. An export is claimed by a conditional UPDATE, and the claim is renewed between two slices. A claim that a dead
   worker left behind runs out, and another takes the export up from its beginning.
2. What fails is tried again later, and given up after some times: its owner is told, and may ask anew.
3. Only who still holds the claim makes it ready: a worker that was overtaken removes what it wrote.
"""

import time
from collections.abc import Generator
from datetime import datetime, timedelta
from tempfile import TemporaryFile

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import events, mails
from accounts.conf import app_settings
from accounts.exports import archive, files
from accounts.models import Export, ExportState
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason

log = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=10)  # a slice is over long before
ATTEMPTS = 3
_BACK_OFF = timedelta(minutes=2)


class Overtaken(Exception):  # noqa: N818  (a condition, like every refusal here)
    """Raised while an export is made that another worker has, or that is gone with its account."""


class Making:
    """One export that this worker has claimed."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self._mine = Export.objects.filter(pk=export.pk, state=ExportState.MAKING, attempts=export.attempts)
        self._steps = self._make()

    def go_on(self, seconds: float) -> bool:
        """Work for about so many *seconds*, and tell whether this export needs no more of it."""
        end = time.monotonic() + seconds
        try:
            for _step in self._steps:
                if time.monotonic() >= end:
                    self._hold()
                    return False
        except Overtaken:
            self._steps.close()
            files.remove(self.export.file_name)
        except DatabaseError:
            raise  # the claim runs out, and the export is taken up again
        except Exception as error:  # every way in which a disk or a host's part fails ends here
            self._fail(error)
        return True

    def leave(self) -> None:
        """Let another worker take the export up at once."""
        self._steps.close()
        self._mine.update(next_try_at=timezone.now())

    def _make(self) -> Generator[None]:
        with TemporaryFile() as out:
            yield from archive.write(self.export.user, out, at=self.export.created_at)
            size, sha256 = files.digest(out)
            self._hold()
            files.save(self.export.file_name, out)
        self._finish(size, sha256)

    def _hold(self) -> None:
        if not self._mine.update(next_try_at=timezone.now() + CLAIM):
            raise Overtaken

    @transaction.atomic(durable=True)
    def _finish(self, size: int, sha256: str) -> None:
        now = timezone.now()
        ready = {"made_at": now, "expires_at": now + app_settings().EXPORT_TTL, "size": size, "sha256": sha256}
        if not self._mine.update(state=ExportState.READY, error="", **ready):
            raise Overtaken
        self.export.refresh_from_db()
        mails.export_ready(self.export)
        announce(_made(self.export, size_bytes=size))

    def _fail(self, error: Exception) -> None:
        """Put the export back for later, or give it up."""
        cause = type(error).__name__
        log.error("export_failed", export_id=str(self.export.pk), attempts=self.export.attempts, exc_info=error)
        if files.remove(self.export.file_name):
            self._mine.update(file_name="")
        if self.export.attempts >= ATTEMPTS:
            give_up(self.export, cause, FailureReason.ERROR)
            return
        wait = _BACK_OFF * self.export.attempts
        self._mine.update(state=ExportState.ASKED, next_try_at=timezone.now() + wait, error=cause)


def claim(now: datetime | None = None) -> Making | None:
    """Take the export that waits for longest, or None where none is due or others have them all."""
    now = now or timezone.now()
    for export in Export.objects.due(now).select_related("user").order_by("next_try_at")[:10]:
        if not export.user.is_active:
            give_up(export, "the account is not active", FailureReason.INACTIVE)
        elif export.attempts >= ATTEMPTS:  # each time its worker died
            give_up(export, "its worker died", FailureReason.ERROR)
        elif _claim(export, now):
            return Making(export)
    return None


def make_due() -> int:
    """Make what is due, one after another, and return how many were worked on."""
    number = 0
    while (making := claim()) is not None:
        while not making.go_on(60):
            pass
        number += 1
    return number


def give_up(export: Export, cause: str, reason: FailureReason) -> None:
    """Close an export without a file, and tell its owner where the account is active."""
    with transaction.atomic(durable=True):
        waiting = Export.objects.filter(pk=export.pk, attempts=export.attempts)
        waiting = waiting.filter(state__in=(ExportState.ASKED, ExportState.MAKING))
        if not waiting.update(state=ExportState.FAILED, open_key=None, error=cause[:200]):
            return
        if export.user.is_active:
            mails.export_failed(export)
        announce(_made(export, success=False, failure_reason=reason, error_message=cause))


def _claim(export: Export, now: datetime) -> bool:
    before, attempts = export.file_name, export.attempts + 1
    name = files.name_of(export.pk, attempts)
    mine = Export.objects.due(now).filter(pk=export.pk, attempts=export.attempts)
    if not mine.update(state=ExportState.MAKING, attempts=attempts, next_try_at=now + CLAIM, file_name=name):
        return False
    export.attempts, export.file_name, export.state = attempts, name, ExportState.MAKING
    if before:
        files.remove(before)
    return True


def _made(
    export: Export,
    *,
    size_bytes: int | None = None,
    success: bool = True,
    failure_reason: FailureReason | None = None,
    error_message: str = "",
) -> events.ExportMade:
    return events.ExportMade(
        client=Client.local("worker"),
        actor=Actor.system("worker"),
        user_id=str(export.user_id),
        resource=f"export:{export.pk}",
        success=success,
        failure_reason=failure_reason,
        error_message=error_message,
        attempts=export.attempts,
        size_bytes=size_bytes,
    )
