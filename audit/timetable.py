"""What the worker does for the trail."""

import logging
from datetime import datetime, timedelta

from gatehouse.timetable import Job

from . import checkpoints, counting, indexing, monthly, sealing, webhooks
from .seals import FULL

logger = logging.getLogger(__name__)


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


JOBS = [
    Job(name="audit-seal", every=timedelta(minutes=1), piece=_seal),
    Job(name="audit-index", every=timedelta(minutes=1), piece=_enter),
    Job(name="audit-count", every=timedelta(minutes=1), piece=_count),
    Job(name="audit-checkpoint", every=timedelta(minutes=10), piece=_publish),
    Job(name="audit-report", every=timedelta(minutes=10), piece=_report),
    Job(name="audit-webhooks", every=timedelta(seconds=30), piece=_queue),
    Job(name="audit-webhooks-send", every=timedelta(seconds=5), piece=_send),
]
