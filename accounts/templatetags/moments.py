"""Points in time in the pages: one template writes each ``<time>``."""

from datetime import datetime, timedelta

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil

from accounts.pages.words import span

register = template.Library()

_LONG = timedelta(hours=2)


@register.filter
def moment(at: datetime | None, style: str = "relative") -> str | SafeString:
    """Show *at* as a ``<time>``; *style* is ``relative``, ``clock`` or ``full``."""
    return SafeString(render_to_string("elements/time.html", {"at": at, "style": style}).strip()) if at else ""


@register.filter
def until(at: datetime) -> str:
    """Return how long it is until *at*, never too short: a pause of 20 seconds is not one of 0 minutes."""
    left = at - timezone.now()
    return timeuntil(at) if left > _LONG else span(left)
