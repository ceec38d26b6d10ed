"""What happens to sessions and devices, as it is recorded."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class SessionCreated(SecurityEvent):
    """Somebody signed in; a session was opened."""

    action: ClassVar[str] = "session_created"
    door: str
    transport: str
    factors: list[str]
    device_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class SessionRenewed(SecurityEvent):
    """A refresh token was exchanged; with ``grace``, the same successor was handed out once more."""

    action: ClassVar[str] = "session_renewed"
    rotation: int
    grace: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionRevoked(SecurityEvent):
    """A session was ended by somebody's act or by a rule."""

    action: ClassVar[str] = "session_revoked"
    reason: str
    by: str | None = None


@dataclass(frozen=True, kw_only=True)
class SignedOut(SessionRevoked):
    """Somebody signed out where they were."""

    action: ClassVar[str] = "session_logout"


@dataclass(frozen=True, kw_only=True)
class SessionExpired(SessionRevoked):
    """Time ended a session."""

    action: ClassVar[str] = "session_expired"


@dataclass(frozen=True, kw_only=True)
class SessionsEndedByCommand(SecurityEvent):
    """An operator ended sessions by a command; each of them has its own event besides."""

    action: ClassVar[str] = "session_revoked_by_command"
    event_type: ClassVar[EventType] = EventType.ADMIN
    selector: str
    selected: str | None
    reason: str
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class SessionUsedAfterEnd(SecurityEvent):
    """A token or a cookie of an ended session was shown; it opened nothing."""

    action: ClassVar[str] = "session_use_after_expire"
    reason: str


@dataclass(frozen=True, kw_only=True)
class SessionMoved(SecurityEvent):
    """A session was used from another network, or by another browser, than the last time that was written down."""

    action: ClassVar[str] = "session_moved"
    network: bool
    device: bool


@dataclass(frozen=True, kw_only=True)
class SessionMismatch(SecurityEvent):
    """An access token of one account came with the session cookie of another; the token decided who it was."""

    action: ClassVar[str] = "session_mismatch"
    other_user_id: str
    other_session_id: str


@dataclass(frozen=True, kw_only=True)
class TokenRefused(SecurityEvent):
    """A token that does not verify was shown; whom it claims to speak for is not believed."""

    action: ClassVar[str] = "authn_token_invalid"
    kind: str


@dataclass(frozen=True, kw_only=True)
class TokenReused(SecurityEvent):
    """A refresh token came back after its successor was used; the session was ended with it."""

    action: ClassVar[str] = "authn_token_reuse"
    rotation: int


@dataclass(frozen=True, kw_only=True)
class SessionDenied(SecurityEvent):
    """Somebody asked for a session of another account."""

    action: ClassVar[str] = "authz_fail"


@dataclass(frozen=True, kw_only=True)
class OriginRefused(SecurityEvent):
    """A request wanted to use cookies from a site that is not ours, or did not say that it uses them."""

    action: ClassVar[str] = "authz_fail"
    origin: str


@dataclass(frozen=True, kw_only=True)
class DeviceAdded(SecurityEvent):
    """An account was used from a device it had not been used from; ``first`` where it had been used from none."""

    action: ClassVar[str] = "authn_device_added"
    device_id: UUID
    device_name: str
    first: bool


@dataclass(frozen=True, kw_only=True)
class DeviceTrusted(SecurityEvent):
    """A device was trusted: until then its sign-ins ask for no code."""

    action: ClassVar[str] = "authn_device_trusted"
    device_id: UUID
    trusted_until: datetime


@dataclass(frozen=True, kw_only=True)
class DeviceForgotten(SecurityEvent):
    """The trust in devices was withdrawn."""

    action: ClassVar[str] = "authn_device_forgotten"
    devices: int


@dataclass(frozen=True, kw_only=True)
class DeviceRenamed(SecurityEvent):
    """A device was given a name by its owner; the name itself is not recorded."""

    action: ClassVar[str] = "authn_device_renamed"
    device_id: UUID


@dataclass(frozen=True, kw_only=True)
class DeviceRemoved(SecurityEvent):
    """A device is not known any more: the next sign-in from there counts as new."""

    action: ClassVar[str] = "authn_device_removed"
    device_id: UUID
    was_trusted: bool


@dataclass(frozen=True, kw_only=True)
class DeviceDenied(SecurityEvent):
    """Somebody asked for a device of another account."""

    action: ClassVar[str] = "authz_fail"


@dataclass(frozen=True, kw_only=True)
class SigningKeyGenerated(SecurityEvent):
    """A key that may sign tokens was made."""

    event_type: ClassVar[EventType] = EventType.SYSTEM
    action: ClassVar[str] = "sys_signing_key_generated"
    kid: str
    algorithm: str


@dataclass(frozen=True, kw_only=True)
class SigningKeyActivated(SecurityEvent):
    """Tokens are signed with another key from now on; ``before`` is the one that signed until now."""

    event_type: ClassVar[EventType] = EventType.SYSTEM
    action: ClassVar[str] = "sys_signing_key_activated"
    kid: str
    algorithm: str
    before: str | None = None


@dataclass(frozen=True, kw_only=True)
class SigningKeyRetired(SecurityEvent):
    """A key is not believed any more; the sessions whose refresh tokens it signed were ended where that was asked."""

    event_type: ClassVar[EventType] = EventType.SYSTEM
    action: ClassVar[str] = "sys_signing_key_retired"
    kid: str
    algorithm: str
    sessions_ended: int
