"""What the pages say: spans of time, refusals at a form, and why a session ended."""

from collections import defaultdict
from datetime import timedelta

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.services.disavowal import Disavowed
from gatehouse.problems import Problem
from sessions_app.conf import app_settings as session_settings
from sessions_app.reasons import RevokeReason

MINUTE, HOUR, DAY = 60, 3600, 86400
FEW_CODES = 3  # recovery codes: from here on new ones are asked for

#: What the API calls a field, and what the page's form calls it.
_FORM_FIELDS = {"accept_terms": "terms", "new_password": "password"}

_PASSWORD = gettext_lazy("You were signed out because the password was changed.")
_SIGNED_OUT = gettext_lazy("You were signed out.")
_ENDS = {
    RevokeReason.SIGNED_OUT_ELSEWHERE: gettext_lazy("You were signed out from another device."),
    RevokeReason.PASSWORD_CHANGED: _PASSWORD,
    RevokeReason.PASSWORD_RESET: _PASSWORD,
    RevokeReason.ADDRESS_CHANGED: gettext_lazy("You were signed out because the email address was changed."),
    RevokeReason.FACTORS_CHANGED: gettext_lazy(
        "You were signed out because the ways to confirm a sign-in were changed."
    ),
    RevokeReason.ROLE_CHANGED: gettext_lazy("You were signed out because your role was changed."),
    RevokeReason.STAFF: gettext_lazy("Our staff signed you out."),
    RevokeReason.LIMIT: gettext_lazy("You were signed out because you signed in on too many other devices."),
    RevokeReason.DISAVOWED: gettext_lazy("You were signed out because somebody said that this sign-in was not theirs."),
}

FACTORS_STAY = gettext_lazy(
    "What was changed there of your authenticator apps and recovery codes stays, since you did not confirm with an "
    "app. The link in the mail about that change undoes it."
)


def disavowed(done: Disavowed) -> str:
    """Say who was signed out by a disavowal."""
    if done.everywhere:
        return _("We undid what was changed there of the ways to confirm a sign-in, and signed every other device out.")
    return _("We signed that device out.")


def span(length: timedelta) -> str:
    """Return *length* in words, in the largest unit that it is a whole number of: "10 minutes", "30 days"."""
    seconds = max(0, round(length.total_seconds()))
    if seconds > DAY and seconds % DAY == 0:
        return ngettext("%(n)d day", "%(n)d days", seconds // DAY) % {"n": seconds // DAY}
    if seconds >= HOUR and seconds % HOUR == 0:
        return ngettext("%(n)d hour", "%(n)d hours", seconds // HOUR) % {"n": seconds // HOUR}
    if seconds >= MINUTE:
        minutes = -(-seconds // MINUTE)
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def refusal(problem: Problem) -> dict[str, list[str]] | None:
    """Return what a form shows for *problem*, by field; None where it is no matter of the form."""
    match problem.code:
        case "validation_failed":
            texts: dict[str, list[str]] = defaultdict(list)
            for error in problem.errors:
                texts[_FORM_FIELDS.get(error.field, error.field)].append(str(error.detail))
            return dict(texts)
        case "invalid_credentials":
            return {"": [_wrong_password()]}
        case "otp_invalid":
            return {"": [wrong_code(problem.members.get("attempts_remaining", 0))]}
        case "factor_required":
            return {"": [_("Staff sign in with an authenticator app. Set it up with the link in your invitation.")]}
        case _other:
            return None


def wrong_code(left: int) -> str:
    """Return what is said of a wrong code with *left* tries left."""
    said = ngettext(
        "That code is not correct. You have %(n)d try left.",
        "That code is not correct. You have %(n)d tries left.",
        left,
    )
    return said % {"n": left}


def wait_for_code(seconds: int) -> str:
    """Return what is said to whoever asks for codes too fast."""
    said = ngettext(
        "You can ask for another code in %(n)d second.", "You can ask for another code in %(n)d seconds.", seconds
    )
    return said % {"n": seconds}


def codes_left(left: int) -> str:
    """Return what is said after a recovery code was used."""
    if not left:
        return _("You used your last recovery code. Make new ones now, so that you can get in without your phone.")
    said = ngettext(
        "You used a recovery code. Each works once, and %(n)d is left.",
        "You used a recovery code. Each works once, and %(n)d are left.",
        left,
    ) % {"n": left}
    return said if left > FEW_CODES else said + " " + _("Make new ones soon.")


def ended(reason: RevokeReason | None) -> str:
    """Return what the sign-in page says of a session that ended for *reason*; nothing where its owner ended it."""
    match reason:
        case None | RevokeReason.SIGNED_OUT:
            return ""
        case RevokeReason.IDLE:
            idle = span(session_settings().PAGE_IDLE)
            return _("We signed you out because you were inactive for %(span)s.") % {"span": idle}
        case RevokeReason.ABSOLUTE:
            longest = span(session_settings().PAGE_ABSOLUTE)
            return _("We signed you out because you were signed in for %(span)s.") % {"span": longest}
        case _other:
            return str(_ENDS.get(reason, _SIGNED_OUT))


def reset_url() -> str:
    """Return where a forgotten password is reset, or nothing where the site has no such page."""
    try:
        return reverse("accounts:password-reset")
    except NoReverseMatch:
        return ""


def _wrong_password() -> str:
    if reset_url():
        return _("The email or password is wrong. Try again or reset your password.")
    return _("The email or password is wrong. Try again.")
