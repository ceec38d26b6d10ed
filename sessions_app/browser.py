"""Tying a browser to a session row; Django's own session holds the row's id and nothing else of ours."""

from importlib import import_module
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from sessions_app.cookies import door_cookie
from sessions_app.models import Door, Session
from sessions_app.principal import Principal
from sessions_app.reasons import RevokeReason

SID = "sid"
_ENDED = "ended"


def sign_in(request: HttpRequest, session: Session) -> None:
    """Let this browser speak for *session* from now on.

    Whatever the browser brought along is thrown away with its key, so that a planted session cookie is worth nothing
    (ASVS 7.2.4), and the CSRF token changes with it.
    """
    request.session.flush()
    request.session[SID] = str(session.pk)
    request.session.set_expiry(session.absolute_expires_at)
    rotate_token(request)
    set_principal(request, Principal(session, session.user))


def sign_out(request: HttpRequest) -> None:
    """Let this browser speak for nobody; ending the row is a service's work."""
    request.session.flush()
    set_principal(request, None)


def forget_ended(request: HttpRequest, reason: RevokeReason | None) -> None:
    """Let go of a session that ended elsewhere, and keep the reason for the sign-in page."""
    sign_out(request)
    if reason is not None:
        request.session[_ENDED] = reason.value


def renew_key(request: HttpRequest) -> None:
    """Give the browser a new session key, as after a password change or a fresh proof of identity."""
    request.session.cycle_key()
    rotate_token(request)


def sid_of(request: HttpRequest) -> UUID | None:
    """Return the id of the row that this browser claims to speak for."""
    return _sid_in(request.session)


def staff_sid_of(request: HttpRequest) -> UUID | None:
    """Return the id of the row that this browser claims to speak for at the staff door, wherever *request* leads."""
    key = request.COOKIES.get(door_cookie(Door.STAFF))
    return _sid_in(import_module(settings.SESSION_ENGINE).SessionStore(key)) if key else None


def _sid_in(store: SessionBase) -> UUID | None:
    value = store.get(SID)
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def end_reason_of(request: HttpRequest) -> RevokeReason | None:
    """Return why the session that this browser last had came to its end, until somebody signs in."""
    value = request.session.get(_ENDED)
    return RevokeReason(value) if value is not None and value in RevokeReason.values else None


def set_principal(request: HttpRequest, principal: Principal | None) -> None:
    """Say who *request* comes from: the principal, Django's ``request.user``, and the session."""
    request.principal = principal  # type: ignore[attr-defined]
    request.user = principal.user if principal else AnonymousUser()
    request.auth_session = principal.session if principal else None  # type: ignore[attr-defined]
