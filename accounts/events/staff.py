"""What is recorded of staff and what they do to accounts."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class UserInvited(SecurityEvent):
    """An account was made for somebody, by staff or a command, or sent a new link to set it up."""

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
class PasswordResetForced(SecurityEvent):
    """Staff put the password of an account out of force; before and after say whether there is one."""

    action: ClassVar[str] = "user_password_reset_forced"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: str
    after: str
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class FactorsReset(SecurityEvent):
    """Staff took the authenticator apps and recovery codes of an account away."""

    action: ClassVar[str] = "user_factors_reset"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: list[str]
    after: list[str]
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class PermissionGranted(SecurityEvent):
    """A super admin gave one permission to one account, for a time."""

    action: ClassVar[str] = "authz_permission_granted"
    event_type: ClassVar[EventType] = EventType.ADMIN
    permission: str
    reason: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class PermissionTakenBack(SecurityEvent):
    """A permission that was given to one account was taken back, or ended with the role."""

    action: ClassVar[str] = "authz_permission_revoked"
    event_type: ClassVar[EventType] = EventType.ADMIN
    permission: str
    reason: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


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
