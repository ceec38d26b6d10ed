"""What is recorded of telling of a lockout, passing it and lifting it."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import EventType, SecurityEvent


@dataclass(frozen=True, kw_only=True)
class LockoutTold(SecurityEvent):
    """The worker told the owner of an address of its lockout: outcome is link, notice, or nothing."""

    action: ClassVar[str] = "authn_login_lock_told"
    outcome: str


@dataclass(frozen=True, kw_only=True)
class BrowserUnlocked(SecurityEvent):
    """The link of a mail about a lockout let a browser past it, or was refused."""

    action: ClassVar[str] = "authn_login_unlocked"


@dataclass(frozen=True, kw_only=True)
class AccountUnlocked(SecurityEvent):
    """Staff lifted a lockout: before and after are locked or open."""

    action: ClassVar[str] = "user_unlocked"
    event_type: ClassVar[EventType] = EventType.ADMIN
    reason: str
    before: str
    after: str
    failed_sign_ins: int
