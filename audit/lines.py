"""A log line for each event, once its transaction is committed: for collectors that read logs (ASVS 16.2.4).

1. A line never fails what it tells of: it comes after the commit, and what goes wrong with it is logged and forgotten.
2. It is no second trail. Lines may be lost and forged, and what tells of people does not stand in them, since no
   erasure reaches a log, unless AUDIT["LOG"] says "private".
"""

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import transaction

from .conf import app_settings
from .models import Event

OFF, PUBLIC, PRIVATE = "off", "public", "private"
FORMS = (OFF, PUBLIC, PRIVATE)
log = structlog.get_logger("audit.events")

_COLUMNS = (
    *("event_type", "action", "success", "failure_reason", "user_id", "actor_type", "actor_id", "actor_label"),
    *("resource", "request_id", "session_id"),
)


def after_commit(rows: Sequence[Event], *, alias: str) -> None:
    """Have a line written for each of *rows* once the transaction is committed, none where it is rolled back."""

    def write() -> None:
        for row in rows:
            log.info("audit event", **fields_of(row))

    if app_settings().LOG != OFF:
        transaction.on_commit(write, using=alias, robust=True)  # Django names the function where it fails: no partial


def fields_of(row: Event) -> dict[str, Any]:
    """Return what the line of *row* says."""
    found: dict[str, Any] = {"event_id": row.pk}
    found |= {name: value for name in _COLUMNS if (value := getattr(row, name)) not in (None, "")}
    if app_settings().LOG == PRIVATE:
        found |= {name: value for name in Event.private if (value := getattr(row, name)) not in (None, "", {})}
    return found
