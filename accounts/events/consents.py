"""What is recorded of answers about a purpose."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class ConsentGiven(SecurityEvent):
    """Somebody agreed to a version of a purpose; the terms of a sign-up are in the row of the sign-up."""

    action: ClassVar[str] = "user_consent_given"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    purpose: str
    version: str


@dataclass(frozen=True, kw_only=True)
class ConsentWithdrawn(ConsentGiven):
    """Somebody withdrew what they had agreed to, or refused what was asked."""

    action: ClassVar[str] = "user_consent_withdrawn"
