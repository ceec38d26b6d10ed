"""One line in the log for every request, and one path for every address of the API."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty

from .problems.answers import is_api

log = structlog.get_logger("gatehouse.requests")

_PROBES = "/health"


class RequestLogMiddleware:
    """Log method, route, status, time, size and user. The route is the pattern, so no token of a path is written."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        write = log.debug if request.path_info.startswith(_PROBES) and response.status_code < 400 else log.info
        write(
            "request",
            method=request.method,
            route=_route(request),
            status=response.status_code,
            ms=round((time.perf_counter() - started) * 1000, 1),
            bytes=None if response.streaming else len(response.content),
            ip=getattr(getattr(request, "client", None), "ip", None),
            user_id=_user_id(request),
        )
        return response


class ApiPathMiddleware:
    """Take one trailing slash off a path of the API, so that both forms reach the same view without a redirect."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_api(request) and request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
            request.path = request.path.removesuffix("/")
        return self.get_response(request)


def _route(request: HttpRequest) -> str:
    match = request.resolver_match
    return f"/{match.route}" if match else "(none)"


def _user_id(request: HttpRequest) -> str | None:
    """Return who asked, where something else has found out already; a line in the log makes no query."""
    user: Any = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and user.__dict__.get("_wrapped", empty) is empty:
        return None
    identifier = getattr(user, "pk", None)
    return None if identifier is None else str(identifier)
