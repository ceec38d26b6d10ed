"""The one way into the trail: every source's events come through here, in their transaction."""

from collections.abc import Mapping
from typing import Any

from django.db import router, transaction

from gatehouse import prepared
from gatehouse.events import SecurityEvent, put_off

from . import lines
from .conf import app_settings, load_source
from .models import Event
from .privacy import close_rows


def subscribe() -> None:
    """Listen to every signal that AUDIT["SOURCES"] names; a wrong one stops the start."""
    for path in app_settings().SOURCES:
        load_source(path).connect(receive, dispatch_uid=f"audit:{path}")


def receive(sender: type[SecurityEvent], event: SecurityEvent, **kwargs: object) -> None:
    """Write one event that a signal carries; of many that are sent together, all by one statement."""
    row = _row(event, event.event_type, event.action, event.details())
    if not put_off(_insert_all, row):
        _insert(row)


def insert(event: SecurityEvent, kind: str, action: str, details: Mapping[str, Any]) -> Event:
    """Insert the row of *event*, in the caller's transaction where one is open.

    A failure is raised, and without a savepoint it also dooms the caller's transaction, so
    that nobody can swallow it and keep the change.
    """
    return _insert(_row(event, kind, action, details))


def _row(event: SecurityEvent, kind: str, action: str, details: Mapping[str, Any]) -> Event:
    client, actor = event.client, event.acting
    row = Event(event_type=kind, action=action, user_id=event.user_id)
    row.email = event.email
    row.actor_type, row.actor_id, row.actor_label = actor.type, actor.id, actor.label
    row.resource, row.session_id, row.details = event.resource, event.session_id, dict(details)
    row.success, row.error_message = event.success, event.error_message
    row.failure_reason = event.failure_reason or ""
    row.ip_address, row.user_agent = client.ip, client.user_agent
    row.request_id = client.request_id
    row.is_impersonal = event.is_impersonal
    row.fit()
    return row


def _insert(row: Event) -> Event:
    alias = router.db_for_write(Event)
    with transaction.atomic(using=alias, savepoint=False):
        close_rows([row], alias=alias)
        prepared.insert(row)
        lines.after_commit([row], alias=alias)
    return row


def _insert_all(rows: list[Event]) -> None:
    alias = router.db_for_write(Event)
    with transaction.atomic(using=alias, savepoint=False):
        close_rows(rows, alias=alias)
        Event.objects.using(alias).bulk_create(rows)
        lines.after_commit(rows, alias=alias)
