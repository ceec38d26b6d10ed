"""What an export of one's data holds: one part a table, as rows of plain values.

1. No secret, hash or token is in it: a copy of the data must not open anything.
2. What others are is theirs (GDPR, article 15, 4): of an event that staff, a command or the system caused, the export
   says that it was them, what happened and why, but not who, from where, or with what device; of an event that
   concerns a second account, nothing of that one; of what the person, as staff, did to others, that and when, but not
   to whom, so not which session either.
3. Rows come in batches along a key, so that an account with any number of events takes the same memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model, QuerySet
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from accounts import activity, lockout
from accounts.conf import app_settings
from accounts.models import Challenge, Consent, Export, Grant, Link, Mail, RecoveryCode, TotpDevice, User
from gatehouse.cursors import page_of
from sessions_app.models import Device, Session

BATCH = 200  # rows read at once

Row = dict[str, Any]
Rows = Callable[[User], Iterable[Row]]


@dataclass(frozen=True)
class Part:
    """One table of the export."""

    name: str  # of the list in the JSON, and of the CSV
    says: str | Promise  # what the README tells of it; empty where a host's part says nothing
    rows: Rows
    of: tuple[type[Model], ...] = ()  # the models that it shows
    is_one: bool = False  # one object, not a list


def parts() -> list[Part]:
    """Return what goes into an export: our parts, then those that ``EXPORT_PARTS`` names.

    Raises ImportError for a path that leads nowhere.
    """
    own = [Part(name, "", import_string(path)) for name, path in app_settings().EXPORT_PARTS]
    return [*PARTS, *own]


def _account(user: User) -> Iterator[Row]:
    by_staff = "our staff"
    state = lockout.states([user.email_key])[user.email_key]
    yield {
        **_columns(
            user,
            "id", "email", "display_name", "role", "status", "is_active", "is_staff", "created_at", "updated_at",
            "email_verified_at", "password_changed_at", "last_login", "disabled_at", "disabled_reason", "deleted_at",
            "deleted_reason", "erase_at", "erased_at", "terms_version", "terms_given_at",
        ),
        "disabled_by": by_staff if user.disabled_by else "",
        "deleted_by": ("you" if user.deleted_by == str(user.pk) else by_staff) if user.deleted_by else "",
        "locked_until": state.until,
        "failed_sign_ins": state.failures,
    }  # fmt: skip


def _table(model: type[Model], *columns: str, name: str, says: str | Promise) -> Part:
    """Return the part that shows these columns of the rows of *model* that are the user's."""

    def rows(user: User) -> Iterator[Row]:
        for row in _in_batches(model._base_manager.filter(user=user)):
            yield _columns(row, *columns)

    return Part(name, says, rows, of=(model,))


def _failures(user: User) -> Iterator[Row]:
    return lockout.failures_of(email_key=user.email_key)


def _events(user: User) -> Iterator[Row]:
    for row in _trail(user, "subject"):
        mine = activity.is_by_owner(row)
        yield {
            "id": row.pk,
            "timestamp": row.timestamp,
            "event_type": row.event_type,
            "action": row.action,
            "success": row.success,
            "failure_reason": row.failure_reason,
            "error_message": row.error_message,
            "by": _WHO.get(row.actor_type, row.actor_type) if row.actor_id != str(user.pk) else "you",
            "email": row.email,
            "resource": row.resource,
            "details": _own_details(row.details, user),
            "ip_address": row.ip_address if mine else None,
            "user_agent": row.user_agent if mine else "",
            "request_id": row.request_id if mine else "",
            "session_id": row.session_id,
        }


def _own_details(details: Mapping[str, Any], user: User) -> Row:
    """Return *details* without who ended a session, unless that was *user*, and without the other of two accounts."""
    return {
        name: value
        for name, value in details.items()
        if not name.startswith("other_") and (name != "by" or value == str(user.pk))
    }


def _acts(user: User) -> Iterator[Row]:
    for row in _trail(user, "actor"):
        if row.user_id != str(user.pk):
            yield _columns(row, "timestamp", "event_type", "action", "success", "ip_address", "user_agent")


def _trail(user: User, as_role: str) -> Iterator[Any]:
    rows = activity.trail(user=user, as_role=as_role)
    cursor = None
    while rows is not None:
        page = page_of(rows, by=activity.BY, limit=BATCH, cursor=cursor)
        yield from page.rows
        if page.next is None:
            return
        cursor = page.next


def _in_batches(rows: "QuerySet[Any]") -> Iterator[Any]:
    """Yield *rows* by their key, so many at once that no driver has to hold all of them."""
    left = rows = rows.order_by("pk")
    while found := list(left[:BATCH]):
        yield from found
        left = rows.filter(pk__gt=found[-1].pk)


def _columns(row: Any, *names: str) -> Row:
    return {name: getattr(row, name) for name in names}


_WHO: Final[Mapping[str, str]] = {
    "user": "our staff",
    "command": "our staff",
    "system": "the system",
    "service": "another service of ours",
    "anonymous": "somebody who had not signed in",
}
PARTS: Final[tuple[Part, ...]] = (
    Part("account", _("your account: address, name, role, state and times"), _account, of=(User,), is_one=True),
    _table(
        Consent, "id", "purpose", "version", "granted", "at", "ip",
        name="consents", says=_("what you agreed to, or not, and when"),
    ),
    _table(
        Session,
        "id", "device_id", "door", "transport", "keep", "ip", "user_agent", "device_name", "device_kind", "factors",
        "created_at", "authenticated_at", "last_used_at", "idle_expires_at", "absolute_expires_at",
        "refresh_issued_at", "refresh_expires_at", "rotated_at", "rotation", "revoked_at", "revoked_reason",
        name="sessions", says=_("where you are and were signed in"),
    ),
    _table(
        Device, "id", "name", "label", "kind", "first_seen_at", "last_seen_at", "trusted_until",
        name="devices", says=_("the devices that we know you by"),
    ),
    _table(
        TotpDevice, "id", "name", "confirmed", "created_at", "confirmed_at", "last_used_at", "session_id",
        "removed_at", "removed_session_id",
        name="authenticator_apps", says=_("your authenticator apps, without their keys"),
    ),
    _table(
        RecoveryCode, "id", "created_at", "used_at", "session_id",
        name="recovery_codes", says=_("when recovery codes were made and used, without the codes"),
    ),
    _table(
        Link, "id", "purpose", "email", "created_at", "expires_at", "used_at", "ip", "session_id",
        name="links", says=_("links that we mailed you, without what opens them"),
    ),
    _table(
        Challenge,
        "id", "purpose", "methods", "email", "sends", "last_sent_at", "attempts", "created_at", "expires_at",
        "code_expires_at", "consumed_at", "method_used", "ip", "device_name", "door", "keep",
        name="challenges", says=_("sign-ins that asked for a code, without the codes"),
    ),
    _table(
        Mail, "id", "template", "to", "state", "attempts", "created_at", "sent_at", "expires_at",
        name="mails", says=_("which mails we sent you, when, and whether they left"),
    ),
    _table(
        Export, "id", "state", "ip", "device_name", "created_at", "made_at", "expires_at", "fetched_at", "size",
        name="exports", says=_("the copies of your data that you asked for"),
    ),
    _table(
        Grant, "id", "permission", "reason", "created_at", "expires_at", "ended_at",
        name="grants", says=_("single permissions that you were given for a time"),
    ),
    Part("failed_sign_ins", _("sign-ins to your address that failed lately"), _failures),
    Part("events", _("what happened to your account"), _events),
    Part("acts_on_others", _("what you did as staff, without whom it was about"), _acts),
)  # fmt: skip
