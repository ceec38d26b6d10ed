"""What is recorded of sign-ups, and of what an account says of its owner."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class UserRegistered(SecurityEvent):
    """Somebody asked for an account; success is false where the address has one already."""

    action: ClassVar[str] = "user_registered"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    terms_version: str


@dataclass(frozen=True, kw_only=True)
class AddressVerified(SecurityEvent):
    """An address was proved by its link, or a link was refused."""

    action: ClassVar[str] = "user_email_verified"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class RegistrationExpired(SecurityEvent):
    """An account whose address nobody proved was removed."""

    action: ClassVar[str] = "user_registration_expired"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class VerificationRequested(SecurityEvent):
    """Somebody asked for a new verification link."""

    action: ClassVar[str] = "user_verification_requested"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class AccountUpdated(SecurityEvent):
    """Somebody changed what their account says of them; attributes names the columns, never what stands in them."""

    action: ClassVar[str] = "user_updated"
    event_type: ClassVar[EventType] = EventType.USER_MANAGEMENT
    attributes: tuple[str, ...]
