"""Small pieces of the lists: a link, a time, a state in words and colour."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.models import Status, User
from accounts.templatetags.moments import moment
from audit.models import Event
from sessions_app.models import Session

_STATUS_LOOK = {Status.ACTIVE: "good", Status.INACTIVE: "care", Status.DISABLED: "bad", Status.DELETED: ""}


def link(url: str, words: Any) -> SafeString:
    """Return a link whose text may be in any script."""
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, words)


def text(value: str | None) -> SafeString:
    """Return a text in any script, or a dash."""
    return format_html("<bdi>{}</bdi>", value or "–")


def lines(*said: Any) -> SafeString:
    """Return what belongs together, each on a line of its own."""
    return format_html_join(SafeString("<br>"), "{}", ((one,) for one in said))


def source(ip: str | None) -> SafeString:
    """Return an address of the network, on one line where there is room."""
    return format_html('<bdi class="source">{}</bdi>', ip or "–")


def action(name: str) -> SafeString:
    """Return the name of an event, which may go on on a new line after each part of it."""
    return format_html_join(SafeString("_<wbr>"), "{}", ((part,) for part in name.split("_")))


def badge(word: Any, look: str = "") -> SafeString:
    """Return a state: its word, and a colour beside it."""
    return format_html('<span class="badge {}">{}</span>', look, word)


def time(at: datetime | None, otherwise: Any = "") -> Any:
    """Return *at* as the pages show times, or *otherwise*."""
    return moment(at, "full") if at else otherwise or _("Never")


def status(user: Any) -> SafeString:
    """Return the status of an account."""
    return badge(user.get_status_display(), _STATUS_LOOK.get(Status(user.status), ""))


def session_state(session: Session, now: datetime) -> SafeString:
    """Return whether *session* is live, or why it ended."""
    reason = session.end(now)
    return badge(_("Live"), "good") if reason is None else badge(reason.label)


def happened(events: Iterable[Event], viewer: User) -> list[tuple[Event, SafeString, str | None]]:
    """Return events with how each ended and where it came from: of staff only for those who read the trail."""
    sees_all = viewer.may("audit.read")
    return [(event, outcome(event), event.ip_address if sees_all or event.is_own else None) for event in events]


def outcome(event: Any) -> SafeString:
    """Return how what an event tells of ended."""
    if event.success:
        return badge(_("Done"), "good")
    return badge(event.failure_reason.replace("_", " ") or _("Refused"), "bad")
