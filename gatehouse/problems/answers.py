"""How a problem looks: problem+json below /api/, a page elsewhere."""

import math
from typing import Any

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist, loader
from django.utils.html import format_html

from gatehouse.client import client_of
from gatehouse.conf import app_settings

from .problem import Problem
from .table import PROBLEMS

log = structlog.get_logger(__name__)

API_PREFIX = "/api/"
CONTENT_TYPE = "application/problem+json"
_PAUSES = {429: 60, 503: 5}  # what Retry-After says where a problem does not
_STATIC = frozenset({500, 503})  # pages that are drawn without a database
_TEMPLATES = {
    "account_locked": "errors/locked.html",
    "account_disabled": "errors/disabled.html",
    "csrf_failed": "errors/csrf.html",
    "not_found": "errors/404.html",
}
_TEMPLATES_BY_STATUS = {
    403: "errors/403.html",
    429: "errors/429.html",
    500: "errors/500.html",
    503: "errors/503.html",
}


def is_api(request: HttpRequest) -> bool:
    """Whether *request* came to the API, where every error is a problem document."""
    return request.path_info.startswith(API_PREFIX)


def problem_answer(problem: Problem, request: HttpRequest) -> HttpResponse:
    """Return the answer for *problem* at the door that *request* came to."""
    return problem_response(problem, request) if is_api(request) else problem_page(problem, request)


def problem_response(problem: Problem, request: object) -> HttpResponse:
    """Return *problem* as RFC 9457 writes it, with the members of the contract."""
    body: dict[str, Any] = {
        "type": app_settings().problem_url(problem.code),
        "title": str(problem.title),
        "status": problem.status,
        "detail": str(problem.detail),
        "code": problem.code,
        "request_id": client_of(request).request_id,
    }
    if problem.code == "validation_failed":
        body["errors"] = [error.as_json() for error in problem.errors]
    body |= problem.members
    response = JsonResponse(body, status=problem.status, content_type=CONTENT_TYPE, encoder=DjangoJSONEncoder)
    return _with_headers(response, problem)


def problem_page(problem: Problem, request: HttpRequest, template: str = "") -> HttpResponse:
    """Return *problem* as a page. Those of the service's own failures need neither database nor request."""
    name = template or _TEMPLATES.get(problem.code) or _TEMPLATES_BY_STATUS.get(problem.status, "errors/problem.html")
    settings = app_settings()
    context = {
        "problem": problem,
        "request_id": client_of(request).request_id,
        "retry_at": _with_pause(problem).retry_at,
        "support_url": settings.SUPPORT_URL,
        "site_name": settings.SITE_NAME,
    }
    try:
        html: str = loader.render_to_string(name, context, None if problem.status in _STATIC else request)
    except Exception as error:  # a page that tells of a refusal must not become a fault itself
        if not isinstance(error, TemplateDoesNotExist):
            log.exception("error_page_failed", template=name)
        html = _bare_page(problem, context["request_id"])
    response = HttpResponse(html, status=problem.status)
    response["Cache-Control"] = "no-store"
    return _with_headers(response, problem)


def _with_headers(response: HttpResponse, problem: Problem) -> HttpResponse:
    challenge = PROBLEMS[problem.code].challenge
    if challenge:
        response["WWW-Authenticate"] = f'Bearer error="{challenge}"'
    pause = _with_pause(problem).retry_after
    if pause is not None:
        response["Retry-After"] = str(max(1, math.ceil(pause)))
    for name, value in problem.headers.items():
        response[name] = value
    return response


def _with_pause(problem: Problem) -> Problem:
    if problem.retry_after is None:
        problem.retry_after = _PAUSES.get(problem.status)
    return problem


def _bare_page(problem: Problem, request_id: object) -> str:
    """Return the page of a project that has no templates for errors, or whose page of faults has one itself."""
    return format_html(
        "<!doctype html><html><head><meta charset='utf-8'><title>{0}</title></head>"
        "<body><main><h1>{0}</h1><p>{1}</p><p>{2}</p></main></body></html>",
        problem.title,
        problem.detail,
        request_id,
    )
