from contextlib import suppress
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from gatehouse import limits, lists
from gatehouse.api import StrictAPIView
from gatehouse.client import Client, client_of
from gatehouse.cursors import Page
from gatehouse.documents import problems
from gatehouse.headers import CLEAR_SITE_DATA
from gatehouse.lists import PageQuerySerializer
from gatehouse.problems import Problem
from sessions_app import browser, cookies
from sessions_app import services as sessions
from sessions_app.api.own import OwnView
from sessions_app.api.serializers import RefreshSerializer, RevokeAllSerializer, TokensSerializer
from sessions_app.authentication import bearer_of, require_csrf
from sessions_app.documents import RevokedSerializer, SessionListSerializer
from sessions_app.models import Session, Transport
from sessions_app.paging import page_of
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


class SessionsView(OwnView):
    """List the sessions of whoever asks, the one at hand first."""

    query_serializer = PageQuerySerializer

    @extend_schema(
        parameters=[PageQuerySerializer],
        responses={200: SessionListSerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)},
    )
    def get(self, request: Request) -> Response:
        current, limit = self.current, self.query["limit"]

        def page() -> Page[Session]:
            asked = {"limit": limit, "cursor": self.query.get("cursor")}
            return page_of(user=request.user, current_id=current.pk, now=timezone.now(), **asked)

        return lists.answer(request, page, lambda one: session_shape(one, current_id=current.pk), {"limit": str(limit)})


class SessionView(OwnView):
    """End one session."""

    @extend_schema(
        request=None, responses={204: None, **problems(400, 401, 403, 404, 405, 406, 413, 415, 429, 500, 503)}
    )
    def delete(self, request: Request, session_id: UUID) -> Response:
        self.body(request)
        current = self.current
        sessions.end_own(user=request.user, session_id=session_id, current=current, client=client_of(request))
        response = Response(status=status.HTTP_204_NO_CONTENT)
        if session_id == current.pk:
            _leave(request, response, current)
        return response


class RevokeAllView(OwnView):
    """End every other session, and this one too where the client wants it."""

    @extend_schema(
        request=RevokeAllSerializer,
        responses={200: RevokedSerializer, **problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503)},
    )
    def post(self, request: Request) -> Response:
        current = self.current
        everything = self.body(request, RevokeAllSerializer)["include_current"]
        end = sessions.end_every if everything else sessions.end_others
        response = Response({"revoked": end(current=current, client=client_of(request))})
        if everything:
            _leave(request, response, current)
        return response


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
