"""What a body may be: bounded before anything reads it, and JSON in the strictest reading.

RFC 8259 leaves open what repeated names, NaN and deep nesting mean; two readers that differ are a hole (ASVS 1.5.3,
4.2.1), so all three are refused as ``bad_json``.
"""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .conf import app_settings
from .problems.answers import is_api, problem_answer
from .problems.problem import FieldError, Problem

LARGEST = 64 * 1024
DEEPEST = 32


class BodyLimitMiddleware:
    """Refuse a body over 64 KiB, or one that does not say its length, before anything reads it.

    The staff area is exempt, whose forms are long: there Django's own limit of 2.5 MB holds.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        staff = not is_api(request) and app_settings().is_staff_path(request.path_info)
        if not staff and _is_too_large(request):
            response = problem_answer(Problem("payload_too_large"), request)
            response["Connection"] = "close"  # what is left of the body is not read
            return response
        return self.get_response(request)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that *body* holds.

    Raises bad_json, and validation_failed for JSON that is not an object.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unrepeated,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Problem("bad_json") from None
    if _depth(value) > DEEPEST:
        raise Problem("bad_json")
    if not isinstance(value, dict):
        raise Problem("validation_failed", errors=[FieldError("", "invalid", _("Send one JSON object."))])
    return value


def _is_too_large(request: HttpRequest) -> bool:
    length = str(request.META.get("CONTENT_LENGTH") or "")
    if not length:
        return "chunked" in str(request.META.get("HTTP_TRANSFER_ENCODING", "")).lower()
    return not (length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= LARGEST)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name is there twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("The number is too large.")
    return number


def _depth(value: Any) -> int:
    """Return how deep *value* is nested, level by level and without recursion."""
    depth, level = 0, [value]
    while level:
        inner = [item for item in level if isinstance(item, (dict, list))]
        if not inner:
            return depth
        depth += 1
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
    return depth
