from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.pages.views.reauthentication import ProveAgain
from adminpanel.door import path_inside, staff_of
from gatehouse.pages import safe_next
from gatehouse.problems import Problem


class Reauthenticate(ProveAgain):
    """Staff always have an app, and are asked for its code."""

    template_name = "admin/reauthenticate.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = staff_of(request)
        if found is None:
            raise Problem("permission_denied")
        self.principal = found
        return super().dispatch(request, *args, **kwargs)

    @property
    def goal(self) -> str:
        return path_inside(safe_next(self.request, ""))
