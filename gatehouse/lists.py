"""Lists of the API: how a page is asked for, and what it is answered with (docs/api.md, Conventions)."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from .api import StrictSerializer
from .conf import app_settings
from .cursors import DEFAULT_LIMIT, HIGHEST_LIMIT, InvalidCursorError, Page
from .problems.problem import FieldError, Problem

M = TypeVar("M", bound=Model)


class PageQuerySerializer(StrictSerializer):
    """What the query of a list may hold; a list with filters adds them."""

    limit = serializers.IntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=HIGHEST_LIMIT)
    cursor = serializers.CharField(required=False, max_length=200)


Query = dict[str, str] | list[tuple[str, str]]


def answer(request: Request, page: Callable[[], Page[M]], shape: Callable[[M], Any], query: Query) -> Response:
    """Return the page that *page* reads, each row in its *shape*; *query* is what the pages beside it are asked with.

    Raises validation_failed for a cursor that was not made here.
    """
    try:
        found = page()
    except InvalidCursorError:
        fault = FieldError("cursor", "invalid", _("Take the cursor from an answer."), "query")
        raise Problem("validation_failed", errors=[fault]) from None
    return Response(
        {
            "results": [shape(row) for row in found.rows],
            "next": _address(request, query, found.next),
            "previous": _address(request, query, found.previous),
        }
    )


def _address(request: Request, query: Query, cursor: str | None) -> str | None:
    """Return the address of a page beside this one, built from BASE_URL, never from the request's host."""
    if cursor is None:
        return None
    pairs = list(query.items()) if isinstance(query, dict) else query
    return app_settings().url(f"{request.path}?{urlencode([*pairs, ('cursor', cursor)])}")
