"""What this app records. Names are the OWASP logging vocabulary's, or in its form where it has none."""

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
    """The owner of an account said that a sign-in was not theirs, by the link of the mail about it."""

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
class Reauthenticated(SecurityEvent):
    """Somebody signed in proved again who they are, or failed to."""

    action: ClassVar[str] = "authn_reauthentication"
    factors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(SecurityEvent):
    """Somebody signed in changed the password, or was refused; a wrong present one is a failed reauthentication."""

    action: ClassVar[str] = "authn_password_change"
    sessions_ended: int = 0


@dataclass(frozen=True, kw_only=True)
class ResetRequested(SecurityEvent):
    """Somebody asked to reset a password; success is false where that was asked for too often to mail again."""

    action: ClassVar[str] = "authn_password_reset_requested"


@dataclass(frozen=True, kw_only=True)
class ResetAnswered(SecurityEvent):
    """The worker answered such a request: outcome is link, no_account, or nothing."""

    action: ClassVar[str] = "authn_password_reset_answered"
    outcome: str


@dataclass(frozen=True, kw_only=True)
class PasswordReset(SecurityEvent):
    """A password was set by the link of a mail, or that was refused."""

    action: ClassVar[str] = "authn_password_reset"
    sessions_ended: int = 0


@dataclass(frozen=True, kw_only=True)
class FactorChanged(SecurityEvent):
    """An authenticator app was added or begun, or recovery codes were made."""

    action: ClassVar[str] = "authn_factor_change"
    factor: str
    change: str


@dataclass(frozen=True, kw_only=True)
class RecoveryCodeUsed(SecurityEvent):
    """A recovery code stood in for the app."""

    action: ClassVar[str] = "authn_recovery_code_used"
    remaining: int


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


@dataclass(frozen=True, kw_only=True)
class MailFailed(SecurityEvent):
    """A mail was given up or dropped."""

    action: ClassVar[str] = "sys_mail_failed"
    event_type: ClassVar[EventType] = EventType.SYSTEM
    template: str
    attempts: int
    success: bool = False
