from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import (
    AccessShape,
    LoginSerializer,
    ReauthenticateSerializer,
    SendSerializer,
    SentShape,
    SessionAndUserShape,
    SignInShape,
    VerifySerializer,
)
from accounts.api.shapes import challenge_shape, me_shape
from accounts.api.views.own import OwnView
from accounts.api.views.registration import PublicView
from accounts.services import codes, reauthentication, sign_in
from accounts.services.sign_in import AddressUnverified, Arrival, CodeNeeded, SignedIn
from accounts.unlocked import read_unlock
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.documents import problems
from sessions_app import cookies, tokens
from sessions_app.models import Door, Transport
from sessions_app.shapes import moment, tokens_shape

_PROBLEMS = problems(400, 401, 403, 405, 406, 410, 413, 415, 429, 500, 503)


class DoorView(PublicView):
    """The base of views that may open a session: who may not have it in a cookie is told before any body is read."""

    transport: Transport

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        self.transport = cookies.transport_of(request._request)


class LoginView(DoorView):
    """Take the password; the answer says what comes next."""

    @extend_schema(request=LoginSerializer, responses={200: SignInShape, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        asked = self.body(request, LoginSerializer)
        arrival = _arrival(request, self.transport, asked.get("trust_token"), asked["device_name"])
        step = sign_in.begin(email=asked["email"], password=asked["password"], arrival=arrival)
        match step:
            case CodeNeeded(challenge):
                return Response({"status": "otp_required", "challenge": challenge_shape(challenge)})
            case AddressUnverified():
                return Response({"status": "email_unverified"})
            case SignedIn():
                return _signed_in(step)


class SendCodeView(PublicView):
    """Mail the code of a challenge once more."""

    @extend_schema(request=SendSerializer, responses={202: SentShape, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        asked = self.body(request, SendSerializer)
        client = client_of(request)
        limits.take(request, ("code_send_ip", client.network))
        sent = codes.send(challenge_id=asked["challenge_id"], method=asked.get("method"), client=client)
        until = moment(sent.code_expires_at) if sent.code_expires_at else None
        return Response({"status": "accepted", "expires_at": until, "resend_after": sent.resend_after}, status=202)


class VerifyCodeView(DoorView):
    """Take the code; a right one opens the session."""

    @extend_schema(request=VerifySerializer, responses={200: SignInShape, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        asked = self.body(request, VerifySerializer)
        arrival = _arrival(request, self.transport)
        limits.take(request, ("code_verify_ip", arrival.client.network))
        return _signed_in(
            sign_in.answer(
                challenge_id=asked["challenge_id"],
                code=asked["code"],
                method=asked.get("method"),
                trust_device=asked["trust_device"],
                arrival=arrival,
            )
        )


class SessionView(OwnView):
    """Say who is calling, and by which session."""

    @extend_schema(responses={200: SessionAndUserShape, **problems(401, 403, 405, 406, 429, 500, 503)})
    def get(self, request: Request) -> Response:
        return Response(me_shape(self.principal.user, self.principal.session))


class ReauthenticateView(OwnView):
    """Prove again who is calling, before something dangerous."""

    @extend_schema(request=ReauthenticateSerializer, responses={200: AccessShape, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        asked = self.body(request, ReauthenticateSerializer)
        reauthentication.reauthenticate(**asked, **self.count(request))
        self.renew_key(request)
        if self.principal.session.door != Door.API:  # a page carries no token
            return Response({"status": "done"})
        return Response(tokens_shape(tokens.issue(self.principal.session), refresh=False))


def _arrival(request: Request, transport: Transport, trust_token: str | None = None, device_name: str = "") -> Arrival:
    """Return how the client comes in: a browser's device is known by its cookie, an app's by its token."""
    client = client_of(request)
    if device_name:
        client = replace(client, app_name=device_name)
    by_cookie = transport == Transport.COOKIE
    token = trust_token or (cookies.read_device(request._request) if by_cookie else None)
    unlocked = read_unlock(request._request) if by_cookie else None
    return Arrival(Door.API, transport, client, token, unlocked, usages=limits.usages_of(request))


def _signed_in(step: SignedIn) -> Response:
    issued = tokens.issue(step.session)
    body: dict[str, Any] = {"status": "authenticated", **tokens_shape(issued), **me_shape(step.user, step.session)}
    if step.session.transport == Transport.BEARER and step.trust_token:
        body["trust_token"] = step.trust_token
    response = Response(body)
    if step.session.transport == Transport.COOKIE:
        cookies.set_refresh(response, issued)
        if step.device_token:
            cookies.set_device(response, step.device_token)
    return response
