"""A small site with one view for each way to go wrong."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from gatehouse import limits
from gatehouse.api import (
    CodeField,
    EmailField,
    PasswordField,
    StrictAPIView,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
    StrictUUIDField,
)
from gatehouse.client import client_of
from gatehouse.problems import FieldError, Problem

FAULTS: dict[str, Exception] = {
    "locked": Problem("account_locked", retry_after=120),
    "disabled": Problem("account_disabled"),
    "limited": Problem("rate_limited", retry_after=7),
    "gone": Problem("challenge_expired"),
    "otp": Problem("otp_invalid", attempts_remaining=3),
    "fields": Problem("validation_failed", errors=[FieldError("a", "blank", "No.")]),
    "database": OperationalError("the server went away"),
    "trigger": OperationalError(1644, "refused"),
    "bug": RuntimeError("canary"),
    "denied": PermissionDenied(),
    "suspicious": SuspiciousOperation("odd"),
}


class Inner(StrictSerializer):
    name = StrictCharField(max_length=5)


class Form(StrictSerializer):
    email = EmailField(required=False)
    password = PasswordField(required=False)
    code = CodeField(required=False)
    text = StrictCharField(required=False, max_length=10)
    yes = StrictBooleanField(required=False)
    id = StrictUUIDField(required=False)
    word = StrictChoiceField(choices=["a", "b"], required=False)
    items = Inner(many=True, required=False)


class Query(StrictSerializer):
    limit = serializers.IntegerField(required=False, min_value=1)
    type = serializers.ListField(child=StrictCharField(), required=False)


class Strict(StrictAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        limits.take(request, ("register_ip", client_of(request).network))
        return Response({name: str(value) for name, value in self.body(request, Form).items()})


class Listing(StrictAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    query_serializer = Query

    def get(self, request: Request) -> Response:
        return Response(self.query)


class Nobody(BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        return None


class Private(Strict):
    authentication_classes = (Nobody,)
    permission_classes = (IsAuthenticated,)


class Raising(StrictAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, fault: str) -> Response:
        raise FAULTS[fault]


def raising(request: HttpRequest, fault: str) -> HttpResponse:
    raise FAULTS[fault]


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(client_of(request).ip or "none")


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse("posted")


class FailingMiddleware:
    """What a session middleware does when the database is away."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("/middleware"):
            raise OperationalError("the server went away")
        return self.get_response(request)


MIDDLEWARE = [
    "gatehouse.client.ClientMiddleware",
    "gatehouse.requests.RequestLogMiddleware",
    "gatehouse.problems.ProblemMiddleware",
    "gatehouse.requests.ApiPathMiddleware",
    "gatehouse.headers.SecurityHeadersMiddleware",
    "gatehouse.bodies.BodyLimitMiddleware",
    "gatehouse.limits.LimitsMiddleware",
    "tests.gatehouse.doors.FailingMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

urlpatterns = [
    path("api/v1/strict", Strict.as_view()),
    path("api/v1/list", Listing.as_view()),
    path("api/v1/me", Private.as_view()),
    path("api/v1/raise/<slug:fault>", Raising.as_view()),
    path("api/v1/form", form),
    path("raise/<slug:fault>", raising),
    path("plain", plain),
    path("form", form),
    path("exempt", csrf_exempt(form)),
    path("stream", lambda _request: StreamingHttpResponse(["a"])),
    path("token/<str:token>", lambda request, token: raising(request, "gone")),
    path("", include("gatehouse.urls")),
]
handler400 = "gatehouse.problems.handler400"
handler403 = "gatehouse.problems.handler403"
handler404 = "gatehouse.problems.handler404"
handler500 = "gatehouse.problems.handler500"
