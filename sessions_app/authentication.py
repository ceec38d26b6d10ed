"""How the API finds out who is calling: a bearer token, or the session cookie of a page or of the staff area."""

from datetime import datetime
from typing import Any, NoReturn

from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from gatehouse import apikeys
from gatehouse.client import client_of
from gatehouse.problems import Problem
from gatehouse.signals import ForgeryRefused
from sessions_app import browser, principal, refusals, tokens
from sessions_app import services as sessions
from sessions_app.models import Door, Session
from sessions_app.principal import Principal


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``; where the header is there it decides, also when it is bad."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        found = caller(request, bearer_of(header))
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class PageSessionAuthentication(BaseAuthentication):
    """The session cookie of a page of the same site, with its ``X-CSRFToken``."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        found = page_caller(request)
        if found is None:
            return None
        require_csrf(request)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class StaffSessionAuthentication(BaseAuthentication):
    """The session cookie of the staff area, with its ``X-CSRFToken``; a page's own cookie says nothing here."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        found = staff_caller(request)
        if found is None:
            return None
        require_csrf(request)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_of(header: str) -> str:
    """Return the token of an Authorization header; raises not_authenticated for another scheme or an API key."""
    scheme, _, token = header.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or token.startswith(apikeys.PREFIX):
        raise Problem("not_authenticated")
    return token


def page_caller(request: Request | HttpRequest) -> Principal | None:
    """Return whom the session cookie of a page stands for; whoever relies on it calls require_csrf() as well."""
    found: Principal | None = getattr(_http(request), "principal", None)
    return found if found is not None and found.session.door == Door.PAGE else None


def staff_caller(request: Request | HttpRequest) -> Principal | None:
    """Return whom the session cookie of the staff area stands for, and write down that it was used.

    Whoever relies on it calls require_csrf() as well. Raises session_revoked, session_expired.
    """
    sid, now = browser.staff_sid_of(_http(request)), timezone.now()
    session = principal.current(sid, now) if sid else None
    if session is None or session.door != Door.STAFF:
        return None
    return _live(session, request, now)


def caller(request: Request | HttpRequest, raw: str) -> Principal:
    """Return whom the access token *raw* stands for at this moment, and write down that it was used.

    Raises access_invalid, access_expired, session_revoked, session_expired. A token opens nothing but an API session.
    """
    client = client_of(request)
    try:
        claims = tokens.read_access(raw)
    except Problem as problem:
        refusals.note_refused_token(kind=tokens.ACCESS, problem=problem, client=client)
        raise
    now = timezone.now()
    session = principal.current(claims.sid, now)
    if session is None or str(session.user_id) != claims.sub or session.door != Door.API:
        invalid = Problem("access_invalid")
        refusals.note_refused_token(kind=tokens.ACCESS, problem=invalid, client=client, session_id=claims.sid)
        raise invalid
    found = _live(session, request, now)
    page = page_caller(request)
    if page is not None and page.session.user_id != session.user_id:
        refusals.note_mismatch(session=session, cookie=page.session, client=client)
    return found


def require_csrf(request: Request | HttpRequest) -> None:
    """Hold a request that its cookie signs in to Django's CSRF rules; raises csrf_failed."""
    check = _CsrfCheck(_no_answer)
    check.process_request(_http(request))
    check.process_view(_http(request), _no_answer, (), {})


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: Any, reason: str) -> NoReturn:
        refusals.note(ForgeryRefused(client=client_of(request), resource=request.path_info))
        raise Problem("csrf_failed")


def _live(session: Session, request: Request | HttpRequest, now: datetime) -> Principal:
    """Write down that *session* was used; refuse it where it has ended."""
    client = client_of(request)
    reason = principal.end_of(session, now)
    if reason is not None:
        sessions.use_after_end(session=session, reason=reason, client=client, now=now)
        raise principal.problem_of(reason)
    sessions.touch(session, client, now)
    return Principal(session, session.user)


def _http(request: Any) -> HttpRequest:
    http: HttpRequest = getattr(request, "_request", request)
    return http


def _no_answer(request: Any) -> NoReturn:
    raise NotImplementedError("the check asks for no answer")
