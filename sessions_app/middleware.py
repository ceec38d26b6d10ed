"""The two session cookies, and the row behind each."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from gatehouse.client import client_of
from gatehouse.conf import app_settings as ground_settings
from sessions_app import browser, principal
from sessions_app import services as sessions
from sessions_app.cookies import door_cookie
from sessions_app.models import Door
from sessions_app.principal import Principal


def door_of(request: HttpRequest) -> Door:
    """Return the door that the path of *request* leads to: staff have a cookie of their own."""
    return Door.STAFF if ground_settings().is_staff_path(request.path_info) else Door.PAGE


class DoorSessionMiddleware(SessionMiddleware):
    """Django's session middleware with one cookie a door, named by the scheme of BASE_URL."""

    def process_request(self, request: HttpRequest) -> None:
        """Open the Django session of the door that the request came to."""
        request.session = self.SessionStore(request.COOKIES.get(door_cookie(door_of(request))))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save what changed, and set or delete the door's cookie."""
        store = request.session
        name = door_cookie(door_of(request))
        if store.accessed:
            patch_vary_headers(response, ("Cookie",))
        if store.is_empty():
            if name in request.COOKIES:
                self._set(request, response, "", 0)
        elif store.modified and response.status_code < 500:
            try:
                store.save()
            except UpdateError:
                raise SessionInterrupted("The session was ended while the request was on its way.") from None
            self._set(request, response, str(store.session_key), self._age(request))
        return response

    def _age(self, request: HttpRequest) -> int | None:
        """Return how long the browser keeps the cookie: until it closes unless its owner wanted otherwise."""
        found: Principal | None = getattr(request, "principal", None)
        if found is None or not found.session.keep:
            return None
        return max(0, int((found.session.absolute_expires_at - timezone.now()).total_seconds()))

    def _set(self, request: HttpRequest, response: HttpResponseBase, value: str, max_age: int | None) -> None:
        door = door_of(request)
        response.set_cookie(
            door_cookie(door),
            value,
            max_age=max_age,
            path="/",
            secure=ground_settings().secure,
            httponly=True,
            samesite="Strict" if door == Door.STAFF else "Lax",
        )


class PageSessionMiddleware:
    """Say who a request comes from by the row behind its cookie, asked for anew each time.

    ``request.principal`` is the principal or None, ``request.user`` the account or nobody, and
    ``request.session_end_reason`` why the browser's last session ended, for the sign-in page to say.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        browser.set_principal(request, None)
        sid = browser.sid_of(request)
        if sid is not None:
            _identify(request, sid, timezone.now())
        request.session_end_reason = browser.end_reason_of(request)  # type: ignore[attr-defined]
        return self.get_response(request)


def _identify(request: HttpRequest, sid: UUID, now: datetime) -> None:
    client = client_of(request)
    session = principal.current(sid, now)
    if session is None or session.door != door_of(request):
        browser.forget_ended(request, None)
        return
    reason = principal.end_of(session, now)
    if reason is not None:
        sessions.use_after_end(session=session, reason=reason, client=client, now=now)
        browser.forget_ended(request, reason)
        return
    sessions.touch(session, client, now)
    browser.set_principal(request, Principal(session, session.user))
