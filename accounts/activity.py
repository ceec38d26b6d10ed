"""What happened to an account, in words for its owner: read from the trail by the road that ACTIVITY names.

The trail is another app's, which may be absent; then there is no activity to show. What an event says of whoever acted
for others (staff, a command, the system) is not shown: their device and network are their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from django.db import models
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from accounts.conf import app_settings
from accounts.models import User
from gatehouse.client import describe_device
from gatehouse.cursors import Page, page_of
from sessions_app.reasons import RevokeReason

BY = "timestamp"


class Kind(models.TextChoices):
    """What a person may ask to see alone."""

    SIGN_INS = "sign_ins", lazy("Sign-ins")
    CREDENTIALS = "credentials", lazy("Password, codes and devices")
    ACCOUNT = "account", lazy("Account")


@dataclass(frozen=True)
class Words:
    """How one kind of event is told, where it succeeded and where it failed; an empty text is not told at all."""

    kind: Kind
    done: str | Promise = ""
    failed: str | Promise = ""
    is_grave: bool = True  # whether its owner may say "This wasn't me"


_IN, _KEYS, _SELF = Kind.SIGN_INS, Kind.CREDENTIALS, Kind.ACCOUNT
WORDS: Mapping[str, Words] = {
    "authn_login_success": Words(_IN, lazy("Signed in")),
    "authn_login_fail": Words(_IN, failed=lazy("A sign-in failed")),
    "authn_login_fail_max": Words(_IN, failed=lazy("Sign-in was locked after too many attempts")),
    "authn_login_unlocked": Words(_IN, lazy("A device was let past the lock by the mailed link")),
    "authn_code_fail": Words(_IN, failed=lazy("The password was right, but the code was not")),
    "authn_code_fail_max": Words(_IN, failed=lazy("A sign-in was stopped after too many wrong codes")),
    "authn_login_disavowed": Words(_IN, lazy("A sign-in was reported as not yours"), is_grave=False),
    "authn_token_reuse": Words(_IN, failed=lazy("A session was ended because an old token of it was used again")),
    "session_logout": Words(_IN, lazy("Signed out"), is_grave=False),
    "session_revoked": Words(_IN, lazy("A session was ended"), is_grave=False),
    "session_expired": Words(_IN, lazy("A session was ended by time"), is_grave=False),
    "authn_reauthentication": Words(_IN, lazy("Confirmed who you are"), lazy("Confirming who you are failed")),
    "authn_password_change": Words(_KEYS, lazy("Password changed"), lazy("A change of the password was refused")),
    "authn_password_reset": Words(_KEYS, lazy("New password set by a mailed link"), lazy("Setting one was refused")),
    "authn_password_reset_answered": Words(_KEYS, lazy("A link to set a new password was mailed")),
    "authn_factor_change": Words(_KEYS, lazy("The ways to confirm a sign-in were changed")),
    "authn_recovery_code_used": Words(_KEYS, lazy("A recovery code was used")),
    "authn_device_trusted": Words(_KEYS, lazy("A device was trusted: it signs in without a code")),
    "authn_device_forgotten": Words(_KEYS, lazy("The trust in devices was withdrawn"), is_grave=False),
    "authn_device_removed": Words(_KEYS, lazy("A device was forgotten"), is_grave=False),
    "authn_device_renamed": Words(_KEYS, lazy("A device was renamed"), is_grave=False),
    "user_registered": Words(_SELF, lazy("Account created"), is_grave=False),
    "user_email_verified": Words(_SELF, lazy("Email address confirmed"), is_grave=False),
    "user_enrolled": Words(_SELF, lazy("Account set up with an authenticator app"), is_grave=False),
    "user_imported": Words(_SELF, lazy("Account taken over from another system"), is_grave=False),
    "user_updated": Words(_SELF, lazy("Name changed")),
    "user_email_change_requested": Words(_SELF, lazy("A change of the email address was asked for")),
    "user_email_change_cancelled": Words(_SELF, lazy("The change of the email address was cancelled"), is_grave=False),
    "user_email_changed": Words(_SELF, lazy("Email address changed")),
    "user_email_change_undone": Words(_SELF, lazy("The change of the email address was undone"), is_grave=False),
    "user_deletion_requested": Words(_SELF, lazy("The deletion of the account was asked for")),
    "user_deletion_undone": Words(_SELF, lazy("The deletion of the account was undone"), is_grave=False),
    "user_export_requested": Words(_SELF, lazy("A copy of your data was asked for")),
    "user_export_made": Words(
        _SELF, lazy("The copy of your data was made"), lazy("A copy of your data failed"), is_grave=False
    ),
    "user_export_lost": Words(_SELF, failed=lazy("A copy of your data failed"), is_grave=False),
    "user_export_fetched": Words(_SELF, lazy("The copy of your data was downloaded")),
    "user_consent_given": Words(_SELF, lazy("Agreed to something we asked")),
    "user_consent_withdrawn": Words(_SELF, lazy("Withdrew what was agreed to, or refused it")),
    "user_disabled": Words(_SELF, lazy("Our staff disabled the account"), is_grave=False),
    "user_enabled": Words(_SELF, lazy("Our staff enabled the account again"), is_grave=False),
    "user_unlocked": Words(_SELF, lazy("Our staff lifted the lock of sign-in"), is_grave=False),
    "user_deleted": Words(_SELF, lazy("Our staff deleted the account"), is_grave=False),
    "user_password_reset_forced": Words(
        _KEYS, lazy("Our staff asked for a new password, and put the old one out of force"), is_grave=False
    ),
    "user_factors_reset": Words(
        _KEYS, lazy("Our staff took the authenticator apps and recovery codes away"), is_grave=False
    ),
    "user_renamed": Words(_SELF, lazy("Our staff changed your name"), is_grave=False),
    "authz_change": Words(_SELF, lazy("Our staff changed your role"), is_grave=False),
    "authz_permission_granted": Words(_SELF, lazy("Our staff gave you a permission for a time"), is_grave=False),
    "authz_permission_revoked": Words(_SELF, lazy("A permission that you were given for a time ended"), is_grave=False),
    "authz_admin": Words(_SELF, lazy("Our staff ended sessions"), is_grave=False),
}

_FACTORS: Mapping[tuple[str, str], str | Promise] = {
    ("totp", "begun"): lazy("Setting up an authenticator app began"),
    ("totp", "added"): lazy("Authenticator app added"),
    ("totp", "removed"): lazy("Authenticator app removed"),
    ("totp", "restored"): lazy("Authenticator app put back"),
    ("recovery", "made"): lazy("New recovery codes made"),
    ("recovery", "removed"): lazy("Recovery codes removed"),
    ("password", "set"): lazy("Password set"),
}


class Row(Protocol):
    """What is read of an event of the trail."""

    pk: Any
    timestamp: datetime
    action: str
    success: bool
    user_id: str | None
    actor_type: str
    actor_id: str | None
    ip_address: str | None
    user_agent: str
    session_id: str | None
    details: dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One thing that happened, as its owner sees it."""

    id: int
    timestamp: datetime
    action: str
    text: str
    success: bool
    device: str | None
    ip: str | None
    session_id: str | None
    may_be_disavowed: bool


