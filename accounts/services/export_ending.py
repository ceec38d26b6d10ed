"""The end of the files of exports: fetched, too old, or left by an account that is gone.

A file goes before the row that names it says so: a crash in between makes the next run do it again, and no file is
forgotten.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import events
from accounts.exports import files
from accounts.exports.archive import MIME_TYPE
from accounts.models import Export, ExportState, User
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason

_LONGEST_FETCH = timedelta(hours=1)  # after which a file that was being sent is nobody's any more


def left_over(before: datetime) -> "QuerySet[Export]":
    """Return the exports whose file has no business to be there any more at *before*."""
    over = Q(state__in=(ExportState.FAILED, ExportState.EXPIRED))
    over |= Q(state=ExportState.READY, expires_at__lte=before)
    over |= Q(state=ExportState.FETCHED, fetched_at__lte=before - _LONGEST_FETCH)
    return Export.objects.filter(over).exclude(file_name="")


def strays() -> Iterator[tuple[UUID, str]]:
    """Yield the files that no row names: of accounts that were erased, or of a worker that was overtaken."""
    found = list(files.present())  # before the rows: a name is written down before there is a file
    for start in range(0, len(found), 100):
        some = found[start : start + 100]
        rows = dict(Export.objects.filter(pk__in=[pk for pk, _ in some]).values_list("pk", "file_name"))
        yield from ((pk, name) for pk, name in some if rows.get(pk) != name)


def remove_files(before: datetime, number: int) -> Iterator[int]:
    """Remove what ``left_over`` and ``strays`` find; yield how many files each step removed."""
    client, actor = Client.local("cleanup"), Actor.system("cleanup")
    left = left_over(before).order_by("pk")
    while found := list(left[:number]):
        yield sum(_expire(export, before, client, actor) for export in found)
        left = left.filter(pk__gt=found[-1].pk)
    for pk, name in strays():
        if files.remove(name):
            with transaction.atomic(durable=True):
                announce(_deleted(pk, None, client, actor, user_id=None))
            yield 1


def discard(export: Export, *, client: Client, actor: Actor) -> bool:
    """Remove the file of an export that is over; return whether this call did."""
    if not files.remove(export.file_name):
        return False
    with transaction.atomic(durable=True):
        named = Export.objects.filter(pk=export.pk, file_name=export.file_name)
        if not named.update(file_name=""):
            return False
        announce(_deleted(export.pk, export.size, client, actor, user_id=str(export.user_id)))
        return True


def lose(export: Export, *, client: Client) -> None:
    """Close an export whose file was gone when *client* asked for it, and record that once."""
    cause = "the file is gone"
    with transaction.atomic(durable=True):
        lost = Export.objects.filter(pk=export.pk, state=ExportState.READY, file_name=export.file_name)
        if not lost.update(state=ExportState.FAILED, open_key=None, file_name="", error=cause):
            return
        announce(
            events.ExportLost(
                client=client,
                user_id=str(export.user_id),
                actor=Actor.system("web"),
                resource=f"export:{export.pk}",
                success=False,
                failure_reason=FailureReason.ERROR,
                error_message=cause,
            )
        )


def erase(user: User) -> None:
    """Remove the files of *user*, whose rows go with the transaction at hand, once that is done."""
    names = list(Export.objects.filter(user=user).exclude(file_name="").values_list("file_name", flat=True))
    if names:
        transaction.on_commit(lambda: [files.remove(name) for name in names], robust=True)


def _expire(export: Export, now: datetime, client: Client, actor: Actor) -> bool:
    stale = Export.objects.filter(pk=export.pk, state=ExportState.READY, expires_at__lte=now)
    stale.update(state=ExportState.EXPIRED, open_key=None)
    return discard(export, client=client, actor=actor)


def _deleted(
    export_id: UUID, size: int | None, client: Client, actor: Actor, *, user_id: str | None
) -> events.FileDeleted:
    return events.FileDeleted(
        client=client, user_id=user_id, actor=actor, resource=f"export:{export_id}", size_bytes=size,
        mime_type=MIME_TYPE,
    )  # fmt: skip
