"""What is recorded of changes of an account's address. ``before`` and ``after`` are masked."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class AddressChangeRequested(SecurityEvent):
    """The owner of an account asked for another address, or was refused; the old one stays until that is proved."""

    action: ClassVar[str] = "user_email_change_requested"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class AddressChangeAnswered(SecurityEvent):
    """The worker answered such a request: outcome is link, taken, or nothing."""

    action: ClassVar[str] = "user_email_change_answered"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    outcome: str


@dataclass(frozen=True, kw_only=True)
class AddressChangeCancelled(SecurityEvent):
    """A change of the address was withdrawn before it took effect, by its owner or by the link to the old address."""

    action: ClassVar[str] = "user_email_change_cancelled"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    by_link: bool


@dataclass(frozen=True, kw_only=True)
class AddressChanged(SecurityEvent):
    """An account got another address by the link that proved it, or that was refused."""

    action: ClassVar[str] = "user_email_changed"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    before: str = ""
    after: str = ""
    sessions_ended: int = 0


@dataclass(frozen=True, kw_only=True)
class AddressRestored(SecurityEvent):
    """An account got its old address back by the link mailed there, or that was refused."""

    action: ClassVar[str] = "user_email_change_undone"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    before: str = ""
    after: str = ""
    sessions_ended: int = 0
