"""What the security page shows of an account; reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.conf import app_settings
from accounts.models import TotpDevice
from accounts.services import factors
from sessions_app.models import Device, Session
from sessions_app.reasons import RevokeReason

RECENT = 5
FEW_CODES = 3


@dataclass(frozen=True)
class Factor:
    """A way to confirm a sign-in, in words."""

    label: str
    state: str


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
    trusted_count: int
    to_do: list[Task]


def overview(*, user: Any, current: Session, now: datetime) -> Overview:
    """Gather the security page of *user*, who looks at it from *current*."""
    app = TotpDevice.objects.filter(user=user, confirmed=True).order_by("created_at").first()
    left = factors.recovery_codes_left(user)
    return Overview(
        sessions=live_sessions(user, current, now),
        recent=list(_recently_ended(user, now)),
        factors=list(_factors(app, left)),
        trusted_count=Device.objects.for_user(user).trusted(now).count(),
        to_do=list(_tasks(user, app, left)),
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
            ended_words=str(RevokeReason(reason).label) if reason else "",
        )


def _factors(app: TotpDevice | None, left: int) -> Iterator[Factor]:
    if app is None:
        yield Factor(_("Code by email"), _code_rule())
        return
    yield Factor(_("Authenticator app"), app.name or _code_rule())
    yield Factor(_("Recovery codes"), ngettext("%(n)d left", "%(n)d left", left) % {"n": left})


def _code_rule() -> str:
    match app_settings().OTP_POLICY:
        case "always":
            return _("at each sign-in, but not on trusted devices")
        case "new_device":
            return _("at sign-in from a new device")
        case _other:
            return _("not asked for")


def _tasks(user: Any, app: TotpDevice | None, left: int) -> Iterator[Task]:
    if not user.email_verified:
        yield Task(_("Confirm your email address"))
    if app is not None and left <= FEW_CODES:
        said = ngettext("Make new recovery codes: %(n)d is left", "Make new recovery codes: %(n)d are left", left)
        yield Task(said % {"n": left})
