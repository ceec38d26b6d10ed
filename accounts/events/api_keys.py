"""What is recorded of the keys of other services. ``public_id`` is the part of a key that is shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(SecurityEvent):
    """A key for another service was made."""

    action: ClassVar[str] = "authn_token_created"
    event_type: ClassVar[EventType] = EventType.ADMIN
    is_impersonal: ClassVar[bool] = True
    name: str
    public_id: str
    scopes: tuple[str, ...]
    expires_at: datetime
    limit_per_minute: int | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKeyScopesChanged(SecurityEvent):
    """The key of another service may do other things from now on; gained and lost are scopes."""

    action: ClassVar[str] = "authz_scope_change"
    event_type: ClassVar[EventType] = EventType.ADMIN
    is_impersonal: ClassVar[bool] = True
    name: str
    public_id: str
    reason: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ApiKeyRevoked(SecurityEvent):
    """The key of another service opens nothing any more."""

    action: ClassVar[str] = "authn_token_revoked"
    event_type: ClassVar[EventType] = EventType.ADMIN
    is_impersonal: ClassVar[bool] = True
    name: str
    public_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ApiKeyRefused(SecurityEvent):
    """A key was presented that opens nothing: made up, wrong, revoked or too old."""

    action: ClassVar[str] = "authn_token_refused"
    is_impersonal: ClassVar[bool] = True
    public_id: str | None = None  # where the text was a key by its form
    success: bool = False
