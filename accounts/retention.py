"""What the cleanup command does with links, challenges, mails and records of failures."""

from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import events, lockout
from accounts.models import Challenge, Link, Mail
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.models import Counter
from sessions_app import retention as session_retention


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """How many rows of each kind were removed, or would have been."""

    sessions: int
    devices: int
    browser_sessions: int
    links: int
    challenges: int
    mails: int
    failures: int
    counters: int


def cleanup(*, older_than: timedelta, dry_run: bool = False) -> Cleaned:
    """Remove what ended longer ago than *older_than*; what lives or waits is never touched."""
    now = timezone.now()
    before = now - older_than
    purged = session_retention.purge(older_than=older_than, dry_run=dry_run)
    over = {
        "links": Link.objects.ended_before(before),
        "challenges": Challenge.objects.ended_before(before),
        "mails": Mail.objects.finished_before(before),
        "counters": Counter.objects.ended(now),
    }
    counts = {name: rows.count() if dry_run else rows.delete()[0] for name, rows in over.items()}
    done = Cleaned(
        sessions=purged.sessions,
        devices=purged.devices,
        browser_sessions=purged.browser_sessions,
        failures=lockout.purge(before=before, dry_run=dry_run),
        **counts,
    )
    if not dry_run and any(asdict(done).values()):
        with transaction.atomic(durable=True):
            client = Client.local("cleanup")
            announce(events.CleanedUp(client=client, actor=Actor.command(), removed=asdict(done)))
    return done
