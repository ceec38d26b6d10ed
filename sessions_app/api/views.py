from contextlib import suppress
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from gatehouse import limits
from gatehouse.api import StrictAPIView
from gatehouse.client import Client, client_of
from gatehouse.conf import app_settings as ground_settings
from gatehouse.documents import problems
from gatehouse.headers import CLEAR_SITE_DATA
from gatehouse.problems import FieldError, Problem
from sessions_app import access, browser, cookies
from sessions_app import services as sessions
from sessions_app.api.serializers import (
    PageQuerySerializer,
    RefreshSerializer,
    RevokeAllSerializer,
    RevokedSerializer,
    SessionListSerializer,
    TokensSerializer,
)
from sessions_app.authentication import bearer_of, require_csrf
from sessions_app.models import Session, Transport
from sessions_app.paging import InvalidCursorError, page_of
from sessions_app.principal import Principal
from sessions_app.shapes import session_shape, tokens_shape


class CookieView(StrictAPIView):
    """The base of views that may rely on the cookie: a foreign origin that says so learns that first."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if cookies.wants_cookie(_http(request)):
            cookies.require_cookie_origin(_http(request))


class RefreshView(CookieView):
    """Exchange the refresh token for its successor."""

    @extend_schema(
        request=RefreshSerializer,
        responses={
            200: TokensSerializer,
            **problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503),
        },
    )
    def post(self, request: Request) -> Response:
        asked = self.body(request, RefreshSerializer)
        client = client_of(request)
        limits.take(request, ("refresh_ip", client.network))
        raw = _refresh_token(_http(request), asked.get("refresh_token"))
        tokens = sessions.rotate(raw_refresh=raw, client=client)
        response = Response(tokens_shape(tokens))
        if tokens.session.transport == Transport.COOKIE:
            cookies.set_refresh(response, tokens)
        return response


class LogoutView(CookieView):
    """Sign out, by whatever proof the client still has."""

    @extend_schema(
        request=RefreshSerializer, responses={204: None, **problems(400, 403, 405, 406, 413, 415, 429, 500, 503)}
    )
    def post(self, request: Request) -> Response:
        asked = self.body(request, RefreshSerializer)
        http, client = _http(request), client_of(request)
        in_body = asked.get("refresh_token")
        header = request.META.get("HTTP_AUTHORIZATION")
        relies = _relies_on_cookie(http, in_body or header)
        if relies:
            cookies.require_cookie_origin(http)
        ended = _end(in_body, cookies.read_refresh(http) if relies else None, header, client)
        if not (relies or in_body or header is not None):
            _end_page_session(request, client)
        response = _gone()
        if relies or any(session.transport == Transport.COOKIE for session in ended):
            cookies.clear_refresh(response)
        return response


class SessionsView(StrictAPIView):
    """List the sessions of whoever asks, the one at hand first."""

    authentication_classes = access.AUTHENTICATION
    permission_classes = (access.RequiredUser,)

    query_serializer = PageQuerySerializer

    @extend_schema(
        parameters=[PageQuerySerializer],
        responses={200: SessionListSerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)},
    )
    def get(self, request: Request) -> Response:
        current, limit = access.session_of(request), self.query["limit"]
        try:
            page = page_of(
                user=request.user,
                current_id=current.pk,
                now=timezone.now(),
                limit=limit,
                cursor=self.query.get("cursor"),
            )
        except InvalidCursorError:
            fault = FieldError("cursor", "invalid", _("Take the cursor from an answer."), "query")
            raise Problem("validation_failed", errors=[fault]) from None
        return Response(
            {
                "results": [session_shape(session, current_id=current.pk) for session in page.sessions],
                "next": _address(request, limit, page.next),
                "previous": _address(request, limit, page.previous),
            }
        )


class SessionView(StrictAPIView):
    """End one session."""

    authentication_classes = access.AUTHENTICATION
    permission_classes = (access.RequiredUser,)

    @extend_schema(request=None, responses={204: None, **problems(401, 403, 404, 405, 406, 429, 500, 503)})
    def delete(self, request: Request, session_id: UUID) -> Response:
        principal = access.principal_of(request)
        sessions.end_own(
            user=principal.user, session_id=session_id, current=principal.session, client=client_of(request)
        )
        response = Response(status=status.HTTP_204_NO_CONTENT)
        if session_id == principal.session.pk:
            _leave(request, response, principal.session)
        return response


class RevokeAllView(StrictAPIView):
    """End every other session, and this one too where the client wants it."""

    authentication_classes = access.AUTHENTICATION
    permission_classes = (access.RequiredUser,)

    @extend_schema(
        request=RevokeAllSerializer,
        responses={200: RevokedSerializer, **problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503)},
    )
    def post(self, request: Request) -> Response:
        current = access.session_of(request)
        everything = self.body(request, RevokeAllSerializer)["include_current"]
        end = sessions.end_every if everything else sessions.end_others
        response = Response({"revoked": end(current=current, client=client_of(request))})
        if everything:
            _leave(request, response, current)
        return response


def _address(request: Request, limit: int, cursor: str | None) -> str | None:
    """Return the address of a page beside this one, built from BASE_URL, never from the request's host."""
    if cursor is None:
        return None
    return ground_settings().url(f"{request.path}?{urlencode({'limit': limit, 'cursor': cursor})}")


def _http(request: Request) -> HttpRequest:
    return request._request


def _refresh_token(request: HttpRequest, in_body: str | None) -> str:
    if _relies_on_cookie(request, in_body):
        cookies.require_cookie_origin(request)
        return cookies.read_refresh(request) or ""
    return in_body or ""


def _relies_on_cookie(request: HttpRequest, other_proof: str | None) -> bool:
    """Whether the proof is in the cookie: the client says so, or has the cookie and nothing else."""
    if cookies.asked_for(request) is not None:
        return cookies.wants_cookie(request)
    return other_proof is None and cookies.read_refresh(request) is not None


def _end(in_body: str | None, in_cookie: str | None, header: str | None, client: Client) -> list[Session]:
    """End what each proof names; one that does not verify ends nothing."""
    ended = [sessions.end_by_refresh(raw_refresh=raw, client=client) for raw in (in_body, in_cookie) if raw]
    if header is not None:
        with suppress(Problem):
            ended.append(sessions.end_by_access(raw_access=bearer_of(header), client=client))
    return [session for session in ended if session is not None]


def _end_page_session(request: Request, client: Client) -> None:
    principal: Principal | None = getattr(_http(request), "principal", None)
    if principal is None:
        return
    require_csrf(request)
    current = principal.session
    sessions.end_own(user=principal.user, session_id=current.pk, current=current, client=client)
    browser.sign_out(_http(request))


def _gone() -> Response:
    return Response(status=status.HTTP_204_NO_CONTENT, headers={"Clear-Site-Data": CLEAR_SITE_DATA})


def _leave(request: Request, response: Response, session: Session) -> None:
    """Have a client that just ended *session* by itself let go of its cookies and of what it kept."""
    response["Clear-Site-Data"] = CLEAR_SITE_DATA
    if session.transport == Transport.COOKIE and session.refresh_id is not None:
        cookies.clear_refresh(response)
    found: Principal | None = getattr(_http(request), "principal", None)
    if found is not None and found.session.pk == session.pk:
        browser.sign_out(_http(request))
