"""The one table of every code that an answer may carry; docs and OpenAPI are made from it.

Codes are only ever added. ``challenge`` is what ``WWW-Authenticate`` says after ``error=``: the word of RFC 6750
where a token was the matter, so that clients know when to refresh, else the code itself.
"""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What is the same for every problem of one code."""

    status: int
    title: Text
    detail: Text
    challenge: str = ""


_TOKEN = "invalid_token"  # noqa: S105  (a word of RFC 6750)

PROBLEMS: Final[dict[str, ProblemKind]] = {
    "validation_failed": ProblemKind(400, _("Some values were refused"), _("Look at each entry of errors.")),
    "bad_json": ProblemKind(400, _("The body is not JSON"), _("Send one JSON object in UTF-8.")),
    "token_invalid": ProblemKind(
        400, _("The link does not work"), _("It is not a link of ours, or it belongs to something else.")
    ),
    "token_expired": ProblemKind(400, _("The link is too old"), _("Ask for a new link.")),
    "token_used": ProblemKind(400, _("The link was used already"), _("A link works once. Ask for a new one.")),
    "otp_invalid": ProblemKind(400, _("The code is wrong"), _("Enter the newest code.")),
    "otp_expired": ProblemKind(400, _("The code is too old"), _("Ask for a new code.")),
    "not_authenticated": ProblemKind(
        401, _("Sign in first"), _("This needs a signed-in account."), "not_authenticated"
    ),
    "access_invalid": ProblemKind(401, _("The access token was refused"), _("Sign in again."), _TOKEN),
    "access_expired": ProblemKind(
        401, _("The access token is too old"), _("Get a new one with the refresh token."), _TOKEN
    ),
    "invalid_credentials": ProblemKind(
        401, _("The email or password is wrong"), _("Try again or reset your password."), "invalid_credentials"
    ),
    "refresh_invalid": ProblemKind(401, _("The refresh token was refused"), _("Sign in again."), _TOKEN),
    "refresh_reused": ProblemKind(
        401,
        _("The refresh token was used already"),
        _("Somebody may have a copy of it, so the session has ended. Sign in again."),
        _TOKEN,
    ),
    "session_revoked": ProblemKind(401, _("The session has ended"), _("Sign in again."), _TOKEN),
    "session_expired": ProblemKind(401, _("The session is too old"), _("Sign in again."), _TOKEN),
    "permission_denied": ProblemKind(403, _("You do not have access to this"), _("Your account may not do this.")),
    "account_disabled": ProblemKind(403, _("This account is disabled"), _("Ask support for help.")),
    "csrf_failed": ProblemKind(
        403, _("The request did not come from our page"), _("Load the page again, then repeat what you did.")
    ),
    "origin_not_allowed": ProblemKind(
        403, _("This origin may not do that"), _("Cookies are taken from our own site only.")
    ),
    "reauthentication_required": ProblemKind(
        403, _("Confirm that it is you"), _("Enter your password again, then repeat what you did.")
    ),
    "role_not_allowed": ProblemKind(
        403, _("Your role does not allow this"), _("The account or role concerned is not below yours.")
    ),
    "self_action_forbidden": ProblemKind(403, _("You cannot do this to yourself"), _("Ask another member of staff.")),
    "factor_required": ProblemKind(403, _("A further proof is needed"), _("Give a code of one of the methods.")),
    "not_found": ProblemKind(404, _("Not found"), _("There is nothing here.")),
    "method_not_allowed": ProblemKind(405, _("This method is not for this path"), _("Allow names those that are.")),
    "not_acceptable": ProblemKind(406, _("No such representation"), _("Answers are application/json.")),
    "conflict": ProblemKind(409, _("This does not fit how things stand"), _("Look at how things stand, then repeat.")),
    "challenge_expired": ProblemKind(410, _("This sign-in has ended"), _("Start again with your email and password.")),
    "payload_too_large": ProblemKind(
        413, _("The body is too large"), _("A body has at most 64 KiB, and says its length.")
    ),
    "unsupported_media_type": ProblemKind(415, _("This media type is not read here"), _("Send application/json.")),
    "rate_limited": ProblemKind(429, _("Too many requests"), _("Wait as long as Retry-After says.")),
    "account_locked": ProblemKind(
        429, _("Too many attempts"), _("Wait as long as Retry-After says, or reset your password.")
    ),
    "internal_error": ProblemKind(
        500, _("There is a problem with the service"), _("It was recorded. Name the request id when you ask for help.")
    ),
    "service_unavailable": ProblemKind(503, _("The service is not available"), _("Try again as Retry-After says.")),
}
