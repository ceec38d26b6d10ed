"""What the security page shows of an account; reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import activity
from accounts.conf import app_settings
from accounts.models import TotpDevice
from accounts.pages.words import FEW_CODES
from accounts.services import address, consents, factors
from accounts.services.own_account import CHANGE
from sessions_app.models import Device, Session

RECENT = 5


@dataclass(frozen=True)
class Factor:
    """A way to confirm a sign-in, in words."""

    label: str
    state: str
    last_used_at: datetime | None = None
    remove_url: str = ""


@dataclass(frozen=True)
class Task:
    """Something that is better done soon, and where."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class EndedSession:
    """A session of the past: where it was, when and why it ended."""

    device_name: str
    ip: str | None
    ended_at: datetime
    ended_words: str


@dataclass(frozen=True)
class Overview:
    """Everything on the security page."""

    sessions: list[Session]  # the one at hand first
    recent: list[EndedSession]
    factors: list[Factor]
    has_app: bool
    trusted_count: int
    to_do: list[Task]
    activity: list[activity.Item]
    new_address: str  # that waits to be confirmed; empty where none does


def overview(*, user: Any, current: Session, now: datetime) -> Overview:
    """Gather the security page of *user*, who looks at it from *current*."""
    apps = list(factors.apps_of(user))
    left = factors.recovery_codes_left(user)
    return Overview(
        sessions=live_sessions(user, current, now),
        recent=list(_recently_ended(user, now)),
        factors=list(_factors(apps, left)),
        has_app=bool(apps),
        trusted_count=Device.objects.for_user(user).trusted(now).count(),
        to_do=list(_tasks(user, bool(apps), left)),
        activity=[activity.item_of(row) for row in activity.page(user=user, limit=RECENT).rows],
        new_address=waits.email if (waits := address.pending(user, now)) else "",
    )


def live_sessions(user: Any, current: Session, now: datetime) -> list[Session]:
    """Return the live sessions of *user*, *current* first, then by last use."""
    live = Session.objects.for_user(user).live(now).select_related("device").order_by("-last_used_at")
    return sorted(live, key=lambda session: session.pk != current.pk)


def _recently_ended(user: Any, now: datetime) -> Iterator[EndedSession]:
    live = Session.objects.for_user(user).live(now)
    ended = Session.objects.for_user(user).exclude(pk__in=live.values("pk")).select_related("device")
    for session in ended.newest_first()[:RECENT]:
        reason = session.end(now)
        yield EndedSession(
            device_name=session.called,
            ip=session.ip,
            ended_at=session.revoked_at or session.expires_at,
            ended_words=reason.own_words if reason else "",
        )


def _factors(apps: list[TotpDevice], left: int) -> Iterator[Factor]:
    if not apps:
        yield Factor(_("Code by email"), _code_rule())
        return
    for app in apps:
        url = reverse("accounts:totp-remove", args=[app.pk])
        yield Factor(app.name, _("authenticator app"), app.last_used_at, url)
    yield Factor(_("Recovery codes"), ngettext("%(n)d left", "%(n)d left", left) % {"n": left})


def _code_rule() -> str:
    match app_settings().OTP_POLICY:
        case "always":
            return _("at each sign-in, but not on trusted devices")
        case "new_device":
            return _("at sign-in from a new device")
        case _other:
            return _("not asked for")


def _tasks(user: Any, has_app: bool, left: int) -> Iterator[Task]:  # noqa: FBT001 - a fact, not a switch
    if not user.email_verified:
        yield Task(_("Confirm your email address"))
    if consents.are_due(user):
        said = _("Read the new version of our terms") if user.terms_version else _("Say whether you agree to our terms")
        yield Task(said, reverse("accounts:consents"))
    if has_app and left <= FEW_CODES and user.may(CHANGE):
        said = ngettext("Make new recovery codes: %(n)d is left", "Make new recovery codes: %(n)d are left", left)
        yield Task(said % {"n": left}, reverse("accounts:recovery-codes-new"))
