from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import passwords
from accounts.api.serializers import (
    ConfigShape,
    EmailSerializer,
    RegisterSerializer,
    StatusSerializer,
    TokenSerializer,
)
from accounts.conf import app_settings
from accounts.models import Method
from accounts.services import registration
from gatehouse import limits
from gatehouse.api import StrictAPIView
from gatehouse.client import client_of
from gatehouse.documents import problems
from gatehouse.problems import validation
from gatehouse.text import normalise_email

_PROBLEMS = problems(400, 405, 406, 413, 415, 429, 500, 503)


class PublicView(StrictAPIView):
    """The base of views that anybody may call; whoever is signed in is not looked up."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class ConfigView(PublicView):
    """Say what a client needs to know before anybody signs up or in."""

    @extend_schema(responses={200: ConfigShape, **problems(405, 406, 429, 500)})
    def get(self, request: Request) -> Response:
        conf, policy = app_settings(), passwords.policy()
        return Response(
            {
                "password": {
                    "policy": policy.name,
                    "min_length": policy.min_length,
                    "max_length": passwords.MAX_LENGTH,
                    "rules": policy.rules,
                },
                "otp": {
                    "length": conf.OTP_LENGTH,
                    "ttl": int(conf.OTP_TTL.total_seconds()),
                    "resend_after": int(conf.OTP_RESEND_AFTER.total_seconds()),
                },
                "factors": [method.value for method in Method],
                "providers": [],
                "terms_version": conf.TERMS_VERSION,
                "optional_consents": [
                    {"version": version, "text": str(text)} for version, text in conf.OPTIONAL_CONSENTS
                ],
                "signup_open": conf.SIGNUP_OPEN,
            }
        )


class RegisterView(PublicView):
    """Ask for an account; the answer is the same whether the address has one."""

    @extend_schema(request=RegisterSerializer, responses={202: StatusSerializer, **_PROBLEMS, **problems(403)})
    def post(self, request: Request) -> Response:
        asked = self.body(request, RegisterSerializer)
        if not asked["accept_terms"]:
            raise validation("accept_terms", "invalid", _("Agree to the terms to create an account"))
        client = client_of(request)
        key = normalise_email(asked["email"])[1]
        limits.take(request, ("register_ip", client.network), ("register_address", key))
        registration.register(client=client, **asked)
        return Response({"status": "verification_required"}, status=202)


class VerifyEmailView(PublicView):
    """Prove an address by the token of the mailed link."""

    @extend_schema(request=TokenSerializer, responses={200: StatusSerializer, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        asked = self.body(request, TokenSerializer)
        client = client_of(request)
        limits.take(request, ("link_ip", client.network))
        registration.verify_email(token=asked["token"], client=client)
        return Response({"status": "verified"})


class ResendView(PublicView):
    """Ask for a new verification mail; the answer is the same for every address."""

    @extend_schema(request=EmailSerializer, responses={202: StatusSerializer, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        email = self.body(request, EmailSerializer)["email"]
        client = client_of(request)
        limits.take(request, ("resend_ip", client.network), ("resend_address", normalise_email(email)[1]))
        registration.resend_verification(email=email, client=client)
        return Response({"status": "accepted"}, status=202)
