"""What is recorded of exports of one's data, and of their files as operations on files (docs/export.md)."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class ExportRequested(SecurityEvent):
    """Somebody asked for all that is held about them, or was refused."""

    action: ClassVar[str] = "user_export_requested"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class ExportMade(SecurityEvent):
    """The worker made the file of such an export, or gave it up."""

    action: ClassVar[str] = "user_export_made"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    attempts: int
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExportLost(SecurityEvent):
    """The file of such an export was gone when its owner came for it."""

    action: ClassVar[str] = "user_export_lost"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class ExportFetched(SecurityEvent):
    """The owner of an export took its file, which nobody gets twice, or was refused."""

    action: ClassVar[str] = "user_export_fetched"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileDownloaded(SecurityEvent):
    """A file was sent: how much of it, how fast; success is false where the connection broke before its end."""

    action: ClassVar[str] = "download"
    event_type: ClassVar[EventType] = EventType.FILE_ACCESS
    size_bytes: int
    mime_type: str
    sha256: str
    duration_ms: int
    bytes_per_second: int


@dataclass(frozen=True, kw_only=True)
class FileDeleted(SecurityEvent):
    """A file was removed."""

    action: ClassVar[str] = "delete"
    event_type: ClassVar[EventType] = EventType.FILE_ACCESS
    size_bytes: int | None = None
    mime_type: str
