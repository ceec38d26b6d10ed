"""What is recorded of sign-ins and their codes."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import SecurityEvent


@dataclass(frozen=True, kw_only=True)
class PasswordAccepted(SecurityEvent):
    """The password step of a sign-in was right; a code is asked for next."""

    action: ClassVar[str] = "authn_password_accepted"
    door: str
    methods: tuple[str, ...]
    challenge_id: str


@dataclass(frozen=True, kw_only=True)
class SignedIn(SecurityEvent):
    """A sign-in was completed."""

    action: ClassVar[str] = "authn_login_success"
    door: str
    factors: tuple[str, ...]
    new_device: bool


@dataclass(frozen=True, kw_only=True)
class SignInDisavowed(SecurityEvent):
    """The owner said that a sign-in was not theirs, by the link of the mail about it or from their activity."""

    action: ClassVar[str] = "authn_login_disavowed"
    sessions_ended: int


@dataclass(frozen=True, kw_only=True)
class SignInFailed(SecurityEvent):
    """A sign-in was refused."""

    action: ClassVar[str] = "authn_login_fail"
    door: str
    success: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInLocked(SecurityEvent):
    """A sign-in was refused unread, since too many had failed."""

    action: ClassVar[str] = "authn_login_lock"
    door: str
    success: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInLimitReached(SignInLocked):
    """The first sign-in that a lockout refused."""

    action: ClassVar[str] = "authn_login_fail_max"


@dataclass(frozen=True, kw_only=True)
class CodeSent(SecurityEvent):
    """A code was queued for mailing."""

    action: ClassVar[str] = "authn_code_sent"
    challenge_id: str = ""
    send: int = 0


@dataclass(frozen=True, kw_only=True)
class CodeFailed(SecurityEvent):
    """An answer to a challenge was refused."""

    action: ClassVar[str] = "authn_code_fail"
    challenge_id: str
    method: str
    attempts_remaining: int | None = None
    success: bool = False


@dataclass(frozen=True, kw_only=True)
class CodesExhausted(SecurityEvent):
    """The last attempt of a challenge was wrong: it takes no more answers."""

    action: ClassVar[str] = "authn_code_fail_max"
    challenge_id: str
    success: bool = False


@dataclass(frozen=True, kw_only=True)
class RecoveryCodeUsed(SecurityEvent):
    """A recovery code stood in for the app."""

    action: ClassVar[str] = "authn_recovery_code_used"
    remaining: int


@dataclass(frozen=True, kw_only=True)
class Reauthenticated(SecurityEvent):
    """Somebody signed in proved again who they are, or failed to."""

    action: ClassVar[str] = "authn_reauthentication"
    factors: tuple[str, ...] = ()
