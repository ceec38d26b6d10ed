"""Which way the refresh token travels, and the cookies it travels in (docs/api.md, Two transports)."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _

from gatehouse.client import client_of
from gatehouse.conf import app_settings as ground_settings
from gatehouse.problems import FieldError, Problem
from sessions_app import refusals
from sessions_app.models import Door, Session, Transport
from sessions_app.tokens import Tokens

TRANSPORT_HEADER = "X-Auth-Transport"
DEVICE_COOKIE_AGE = 365 * 24 * 60 * 60  # a browser keeps being known; whether it is trusted the row says


def cookie_name(name: str) -> str:
    """Return *name* as this site's scheme has it: ``__Host-`` binds a cookie to https, this host and every path."""
    return f"__Host-{name}" if ground_settings().secure else name


def transport_of(request: HttpRequest) -> Transport:
    """Return which way the session that *request* opens carries its refresh token.

    Raises validation_failed for a header that names neither; origin_not_allowed where another site asks for cookies.
    """
    transport = asked_for(request) or (Transport.COOKIE if _is_browser(request) else Transport.BEARER)
    if transport == Transport.COOKIE and not _may_use_cookies(request):
        raise _refused_origin(request)
    return transport


def wants_cookie(request: HttpRequest) -> bool:
    """Whether *request* says that its proof comes in a cookie."""
    return asked_for(request) == Transport.COOKIE


def require_cookie_origin(request: HttpRequest) -> None:
    """Let a request rely on the cookie only if it says so and comes from our own site; raises origin_not_allowed.

    The header cannot be set by a form, nor by a script of another origin without a preflight.
    """
    if not wants_cookie(request) or "Origin" not in request.headers or not _may_use_cookies(request):
        raise _refused_origin(request)


def read_refresh(request: HttpRequest) -> str | None:
    """Return the refresh token in the cookie of *request*."""
    return request.COOKIES.get(cookie_name("refresh")) or None


def set_refresh(response: HttpResponseBase, tokens: Tokens) -> None:
    """Give the refresh token to the browser, until it closes or as long as the token lives."""
    _set(response, "refresh", tokens.refresh_token, _age(tokens.session) if tokens.session.keep else None)


def clear_refresh(response: HttpResponseBase) -> None:
    """Take the refresh token back; only signing out does this, never a lost race."""
    _set(response, "refresh", "", 0)


def read_device(request: HttpRequest) -> str | None:
    """Return the device token in the cookie of *request*."""
    return request.COOKIES.get(cookie_name("device")) or None


def set_device(response: HttpResponseBase, token: str) -> None:
    """Let the browser be known again."""
    _set(response, "device", token, DEVICE_COOKIE_AGE)


def clear_device(response: HttpResponseBase) -> None:
    """Let the browser be forgotten."""
    _set(response, "device", "", 0)


def door_cookie(door: Door) -> str:
    """Return the name of the cookie that *door* keeps its Django session in."""
    return cookie_name("staff" if door == Door.STAFF else "session")


def _set(response: HttpResponseBase, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        cookie_name(name),
        value,
        max_age=max_age,
        path="/",
        secure=ground_settings().secure,
        httponly=True,
        samesite="Strict",
    )


def _age(session: Session) -> int:
    end = session.refresh_expires_at or session.expires_at
    return max(0, int((end - timezone.now()).total_seconds()))


def asked_for(request: HttpRequest) -> Transport | None:
    """Return the transport that the header names, or None without it; raises validation_failed for another word."""
    asked = request.headers.get(TRANSPORT_HEADER)
    if asked is None:
        return None
    try:
        return Transport(asked.strip().lower())
    except ValueError:
        fault = FieldError(TRANSPORT_HEADER, "invalid", _("Send cookie or bearer."))
        raise Problem("validation_failed", errors=[fault]) from None


def _refused_origin(request: HttpRequest) -> Problem:
    refusals.note_refused_origin(origin=request.headers.get("Origin", ""), client=client_of(request))
    return Problem("origin_not_allowed")


def _is_browser(request: HttpRequest) -> bool:
    return "Origin" in request.headers or "Sec-Fetch-Site" in request.headers


def _may_use_cookies(request: HttpRequest) -> bool:
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    own = _origin(ground_settings().BASE_URL)
    if origin == own:
        return True
    return origin in getattr(settings, "CORS_ALLOWED_ORIGINS", ()) and _site(origin) == _site(own)


def _origin(url: str) -> str:
    """Return the origin of *url* as a browser writes it: in small letters, without the scheme's own port."""
    parts = urlsplit(url.lower())
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


def _site(origin: str) -> tuple[str, str]:
    """Return scheme and registrable domain, the last two labels standing in for a list of public suffixes.

    They only narrow down origins that the operator named; the browser holds SameSite by its own list besides.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    labels = host.split(".")
    is_name = len(labels) > 2 and not labels[-1].isdigit() and ":" not in host
    return parts.scheme, ".".join(labels[-2:]) if is_name else host
