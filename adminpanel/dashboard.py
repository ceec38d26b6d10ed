"""The first page of the staff area: how things stand, by a fixed number of queries."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Mail, MailState, Status, User
from accounts.people import visible_sessions, visible_users
from adminpanel import cells
from audit import queries, report
from sessions_app import state_cache

_LATEST = 10
DAYS = (1, 7)  # how far back the figures of the trail may go
_SHOWN = ("sign-ins", "reasons", "places", "others")


@dataclass(frozen=True)
class Figure:
    """One number, what it counts, and where its rows are."""

    label: Any
    number: int
    url: str = ""
    look: str = ""


@dataclass(frozen=True)
class Group:
    """Figures that belong together."""

    title: Any
    figures: list[Figure]


def groups(viewer: User) -> list[Group]:
    """Return the figures that the role of *viewer* opens."""
    found = [Group(_("Users"), _users(viewer)), Group(_("Sessions"), _sessions(viewer))]
    if viewer.may("mail.read"):
        found.append(Group(_("Mails"), _mails()))
    return found


def latest(viewer: User) -> list[tuple[Any, Any, Any]]:
    """Return the newest events, how each ended and where it came from, for those who read the trail."""
    if not viewer.may("audit.read"):
        return []
    return cells.happened(queries.events()[:_LATEST], viewer)


def trail(viewer: User, days: int) -> tuple[report.Section, ...]:
    """Return the figures of the trail of so many days, for those whose role has them."""
    if not viewer.may("audit.statistics"):
        return ()
    now = timezone.now()
    made = report.make(since=now - timedelta(days=days), bucket="hour", addresses=viewer.may("audit.read"), now=now)
    return tuple(section for section in made.sections if section.name in _SHOWN)


def _users(viewer: User) -> list[Figure]:
    url = reverse("admin:accounts_user_changelist")
    rows = visible_users(viewer).order_by().values("status").annotate(number=Count("pk"))
    numbers = {row["status"]: row["number"] for row in rows}
    return [Figure(status.label, numbers.get(status.value, 0), f"{url}?status={status.value}") for status in Status]


def _sessions(viewer: User) -> list[Figure]:
    now = timezone.now()
    number = visible_sessions(viewer).live(now).count()
    figures = [Figure(_("Live"), number, reverse("admin:sessions_app_session_changelist") + "?state=live")]
    if state_cache.is_on():
        lost = state_cache.lost(now)
        figures.append(Figure(_("Changes Redis did not hear of"), lost, look="care" if lost else ""))
    return figures


def _mails() -> list[Figure]:
    shown = (MailState.QUEUED, MailState.SENDING, MailState.FAILED)
    rows = Mail.objects.filter(state__in=shown).order_by().values("state").annotate(number=Count("pk"))
    numbers = {row["state"]: row["number"] for row in rows}
    waiting = numbers.get(MailState.QUEUED, 0) + numbers.get(MailState.SENDING, 0)
    failed = numbers.get(MailState.FAILED, 0)
    return [Figure(_("Waiting"), waiting), Figure(_("Given up"), failed, look="bad" if failed else "")]
