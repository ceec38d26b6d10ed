"""What is recorded of staff and what they do to accounts."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class StaffInvited(SecurityEvent):
    """A staff account was made, or sent a new enrolment link."""

    action: ClassVar[str] = "user_created"
    event_type: ClassVar[EventType] = EventType.ADMIN
    role: str


@dataclass(frozen=True, kw_only=True)
class StaffEnrolled(SecurityEvent):
    """A member of staff set a password and an authenticator app."""

    action: ClassVar[str] = "user_enrolled"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class AccountDisabled(SecurityEvent):
    """Staff disabled an account."""

    action: ClassVar[str] = "user_disabled"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: str
    after: str
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class AccountEnabled(SecurityEvent):
    """Staff enabled an account."""

    action: ClassVar[str] = "user_enabled"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class AccountDeleted(SecurityEvent):
    """Staff deleted an account; its row stays until it is erased."""

    action: ClassVar[str] = "user_deleted"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: str
    after: str
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class AccountRenamed(SecurityEvent):
    """Staff gave an account another name."""

    action: ClassVar[str] = "user_renamed"
    event_type: ClassVar[EventType] = EventType.ADMIN
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class RoleChanged(SecurityEvent):
    """Staff gave an account another role; gained and lost are permissions."""

    action: ClassVar[str] = "authz_change"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: str
    after: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class SessionsEndedByStaff(SecurityEvent):
    """Staff ended sessions of an account."""

    action: ClassVar[str] = "authz_admin"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class PermissionRefused(SecurityEvent):
    """Somebody asked for what their role does not give."""

    action: ClassVar[str] = "authz_fail"
    permission: str
    success: bool = False
