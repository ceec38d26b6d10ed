"""The public way for host code to write one event: ``audit.record(...)``."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from gatehouse.client import Client
from gatehouse.events import Actor, EventType, FailureReason, SecurityEvent

from . import kinds
from .conf import app_settings
from .models import Event
from .receivers import insert


def record(
    *,
    event_type: EventType | str,
    action: str,
    client: Client,
    user_id: object = None,
    actor: Actor | None = None,
    email: str | None = None,
    resource: str = "",
    success: bool = True,
    failure_reason: FailureReason | str | None = None,
    error_message: str = "",
    session_id: object = None,
    details: Mapping[str, Any] | None = None,
) -> Event:
    """Write one event and return its row.

    The row stands in the caller's transaction where one is open, else in its own. Without an
    *actor* the account itself is taken for a success, somebody unknown for a failure. Texts too
    long for their column are cut with a mark.

    Raises ValueError for what the trail does not know: an event type (see audit/kinds.py for how a
    host adds its own), an action that is no lower case word or not one of its type, a reason
    without a failure, details that are no JSON or too much of it. Whatever the database raises
    comes through, and the caller's transaction is lost with it.
    """
    kind = kinds.require(str(event_type), action)
    if success and failure_reason:
        raise ValueError("failure_reason: only an event that failed has one.")
    event = SecurityEvent(
        client=client,
        user_id=_text(user_id),
        actor=actor,
        email=email,
        resource=resource,
        success=success,
        failure_reason=FailureReason(failure_reason) if failure_reason else None,
        error_message=error_message,
        session_id=_text(session_id),
    )
    return insert(event, kind, action, _plain(details or {}))


def _text(identifier: object) -> str | None:
    return None if identifier is None else str(identifier)


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return *details* as JSON would give it back, or refuse it."""
    try:
        text = json.dumps(dict(details), cls=DjangoJSONEncoder, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"details: not JSON: {error}") from error
    limit = app_settings().DETAILS_MAX_BYTES
    if len(text.encode()) > limit:
        raise ValueError(f"details: more than {limit} bytes of JSON.")
    plain: dict[str, Any] = json.loads(text)
    return plain
