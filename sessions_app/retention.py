"""What the clean-up does with sessions and devices.

A session that time has ended is marked first, with its event, so that none goes without a trace. Its idle end never
lies after its absolute one (services/opening.py, rotation.py), so one walk along the idle ends finds them all.
"""

from collections.abc import Iterator
from datetime import datetime

from django.apps import apps
from django.db import router, transaction
from django.db.models import QuerySet

from gatehouse import cleaning
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app.conf import app_settings
from sessions_app.models import Device, Session

_ENDS = ("revoked_at", "idle_expires_at", "absolute_expires_at")  # each has an index of its own


def _expire(_before: datetime, now: datetime, number: int) -> Iterator[int]:
    yield from _mark(Session.objects.due(now).filter(idle_expires_at__lte=now), now, number)


def _remove_ended(before: datetime, now: datetime, number: int) -> Iterator[int]:
    for _ in _mark(Session.objects.due(now).filter(idle_expires_at__lt=before), now, number):
        yield 0
    marked = Session.objects.filter(revoked_at__isnull=False)
    for end in _ENDS:
        yield from cleaning.remove_rows(marked.filter(**{f"{end}__lt": before}), by=end, number=number)


def _mark(due: QuerySet[Session], now: datetime, number: int) -> Iterator[int]:
    """Mark *due* in batches; yield how many each marked."""
    alias = router.db_for_write(Session)
    left, client = due.using(alias), Client.local("cleanup")
    while True:
        with transaction.atomic(using=alias, durable=True):
            batch = list(cleaning.locked(left).order_by("idle_expires_at")[:number])
            sessions.expire_locked(batch, client=client, now=now)
        if not batch:
            return
        yield len(batch)
        left = due.using(alias).filter(idle_expires_at__gte=batch[-1].idle_expires_at)


def _unused(before: datetime, now: datetime) -> QuerySet[Device]:
    return Device.objects.untrusted(now).unused_since(before)


CHORES = [
    cleaning.Chore(
        name="expired",
        says="sessions that time has ended and nobody has shown since, each with its event",
        done="marked",
        age=lambda: cleaning.AT_ONCE,
        count=lambda _before, now: Session.objects.due(now).count(),
        remove=_expire,
    ),
    cleaning.Chore(
        name="sessions",
        says="sessions that were ended, by an act or by time",
        age=lambda: app_settings().SESSIONS_KEPT,
        count=lambda before, _now: Session.objects.ended_before(before).count(),
        remove=_remove_ended,
    ),
    cleaning.of_rows(
        name="devices",
        says="devices that are not trusted, name no session, and that nobody came from",
        age=lambda: app_settings().DEVICES_KEPT,
        rows=_unused,
        by="last_seen_at",
    ),
]
if apps.is_installed("django.contrib.sessions"):
    CHORES.append(
        cleaning.of_rows(
            name="browser-sessions",
            says="rows of Django's own session table that are over",
            age=lambda: app_settings().BROWSER_SESSIONS_KEPT,
            rows=lambda before, _now: apps.get_model("sessions", "Session").objects.filter(expire_date__lt=before),
            by="expire_date",
        )
    )
