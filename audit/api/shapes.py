"""What the API shows of an event."""

import re
from typing import Any

from audit import privacy
from audit.canonical import moment
from audit.models import NETWORK, PERSONAL, Event
from gatehouse.events import Actor
from gatehouse.text import mask_email
from gatehouse.trail import TrailScope

_HIDDEN = frozenset({*Event.private, "erased", "altered", "unreadable"})
_WORD = r"[^\s@<>\"'(),;:]"
_ADDRESS = re.compile(rf"(?<!{_WORD}){_WORD}+@{_WORD}+")  # from where a word begins: each is gone through once


def event_shape(event: Event, scope: TrailScope) -> dict[str, Any]:
    """Return *event* as *scope* may see it; where something cannot be read it is null, and a member more says why."""
    shape: dict[str, Any] = {
        "id": event.pk,
        "timestamp": moment(event.timestamp),
        "event_type": event.event_type,
        "action": event.action,
        "user_id": event.user_id,
        "actor": {"type": event.actor_type, "id": event.actor_id, "label": event.actor_label},
        "email": event.email,
        "resource": event.resource or None,
        "success": event.success,
        "failure_reason": event.failure_reason or None,
        "error_message": event.error_message or None,
        "details": event.details,
        "ip_address": event.ip_address,
        "user_agent": event.user_agent or None,
        "request_id": event.request_id or None,
        "session_id": event.session_id,
    }
    if not scope.sees_addresses:
        shape |= _masked(event)
    return shape | _faults(event)


def told(event: Event, *, private: bool) -> dict[str, Any]:
    """Return *event* in the shape of the API, for a terminal or another system: what is private if asked for."""
    shape = event_shape(event, TrailScope(actor=Actor.system()))
    return shape if private else {name: value for name, value in shape.items() if name not in _HIDDEN}


def _faults(event: Event) -> dict[str, Any]:
    """Return what says that *event* does not give any more what it was written with."""
    faults = event.erased
    found: dict[str, Any] = {"details": None} if any(fault.startswith(PERSONAL) for fault in faults) else {}
    for word, end in (("erased", privacy.ERASED), ("altered", privacy.ALTERED), ("unreadable", privacy.UNREADABLE)):
        if {f"{kind}{end}" for kind in (NETWORK, PERSONAL)}.intersection(faults):
            found[word] = True
    return found


def _masked(event: Event) -> dict[str, Any]:
    """Return what of *event* those see to whom addresses are masked, and the network of staff is not shown."""
    hidden = {} if event.is_own else {"ip_address": None, "user_agent": None}
    return {
        "email": event.email and mask_email(event.email),
        "resource": _mask(event.resource) or None,
        "error_message": _mask(event.error_message) or None,
        "details": _mask(event.details),
        **hidden,
    }


def _mask(value: Any) -> Any:
    match value:
        case str():
            return _ADDRESS.sub(lambda found: mask_email(found[0]), value)
        case dict():
            return {_mask(key): _mask(item) for key, item in value.items()}
        case list():
            return [_mask(item) for item in value]
        case _:
            return value
