"""What is recorded of accounts that their owners give up, and of erasures. No address is in any of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class DeletionRequested(SecurityEvent):
    """Somebody asked for the erasure of their own account at a moment to come, or was refused."""

    action: ClassVar[str] = "user_deletion_requested"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    erase_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DeletionUndone(SecurityEvent):
    """The owner of an account kept it after all, signed in or by the link of the mail, or was refused."""

    action: ClassVar[str] = "user_deletion_undone"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class AccountErased(SecurityEvent):
    """An account was erased: its id stays, nothing of its owner does; asked_by is owner or staff."""

    action: ClassVar[str] = "user_erased"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    is_impersonal: ClassVar[bool] = True
    asked_by: str
    sessions_ended: int
