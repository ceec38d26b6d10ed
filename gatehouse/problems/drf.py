"""DRF's exceptions as problems. Name ``gatehouse.problems.exception_handler`` in ``REST_FRAMEWORK``."""

from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions

from .answers import problem_response
from .faults import is_outage, pause
from .problem import FieldError, Problem

log = structlog.get_logger(__name__)

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.NotAuthenticated, "not_authenticated"),
    (exceptions.AuthenticationFailed, "not_authenticated"),
    (exceptions.PermissionDenied, "permission_denied"),
    (PermissionDenied, "permission_denied"),
    (exceptions.NotFound, "not_found"),
    (Http404, "not_found"),
    (exceptions.MethodNotAllowed, "method_not_allowed"),
    (exceptions.NotAcceptable, "not_acceptable"),
    (exceptions.UnsupportedMediaType, "unsupported_media_type"),
    (exceptions.ParseError, "bad_json"),
    (RequestDataTooBig, "payload_too_large"),
)
_NON_FIELD = "non_field_errors"


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Answer *error*, or return None for a fault that the middleware answers and Django logs."""
    problem = problem_of(error)
    if problem is None:
        return None
    if problem.status == 503 and not isinstance(error, Problem):
        log.error("database_unavailable", exc_info=error)
    return problem_response(problem, context["request"])


def problem_of(error: BaseException) -> Problem | None:
    """Return the problem that *error* means, or None where it is a fault of ours."""
    if isinstance(error, Problem):
        return error
    if is_outage(error):
        return Problem("service_unavailable", retry_after=pause())
    if isinstance(error, exceptions.ValidationError):
        return Problem("validation_failed", errors=list(_field_errors(error.detail)))
    if isinstance(error, exceptions.Throttled):
        return Problem("rate_limited", retry_after=getattr(error, "wait", None))
    for kind, code in _CODES:
        if isinstance(error, kind):
            return Problem(code)
    if isinstance(error, SuspiciousOperation):
        return bad_request()
    return None


def bad_request() -> Problem:
    """Return the problem of a request that is wrong as a whole: a host that is not ours, broken framing."""
    detail = _("The request cannot be read, or its host is not one of ours.")
    return Problem("validation_failed", detail=detail, errors=[FieldError("", "invalid", detail)])


def _field_errors(detail: Any, path: tuple[str, ...] = ()) -> Iterator[FieldError]:
    """Walk a serializer's errors, nested as they are, and yield one error a leaf."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _field_errors(inner, path if name == _NON_FIELD else (*path, str(name)))
    elif isinstance(detail, list):
        nested = any(isinstance(item, (Mapping, list)) for item in detail)
        for index, item in enumerate(detail):
            if not nested:
                yield from _field_errors(item, path)
            elif item:
                yield from _field_errors(item, (*path, str(index)))
    else:
        code = str(getattr(detail, "code", "invalid"))
        yield FieldError("/".join(path), code, str(detail))
