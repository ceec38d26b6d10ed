"""Why somebody with power over others did something: asked for wherever it is used, and kept in the trail."""

from django.utils.translation import gettext as _

from .problems import validation
from .text import UnsafeText, clean_text

MAX_REASON = 500


def checked_reason(reason: str) -> str:
    """Return *reason* as it is kept; raises validation_failed where it is empty, too long or unsafe to store."""
    try:
        reason = clean_text(reason.strip(), multiline=True)
    except UnsafeText:
        raise validation("reason", "invalid", _("Take out characters that cannot be seen.")) from None
    if not reason:
        raise validation("reason", "required", _("Say why: the reason is kept in the audit trail"))
    if len(reason) > MAX_REASON:
        raise validation("reason", "max_length", _("Use 500 characters or fewer"))
    return reason
