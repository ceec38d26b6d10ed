"""The dialog that says, before time ends a session, that it will."""

from datetime import timedelta
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone

register = template.Library()

WARN_BEFORE = timedelta(minutes=2)  # WCAG 2.2.1 asks for 20 seconds at least
_LAST_PART = 4  # of a shorter idle time: its last quarter


@register.inclusion_tag("sessions_app/session_ending.html", takes_context=True)
def session_ending(context: dict[str, Any], *, stay: str, leave: str) -> dict[str, Any]:
    """Give the dialog what it needs, nothing where nobody is signed in; *stay* and *leave* are names of paths."""
    request: HttpRequest = context["request"]
    principal = getattr(request, "principal", None)
    if principal is None:
        return {"session": None}
    session, now = principal.session, timezone.now()
    left = session.expires_at - now
    return {
        "session": session,
        "seconds_left": int(left.total_seconds()),
        "warn_before": int(min(WARN_BEFORE, left / _LAST_PART).total_seconds()),
        "is_final": session.absolute_expires_at <= session.idle_expires_at,
        "stay_url": stay,
        "leave_url": leave,
        "csrf_token": context.get("csrf_token"),
        "here": request.get_full_path(),
    }
