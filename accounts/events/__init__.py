"""What this app records. Names are the OWASP logging vocabulary's, or in its form where it has none."""

from accounts.events.address import (
    AddressChangeAnswered,
    AddressChangeCancelled,
    AddressChanged,
    AddressChangeRequested,
    AddressRestored,
)
from accounts.events.api_keys import ApiKeyCreated, ApiKeyRefused, ApiKeyRevoked, ApiKeyScopesChanged
from accounts.events.consents import ConsentGiven, ConsentWithdrawn
from accounts.events.credentials import FactorChanged, PasswordChanged, PasswordReset, ResetAnswered, ResetRequested
from accounts.events.deletion import AccountErased, DeletionRequested, DeletionUndone
from accounts.events.exports import ExportFetched, ExportLost, ExportMade, ExportRequested, FileDeleted, FileDownloaded
from accounts.events.imports import AccountImported, ImportEnded
from accounts.events.lockouts import AccountUnlocked, BrowserUnlocked, LockoutTold
from accounts.events.mail import MailFailed
from accounts.events.registration import (
    AccountUpdated,
    AddressVerified,
    RegistrationExpired,
    UserRegistered,
    VerificationRequested,
)
from accounts.events.sign_in import (
    CodeFailed,
    CodeSent,
    CodesExhausted,
    PasswordAccepted,
    Reauthenticated,
    RecoveryCodeUsed,
    SignedIn,
    SignInDisavowed,
    SignInFailed,
    SignInLimitReached,
    SignInLocked,
)
from accounts.events.staff import (
    AccountDeleted,
    AccountDisabled,
    AccountEnabled,
    AccountRenamed,
    PermissionRefused,
    RoleChanged,
    SessionsEndedByStaff,
    StaffEnrolled,
    StaffInvited,
)

__all__ = [
    "AccountDeleted",
    "AccountDisabled",
    "AccountEnabled",
    "AccountErased",
    "AccountImported",
    "AccountRenamed",
    "AccountUnlocked",
    "AccountUpdated",
    "AddressChangeAnswered",
    "AddressChangeCancelled",
    "AddressChangeRequested",
    "AddressChanged",
    "AddressRestored",
    "AddressVerified",
    "ApiKeyCreated",
    "ApiKeyRefused",
    "ApiKeyRevoked",
    "ApiKeyScopesChanged",
    "BrowserUnlocked",
    "CodeFailed",
    "CodeSent",
    "CodesExhausted",
    "ConsentGiven",
    "ConsentWithdrawn",
    "DeletionRequested",
    "DeletionUndone",
    "ExportFetched",
    "ExportLost",
    "ExportMade",
    "ExportRequested",
    "FactorChanged",
    "FileDeleted",
    "FileDownloaded",
    "ImportEnded",
    "LockoutTold",
    "MailFailed",
    "PasswordAccepted",
    "PasswordChanged",
    "PasswordReset",
    "PermissionRefused",
    "Reauthenticated",
    "RecoveryCodeUsed",
    "RegistrationExpired",
    "ResetAnswered",
    "ResetRequested",
    "RoleChanged",
    "SessionsEndedByStaff",
    "SignInDisavowed",
    "SignInFailed",
    "SignInLimitReached",
    "SignInLocked",
    "SignedIn",
    "StaffEnrolled",
    "StaffInvited",
    "UserRegistered",
    "VerificationRequested",
]
