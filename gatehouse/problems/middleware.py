"""The last net: whatever goes wrong is answered as a problem, at both doors.

A view's exception comes through process_exception(). What a middleware raises was turned into an answer by Django
on its way here (with DEBUG into its yellow page); the signal got_request_exception left the exception on the
request, so the answer can still be the right one.
"""

import sys
from collections.abc import Callable

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .answers import CONTENT_TYPE, is_api, problem_answer, problem_response
from .drf import bad_request, problem_of
from .problem import Problem

log = structlog.get_logger(__name__)

_CODES = {
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "challenge_expired",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "service_unavailable",
}


class ProblemMiddleware:
    """Answer every refusal and fault: problem+json below /api/, a page elsewhere."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < 400 or response.get("Content-Type", "").startswith(CONTENT_TYPE):
            return response
        failure = getattr(request, "failure", None)
        problem = problem_of(failure) if failure is not None else None
        if problem is not None:
            return problem_answer(problem, request)
        return _as_problem(request, response) if is_api(request) else response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what a view raised; leave faults to Django, which logs them once and calls handler500."""
        problem = problem_of(error)
        if problem is None or (isinstance(error, Http404) and not is_api(request)):
            return None
        if problem.status >= 500 and not isinstance(error, Problem):
            log.error("database_unavailable", exc_info=error)
        if not is_api(request) and not isinstance(error, Problem) and problem.status < 500:
            return None  # Django's own handlers know what to do: handler400, handler403
        return problem_answer(problem, request)


def remember_failure(request: HttpRequest | None = None, **_kwargs: object) -> None:
    """Keep the exception that Django is about to answer, for ProblemMiddleware."""
    if request is not None:
        request.failure = sys.exc_info()[1]  # type: ignore[attr-defined]


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    """Return the problem for an answer that the framework wrote, with the headers that still hold."""
    status = response.status_code
    problem = bad_request() if status == 400 else Problem(_CODES.get(status, "internal_error"))
    answer = problem_response(problem, request)
    for name in ("Allow", "Retry-After", "Vary", "WWW-Authenticate"):
        if name in response.headers:
            answer[name] = response.headers[name]
    answer.cookies = response.cookies
    return answer
