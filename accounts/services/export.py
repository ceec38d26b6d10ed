"""A copy of everything that is held about somebody: asked for by them, and fetched once.

1. One export is open at a time: who asks again is given the one that is open.
2. It is taken by one conditional UPDATE when its file begins to be sent, so that of any number of requests one gets it.
   Where the connection breaks after that, a new one can be asked for at once.
3. The worker makes it (export_making.py), and the file goes when it was sent, when it is too old, or with its account
   (export_ending.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import IO, NoReturn
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events
from accounts.exports import files
from accounts.exports.archive import MIME_TYPE
from accounts.models import Export, ExportState, User
from accounts.services import export_ending, own_account
from accounts.signals import announce, refuse
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.measuring import Measure
from gatehouse.problems import Problem
from sessions_app.models import Session

log = structlog.get_logger(__name__)

_WHY = {
    "rate_limited": FailureReason.RATE_LIMITED,
    "session_revoked": FailureReason.SESSION_ENDED,
    "service_unavailable": FailureReason.ERROR,
}


@dataclass
class Download:
    """A file on its way: iterate over its bytes, then close it, however far it came."""

    name: str  # what the person's device may call it
    size: int  # bytes
    sha256: str
    content: IO[bytes]
    on_close: Callable[[Measure], None]  # told how many bytes were sent, and how fast
    mime_type: str = MIME_TYPE
    _sent: Measure = field(default_factory=Measure, init=False)
    _closed: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.content.read(files.CHUNK):
            yield chunk
            self._sent.size += len(chunk)

    def close(self) -> None:
        """Write down what became of it, once."""
        if not self._closed:
            self._closed = True
            self._sent.stop()
            self.content.close()
            self.on_close(self._sent)


def ask(*, user: User, session: Session, client: Client) -> Export:
    """Have everything that is held about *user*, who proved that again in *session*, put together; return the export.

    Where one is open, that is it, and nothing is written.
    Raises session_revoked, rate_limited; service_unavailable where the site has no place for the files.
    """
    asked = events.ExportRequested(
        client=client, user_id=str(user.pk), actor=Actor.user(user), session_id=str(session.pk)
    )
    try:
        if (found := _open(user, timezone.now())) is not None:
            return found
        _need_storage()
        limits.take(None, ("export_account", str(user.pk)))
        return _begin(asked, user, session, client)
    except Problem as problem:
        refuse(problem, _failed(asked, problem))


def newest(*, user: User) -> Export | None:
    """Return what *user* asked for last, or None."""
    return Export.objects.filter(user=user).newest_first().first()


def find(*, user: User, export_id: UUID) -> Export:
    """Return an export of *user*; raises not_found, for another's as for none (ASVS 8.2.2)."""
    found = Export.objects.filter(user=user, pk=export_id).first()
    if found is None:
        raise Problem("not_found")
    return found


def fetch(*, user: User, session: Session, export_id: UUID, client: Client) -> Download:
    """Take the file of an export of *user*, who proved that again in *session*: nobody gets it once more.

    Raises not_found, for another's as for none; session_revoked; conflict, with words, where it is not ready, was
    fetched, is too old or is gone; service_unavailable where the storage does not give it.
    """
    now = timezone.now()
    asked = events.ExportFetched(
        client=client, user_id=str(user.pk), actor=Actor.user(user), session_id=str(session.pk),
        resource=f"export:{export_id}",
    )  # fmt: skip
    try:
        found = find(user=user, export_id=export_id)
    except Problem as problem:
        _refuse_unknown(asked, export_id, problem)
    content = None
    try:
        content = _content(found, now, client)
        _take(asked, found, user, session, now)
    except Problem as problem:
        if content is not None:
            content.close()
        refuse(problem, _failed(asked, problem))
    return Download(
        f"my-data-{found.created_at:%Y-%m-%d}.zip",
        found.size or 0,
        found.sha256,
        content,
        lambda sent: _sent(asked, found, sent),
    )


def _open(user: User, now: datetime) -> Export | None:
    found = Export.objects.filter(open_key=str(user.pk)).first()
    return None if found is None or _is_stale(found, now) else found


def _is_stale(export: Export, now: datetime) -> bool:
    """Tell whether it is ready no more, though the clean-up has not come yet."""
    return export.state == ExportState.READY and not export.is_ready(now)


