"""What Django calls for its own errors. A URL configuration names these as handler400 to handler500."""

import sys
from contextlib import suppress

from django.http import HttpRequest, HttpResponse

from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.signals import note_forgery

from .answers import is_api, problem_page, problem_response
from .drf import bad_request
from .faults import is_outage, pause
from .problem import Problem


def handler400(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(bad_request(), request, "errors/400.html")


def handler403(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(Problem("permission_denied"), request)


def handler404(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(Problem("not_found"), request)


def handler500(request: HttpRequest) -> HttpResponse:
    if is_outage(sys.exc_info()[1]):
        return _answer(Problem("service_unavailable", retry_after=pause()), request)
    return _answer(Problem("internal_error"), request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    client = client_of(request)
    with suppress(limits.LimitReached):  # a flood of them fills no trail
        limits.take(None, ("invalid_token_ip", client.network))
        note_forgery(client, request.resolver_match.route if request.resolver_match else "")
    return _answer(Problem("csrf_failed"), request)


def _answer(problem: Problem, request: HttpRequest, template: str = "") -> HttpResponse:
    if is_api(request):
        return problem_response(problem, request)
    return problem_page(problem, request, template)
