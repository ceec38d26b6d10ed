"""What of the trail fades: the keys of what it need not tell any more. Its rows stay, or are archived."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from gatehouse.cleaning import Chore, of_rows

from . import privacy
from .conf import app_settings
from .endpoints import targets
from .queue import Webhook
from .rollups import FailingAddress, Rollup


def _count(before: datetime, now: datetime) -> int:
    return privacy.faded(before).count() if app_settings().PRIVACY_RETENTION else 0


def _remove(before: datetime, now: datetime, number: int) -> Iterator[int]:
    if app_settings().PRIVACY_RETENTION:  # 0 keeps them for good
        yield from privacy.destroy(privacy.faded(before), number)


def _counts(model: type[Rollup] | type[FailingAddress], before: datetime) -> QuerySet[Any]:
    rows = model.objects.filter(hour__lt=before)
    return rows if app_settings().COUNTS_KEPT else rows.none()


def _webhooks(before: datetime, now: datetime) -> QuerySet[Any]:
    """Return what was given up, and what waits for an endpoint that is not named any more."""
    left_over = ~Q(endpoint__in=list(targets())) & Q(created_at__lt=before)
    return Webhook.objects.filter(Q(given_up_at__lt=before) | left_over)


CHORES = (
    Chore(
        name="trail-keys",
        says="keys of network data and of addresses that no account has, in the trail, by months",
        done="destroyed",
        age=lambda: app_settings().PRIVACY_RETENTION,
        count=_count,
        remove=_remove,
    ),
    of_rows(
        name="trail-counts",
        says="counts of the trail by the hour",
        age=lambda: app_settings().COUNTS_KEPT,
        rows=lambda before, _now: _counts(Rollup, before),
        by="hour",
    ),
    of_rows(
        name="trail-addresses",
        says="counts of failures by the address they came from",
        age=lambda: app_settings().COUNTS_KEPT,
        rows=lambda before, _now: _counts(FailingAddress, before),
        by="hour",
    ),
    of_rows(
        name="webhooks",
        says="events that could not be sent to another system",
        age=lambda: app_settings().WEBHOOKS_KEPT,
        rows=_webhooks,
        by="id",
    ),
)