def _begin(asked: events.ExportRequested, user: User, session: Session, client: Client) -> Export:
    now = timezone.now()
    with transaction.atomic(durable=True):
        own_account.hold(user=user, session=session)
        if (found := _open(user, now)) is not None:  # asked for meanwhile by another request
            return found
        stale = Export.objects.filter(open_key=str(user.pk), state=ExportState.READY, expires_at__lte=now)
        stale.update(state=ExportState.EXPIRED, open_key=None)
        made = Export.objects.create(
            user=user, open_key=str(user.pk), ip=client.ip, device_name=client.device_name,
            next_try_at=now, created_at=now,
        )  # fmt: skip
        announce(asked)
        return made


def _need_storage() -> None:
    try:
        files.storage()
    except files.StorageMissing as error:
        log.error("no_storage_for_exports", cause=str(error))
        raise Problem("service_unavailable") from error


def _content(export: Export, now: datetime, client: Client) -> IO[bytes]:
    """Open the file before anything is used up. Raises conflict, service_unavailable."""
    if not export.is_ready(now):
        raise Problem("conflict", detail=_why_not(export, now))
    try:
        return files.open_file(export.file_name)
    except Exception as error:  # each storage fails in its own way
        log.error("export_file_unreadable", export_id=str(export.pk), cause=type(error).__name__)
        if isinstance(error, FileNotFoundError):
            export_ending.lose(export, client=client)
            raise Problem("conflict", detail=_("The file is gone. Ask for a new one.")) from error
        raise Problem("service_unavailable") from error


def _take(asked: events.ExportFetched, export: Export, user: User, session: Session, now: datetime) -> None:
    with transaction.atomic(durable=True):
        own_account.hold(user=user, session=session)
        ready = Export.objects.filter(pk=export.pk, user=user, state=ExportState.READY, expires_at__gt=now)
        if not ready.update(state=ExportState.FETCHED, fetched_at=now, open_key=None):
            raise Problem("conflict", detail=_why_not(Export.objects.filter(pk=export.pk).first() or export, now))
        announce(replace(asked, size_bytes=export.size, sha256=export.sha256))


def _why_not(export: Export, now: datetime) -> str:
    match export.status(now):
        case "preparing":
            return _("The file is not ready yet. We mail you when it is.")
        case "fetched":
            return _("The file was fetched already, and works once. Ask for a new one.")
        case "failed":
            return _("The file could not be made. Ask for a new one.")
        case _other:
            return _("The file is too old, and was deleted. Ask for a new one.")


def _sent(asked: events.ExportFetched, export: Export, sent: Measure) -> None:
    """Record the download as an operation on a file, and remove the file. What fails is left to the clean-up."""
    complete = sent.size == export.size
    try:
        with transaction.atomic(durable=True):
            announce(
                events.FileDownloaded(
                    client=asked.client,
                    user_id=asked.user_id,
                    actor=asked.actor,
                    session_id=asked.session_id,
                    resource=asked.resource,
                    success=complete,
                    failure_reason=None if complete else FailureReason.ERROR,
                    error_message="" if complete else "The connection ended before the file did.",
                    size_bytes=sent.size,
                    mime_type=MIME_TYPE,
                    sha256=export.sha256,
                    duration_ms=sent.duration_ms,
                    bytes_per_second=sent.bytes_per_second,
                )
            )
        export_ending.discard(export, client=asked.client, actor=asked.acting)
    except DatabaseError as error:
        log.error("download_not_recorded", export_id=str(export.pk), cause=type(error).__name__)


def _refuse_unknown(asked: events.ExportFetched, export_id: UUID, problem: Problem) -> NoReturn:
    """Raise *problem*, that there is no such export; asking for another's is recorded."""
    if not Export.objects.filter(pk=export_id).exists():
        raise problem
    refuse(problem, replace(asked, success=False, failure_reason=FailureReason.NOT_PERMITTED))


def _failed(
    asked: "events.ExportRequested | events.ExportFetched", problem: Problem
) -> "events.ExportRequested | events.ExportFetched":
    return replace(asked, success=False, failure_reason=_WHY.get(problem.code, FailureReason.CONFLICT))
