"""What the cleanup command does with sessions and devices."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from gatehouse.client import Client
from sessions_app.models import Device, Session
from sessions_app.reasons import RevokeReason
from sessions_app.services import expire

_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Purged:
    """How many rows were marked and removed, or would have been."""

    expired: int
    sessions: int
    devices: int
    browser_sessions: int


def purge(*, older_than: timedelta, dry_run: bool = False) -> Purged:
    """Mark the sessions that time has ended, and remove what ended longer ago than *older_than*.

    A session that lives is never touched, so this may run beside every request, twice at once too.
    """
    now = timezone.now()
    due = Session.objects.due(now)
    gone = Session.objects.ended_before(now - older_than)
    unused = Device.objects.filter(Q(trusted_until__isnull=True) | Q(trusted_until__lte=now)).unused_since(
        now - older_than
    )
    stale = BrowserSession.objects.filter(expire_date__lt=now)
    if dry_run:
        return Purged(
            expired=due.count(), sessions=gone.count(), devices=unused.count(), browser_sessions=stale.count()
        )
    return Purged(
        expired=_expire_all(now),
        sessions=gone.delete()[0],
        devices=unused.delete()[0],
        browser_sessions=stale.delete()[0],
    )


def _expire_all(now: datetime) -> int:
    client = Client.local("cleanup")
    marked = 0
    while batch := list(Session.objects.due(now)[:_BATCH]):
        with transaction.atomic(durable=True):
            marked += sum(_expire(session, client, now) for session in batch)
    return marked


def _expire(session: Session, client: Client, now: datetime) -> bool:
    reason = RevokeReason.ABSOLUTE if session.absolute_expires_at <= now else RevokeReason.IDLE
    return expire(session=session, reason=reason, client=client, now=now)
