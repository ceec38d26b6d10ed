"""The API over plain http: refused, not redirected, since a redirect would hide that a token went out in clear."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from gatehouse.problems import Problem, problem_response


class RefusePlainApiMiddleware:
    """Answer 403 to an API request that did not come by https, where pages are redirected."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.SECURE_SSL_REDIRECT:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/") and not request.is_secure():
            return problem_response(Problem("permission_denied", detail=_("Use https.")), request)
        return self.get_response(request)
