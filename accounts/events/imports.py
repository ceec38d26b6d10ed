"""What is recorded of an import."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class AccountImported(SecurityEvent):
    """An account of another system was taken in; scheme says how its password is hashed, if it has one."""

    action: ClassVar[str] = "user_imported"
    event_type: ClassVar[EventType] = EventType.ADMIN
    verified: bool
    scheme: str


@dataclass(frozen=True, kw_only=True)
class ImportEnded(SecurityEvent):
    """An import ended or was stopped; how many accounts it took in, found there already, and refused."""

    action: ClassVar[str] = "user_import_ended"
    event_type: ClassVar[EventType] = EventType.ADMIN
    taken: int
    present: int
    refused: int
