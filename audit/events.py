"""What the trail records of itself: who carries it away, and what went into the archive."""

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


@dataclass(frozen=True, kw_only=True)
class TrailArchived(SecurityEvent):
    """What old seals hold was written into a file of the archive; the rows are still there."""

    action: ClassVar[str] = "audit_archived"
    event_type: ClassVar[EventType] = EventType.SYSTEM
    is_impersonal: ClassVar[bool] = True
    file: str
    sha256: str
    first_seal: int
    last_seal: int
    events: int


@dataclass(frozen=True, kw_only=True)
class TrailCleared(SecurityEvent):
    """Rows that lie in the archive were removed from the table, of the seals up to that one."""

    action: ClassVar[str] = "audit_cleared"
    event_type: ClassVar[EventType] = EventType.SYSTEM
    is_impersonal: ClassVar[bool] = True
    file: str
    through_seal: int
    removed: int


def record(event: SecurityEvent) -> int:
    """Write *event* down, in the caller's transaction or its own; return its id."""
    return int(insert(event, event.event_type, event.action, event.details()).pk)