def is_kept() -> bool:
    """Tell whether there is a trail to read."""
    return bool(app_settings().ACTIVITY)


def page(
    *,
    user: User,
    limit: int,
    cursor: str | None = None,
    kind: Kind | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[Any]:
    """Return one page of the events of *user* that are told, the newest first; *until* is exclusive.

    Raises gatehouse.cursors.InvalidCursorError.
    """
    rows = _told(user, since=since, until=until, kind=kind)
    return Page([], None, None) if rows is None else page_of(rows, by=BY, limit=limit, cursor=cursor)


def find(*, user: User, event_id: int) -> Item | None:
    """Return one event of *user* that is told, or None."""
    rows = _told(user)
    row = None if rows is None else rows.filter(pk=event_id).first()
    return None if row is None else item_of(row)


def trail(*, user: User, as_role: str) -> "QuerySet[Any] | None":
    """Return every event about *user* (``subject``) or by *user* (``actor``), told or not; None without a trail."""
    if not is_kept():
        return None
    read = cast(Callable[..., "QuerySet[Any]"], import_string(app_settings().ACTIVITY))
    return read(users=[user.pk], as_role=as_role)


def is_by_owner(row: Row) -> bool:
    """Tell whether its owner did it, or somebody who was not signed in; else device and network are another's."""
    return row.actor_type == "anonymous" or (row.actor_type == "user" and row.actor_id == row.user_id)


def item_of(row: Row) -> Item:
    """Return *row* in words."""
    words = WORDS[row.action]
    by_owner = is_by_owner(row)
    return Item(
        id=row.pk,
        timestamp=row.timestamp,
        action=row.action,
        text=_text(row, words),
        success=row.success,
        device=describe_device(row.user_agent)[0] if by_owner and row.user_agent else None,
        ip=row.ip_address if by_owner else None,
        session_id=row.session_id,
        may_be_disavowed=words.is_grave and by_owner,
    )


def _told(
    user: User, *, since: datetime | None = None, until: datetime | None = None, kind: Kind | None = None
) -> "QuerySet[Any] | None":
    """Return the events that are told; those of an action that failed only where a failure of it is told."""
    if not is_kept():
        return None
    read = cast(Callable[..., "QuerySet[Any]"], import_string(app_settings().ACTIVITY))
    mine = {action: words for action, words in WORDS.items() if kind in (None, words.kind)}
    rows = read(users=[user.pk], as_role="subject", actions=[*mine], since=since, until=until)
    only_done = [action for action, words in mine.items() if not words.failed]
    only_failed = [action for action, words in mine.items() if not words.done]
    return rows.exclude(success=False, action__in=only_done).exclude(success=True, action__in=only_failed)


def _text(row: Row, words: Words) -> str:
    if not row.success:
        return str(words.failed)
    match row.action:
        case "authn_login_success" if row.details.get("new_device"):
            return _("Signed in from a new device")
        case "authn_factor_change":
            known = (str(row.details.get("factor")), str(row.details.get("change")))
            return str(_FACTORS.get(known, words.done))
        case "session_revoked" | "session_expired" if row.details.get("reason") in RevokeReason.values:
            why = RevokeReason(row.details["reason"]).own_words
            return _("A session was ended: %(reason)s") % {"reason": why}
        case _other:
            return str(words.done)
