"""What the trail records of those who carry it away."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from gatehouse.events import EventType, SecurityEvent

from .receivers import insert


@dataclass(frozen=True, kw_only=True)
class TrailExportBegun(SecurityEvent):
    """Somebody began to take events out of the trail; ``filters`` are those it was asked with, addresses masked."""

    action: ClassVar[str] = "audit_export_begun"
    event_type: ClassVar[EventType] = EventType.ADMIN
    format: str
    filters: dict[str, Any] = field(default_factory=dict)


def record(event: SecurityEvent) -> int:
    """Write *event* down, in the caller's transaction or its own; return its id."""
    return int(insert(event, event.event_type, event.action, event.details()).pk)
