"""The response headers that no library here writes."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from .conf import app_settings

CLEAR_SITE_DATA = '"cache", "storage"'  # cookies stay: one of them knows the device (ASVS 14.3.1)
_PRIVATE = re.compile(r"/(api/v\d+/(auth|me|sessions|users|audit)|account)(/|$)")


class SecurityHeadersMiddleware:
    """Add what keeps other sites from embedding an answer, and caches from keeping a private one.

    CSP, Permissions-Policy and CORS come from their packages; HSTS, nosniff, Referrer-Policy and
    Cross-Origin-Opener-Policy from Django; Clear-Site-Data from the views that sign out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        response.setdefault("X-Permitted-Cross-Domain-Policies", "none")
        if _is_private(request.path_info):
            response["Cache-Control"] = "no-store"
        return response


def _is_private(path: str) -> bool:
    return bool(_PRIVATE.match(path)) or app_settings().is_staff_path(path)
