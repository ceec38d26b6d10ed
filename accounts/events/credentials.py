"""What is recorded of passwords and second factors."""

from dataclasses import dataclass
from typing import ClassVar

from gatehouse.events import SecurityEvent


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
    """An app was begun, added, removed or restored, recovery codes were made or ended, or such a change was refused."""

    action: ClassVar[str] = "authn_factor_change"
    factor: str
    change: str
