"""What is recorded of mails."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class MailFailed(SecurityEvent):
    """A mail was given up or dropped."""

    action: ClassVar[str] = "sys_mail_failed"
    event_type: ClassVar[EventType] = EventType.SYSTEM
    template: str
    attempts: int
    success: bool = False
