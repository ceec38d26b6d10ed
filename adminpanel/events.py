"""The security events of the staff area; what staff do to an account is told by the service that does it."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class AdminAccessRefused(SecurityEvent):
    """Somebody at the staff door asked for a page that their role does not open."""

    action: ClassVar[str] = "authz_fail"
    event_type: ClassVar[EventType] = EventType.ADMIN
    success: bool = False
