"""What the mail templates need besides Django's own filters."""

from urllib.parse import urlsplit

from django import template

register = template.Library()


@register.filter
def host(url: str) -> str:
    """Return the host of *url*, which a code in a mail is bound to."""
    return urlsplit(url).hostname or ""
