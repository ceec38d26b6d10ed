"""What the worker does for the trail."""

import logging
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.timetable import Job

from . import archiving, checkpoints, clearing, counting, indexing, monthly, sealing, webhooks
from .conf import app_settings
from .seals import FULL

logger = logging.getLogger(__name__)

_CLEAR_FOR = 1.0  # seconds of removing rows between two other pieces, so that no mail waits for it


def _seal(now: datetime) -> bool:
    try:
        made = sealing.seal_next(now=now)
    except sealing.ContendedError:
        logger.warning("other sealers of the trail were quicker every time")
        return False
    return made is not None and made.count == FULL


def _enter(now: datetime) -> bool:
    return indexing.enter_next()


def _count(now: datetime) -> bool:
    return counting.count_next()


def _publish(now: datetime) -> bool:
    checkpoints.publish_daily(now=now)
    return False


def _report(now: datetime) -> bool:
    return monthly.send_due(now=now)


def _queue(now: datetime) -> bool:
    return webhooks.queue_next()


def _send(now: datetime) -> bool:
    return webhooks.deliver_next(now=now)


def _archive(now: datetime) -> bool:
    settings = app_settings()
    if not settings.ARCHIVE_DIR:
        return False
    who: dict[str, Any] = {"actor": Actor.system("worker"), "client": Client.local("worker")}
    folder = Path(settings.ARCHIVE_DIR)
    try:
        if archiving.archive_next(folder=folder, before=now - settings.ARCHIVE_AFTER, now=now, **who):
            return True
    except archiving.ContendedError:
        return True
    until = time.monotonic() + _CLEAR_FOR
    return any(
        time.monotonic() > until for _step in clearing.clear(folder=folder, online=settings.ARCHIVE_ONLINE, **who)
    )


JOBS = [
    Job(name="audit-seal", every=timedelta(minutes=1), piece=_seal),
    Job(name="audit-index", every=timedelta(minutes=1), piece=_enter),
    Job(name="audit-count", every=timedelta(minutes=1), piece=_count),
    Job(name="audit-checkpoint", every=timedelta(minutes=10), piece=_publish),
    Job(name="audit-report", every=timedelta(minutes=10), piece=_report),
    Job(name="audit-webhooks", every=timedelta(seconds=30), piece=_queue),
    Job(name="audit-webhooks-send", every=timedelta(seconds=5), piece=_send),
    Job(name="audit-archive", every=timedelta(days=1), piece=_archive),
]
