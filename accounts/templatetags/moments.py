"""Points in time in the pages: one template writes each ``<time>``."""

from datetime import datetime

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def moment(at: datetime | None, style: str = "relative") -> str | SafeString:
    """Show *at* as a ``<time>``; *style* is ``relative``, ``clock`` or ``full``."""
    return SafeString(render_to_string("elements/time.html", {"at": at, "style": style}).strip()) if at else ""
