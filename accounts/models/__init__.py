"""The tables of this app; each module says who writes it, who reads it, and how it is cleaned up."""

from accounts.models.api_key import ApiKey
from accounts.models.challenge import Challenge, ChallengePurpose, Method
from accounts.models.consent import Consent
from accounts.models.erased import ErasedAddress
from accounts.models.export import Export, ExportState
from accounts.models.factors import RecoveryCode, TotpDevice
from accounts.models.grant import Grant
from accounts.models.link import Link, LinkPurpose
from accounts.models.mail import Mail, MailState
from accounts.models.user import AbstractAccount, Status, User

__all__ = [
    "AbstractAccount",
    "ApiKey",
    "Challenge",
    "ChallengePurpose",
    "Consent",
    "ErasedAddress",
    "Export",
    "ExportState",
    "Grant",
    "Link",
    "LinkPurpose",
    "Mail",
    "MailState",
    "Method",
    "RecoveryCode",
    "Status",
    "TotpDevice",
    "User",
]
