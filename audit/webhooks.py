"""Sending events to other systems: a queue filled from the seals, sent by the worker, signed (docs/webhooks.md).

1. The queue is filled by following the seals (:mod:`audit.following`), so no request waits for it and none is missed.
   A system that is named anew gets what is sealed from then on.
2. An endpoint is claimed as a whole by a conditional UPDATE, so one worker at a time sends to it, in the order of the
   queue. A claim that a dead worker left runs out, and its events are sent once more: at least once, never not at all.
3. A system that does not answer, or answers that it cannot, is left alone for a while that grows; the others do not
   wait for it. One that refuses an event as such (400, 413, 422) holds back what comes later of the same subject alone.
4. What cannot be sent within WEBHOOK_RETRIES_FOR is given up, and stays to be seen and put back.
"""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import Exists, F, Max, OuterRef, QuerySet
from django.utils import timezone

from gatehouse.conf import app_settings as ground

from . import following
from .api.shapes import told
from .conf import app_settings
from .endpoints import SIGNATURE, Target, targets
from .models import Endpoint, Event, Queued, Webhook
from .posting import PostError, post
from .seals import Seal

log = structlog.get_logger(__name__)

AT_ONCE = 500  # events put into the queue in one transaction
BATCH = 100  # and sent before another endpoint has its turn
_SEND_FOR = 1.0  # seconds, so that no mail waits for it
_CLAIM = timedelta(minutes=2)
_BACK_OFF = (10, 30, 60, 300, 900, 3600)  # seconds after the first, second, … failure; the last one stays
_REFUSED_AS_SUCH = frozenset({400, 413, 422})


def queue_next() -> bool:
    """Put the next sealed events into the queue; return whether more may wait."""
    found = targets()
    if not found:
        Queued.objects.all().delete()  # whoever is named later begins with what is sealed then
        return False
    _begin()
    return following.step(Queued, AT_ONCE, lambda rows, alias: _put(rows, list(found.values()), alias))


def deliver_next(*, now: datetime) -> bool:
    """Send to the endpoint that waits for longest; return whether more may wait."""
    found = targets()
    for name in found:
        Endpoint.objects.get_or_create(name=name, defaults={"next_try_at": now})
    due = Endpoint.objects.filter(name__in=found, next_try_at__lte=now).filter(Exists(_ready(OuterRef("name"), now)))
    for endpoint in due.order_by("next_try_at", "name"):
        mine = Endpoint.objects.filter(name=endpoint.name, next_try_at=endpoint.next_try_at)
        if mine.update(next_try_at=now + _CLAIM):
            return _deliver(found[endpoint.name], endpoint, now)
    return False


def put_back(*, now: datetime, endpoint: str | None = None) -> int:
    """Have what was given up tried anew, and every endpoint at once; return how many events that are."""
    rows = Webhook.objects.exclude(given_up_at=None)
    ends = Endpoint.objects.all()
    if endpoint is not None:
        rows, ends = rows.filter(endpoint=endpoint), ends.filter(name=endpoint)
    number = rows.update(given_up_at=None, attempts=0, next_try_at=now, created_at=now)
    ends.update(next_try_at=now, failures=0)
    return number


def waiting(name: str) -> QuerySet[Webhook]:
    """Return what waits to be sent to the endpoint *name*."""
    return Webhook.objects.filter(endpoint=name, given_up_at=None)


def _begin() -> None:
    if not Queued.objects.exists():
        newest = Seal.objects.filter(number__gte=1).aggregate(top=Max("number"))["top"] or 0
        Queued.objects.bulk_create([Queued(seal=newest + 1)], ignore_conflicts=True)


def _put(rows: Sequence[Event], to: Sequence[Target], alias: str) -> None:
    now = timezone.now()
    made = [
        Webhook(endpoint=one.name, event_id=row.pk, subject=row.user_id or "", next_try_at=now, created_at=now)
        for row in rows
        for one in to
        if one.wants(row)
    ]
    Webhook.objects.using(alias).bulk_create(made, ignore_conflicts=True, batch_size=500)


def _ready(name: object, now: datetime) -> QuerySet[Webhook]:
    """Return what may be sent: what is due, but for those whose subject has an earlier event that still waits."""
    earlier = Webhook.objects.filter(
        endpoint=OuterRef("endpoint"), subject=OuterRef("subject"), pk__lt=OuterRef("pk"), given_up_at=None
    )
    due = Webhook.objects.filter(endpoint=name, given_up_at=None, next_try_at__lte=now)
    return due.exclude(Exists(earlier.exclude(subject="").filter(next_try_at__gt=now))).order_by("pk")


def _deliver(to: Target, endpoint: Endpoint, now: datetime) -> bool:
    """Send a batch, as long as the endpoint takes what it gets; return whether more may wait."""
    rows = list(_ready(to.name, now)[:BATCH])
    events = {row.pk: row for row in Event.objects.filter(pk__in=[row.event_id for row in rows])}
    held, sent, failure, end = set[str](), list[int](), "", time.monotonic() + _SEND_FOR
    for row in rows:
        if row.subject and row.subject in held:
            continue
        status, failure = _send(to, events.get(row.event_id))
        if not failure:
            sent.append(row.pk)
            Webhook.objects.filter(pk=row.pk).delete()
        elif status in _REFUSED_AS_SUCH:
            held.add(row.subject)
            _try_later(row, failure, now)
            failure = ""
        if failure or time.monotonic() >= end:
            break
    _leave(endpoint, sent, failure, now)
    return not failure and len(rows) > len(held)


def _send(to: Target, event: Event | None) -> tuple[int, str]:
    """Send *event*, and return the status and what went wrong; one that is archived by now is passed over."""
    if event is None:
        return 0, ""
    body = json.dumps(told(event, private=to.private), ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Gatehouse",
        SIGNATURE: to.signature(body, at=int(time.time())),
    }
    try:
        status = post(to.url, body, headers, public_only=ground().PRODUCTION)
    except PostError as error:
        return 0, str(error)[:60]
    return status, "" if 200 <= status < 300 else f"status {status}"


def _try_later(row: Webhook, failure: str, now: datetime) -> None:
    log.warning("webhook_refused", endpoint=row.endpoint, event_id=row.event_id, error=failure)
    wait = _pause(row.attempts)
    Webhook.objects.filter(pk=row.pk).update(attempts=F("attempts") + 1, next_try_at=now + wait, error=failure)
    _give_up_old(waiting(row.endpoint).filter(pk=row.pk), now)


def _leave(endpoint: Endpoint, sent: Sequence[int], failure: str, now: datetime) -> None:
    """Write down how it went, and end the claim."""
    changes: dict[str, object] = {"failures": 0, "error": "", "next_try_at": now}
    if failure:
        log.warning("webhook_failed", endpoint=endpoint.name, error=failure, failures=endpoint.failures + 1)
        _give_up_old(waiting(endpoint.name), now)
        failures = 0 if sent else endpoint.failures
        changes = {"failures": failures + 1, "error": failure, "next_try_at": now + _pause(failures)}
    if sent:
        changes |= {"delivered": F("delivered") + len(sent), "delivered_at": now}
    Endpoint.objects.filter(name=endpoint.name).update(**changes)


def _give_up_old(rows: QuerySet[Webhook], now: datetime) -> None:
    """Give up those of *rows*, which failed just now, that waited for too long."""
    if number := rows.filter(created_at__lt=now - app_settings().WEBHOOK_RETRIES_FOR).update(given_up_at=now):
        log.error("webhooks_given_up", events=number)


def _pause(failures: int) -> timedelta:
    return timedelta(seconds=_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
