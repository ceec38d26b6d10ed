"""What the pages say: spans of time, refusals at a form, and why a session ended."""

from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gatehouse.problems import Problem


def span(length: timedelta) -> str:
    """Return *length* in words, in the largest unit that fits: "10 minutes", "30 days"."""
    seconds = max(0, round(length.total_seconds()))
    if seconds >= 86400 and seconds % 86400 == 0 and seconds > 86400:
        return ngettext("%(n)d day", "%(n)d days", seconds // 86400) % {"n": seconds // 86400}
    if seconds >= 3600 and seconds % 3600 == 0:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // 3600) % {"n": seconds // 3600}
    if seconds >= 60:
        return ngettext("%(n)d minute", "%(n)d minutes", -(-seconds // 60)) % {"n": -(-seconds // 60)}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
