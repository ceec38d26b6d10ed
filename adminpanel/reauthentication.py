from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views import View

from accounts.pages.views import reauthentication
from adminpanel.door import path_inside, staff_of
from gatehouse.pages import safe_next
from gatehouse.problems import Problem


class Reauthenticate(reauthentication.Reauthenticate):
    """Password and code once more, then back to what was begun."""

    template_name = "admin/reauthenticate.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = staff_of(request)
        if found is None:
            raise Problem("permission_denied")
        self.principal = found
        return View.dispatch(self, request, *args, **kwargs)

    @property
    def method(self) -> str:  # type: ignore[override]  # staff always have an app
        return "recovery" if self.request.GET.get("method") == "recovery" else "totp"

    @property
    def goal(self) -> str:
        return path_inside(safe_next(self.request, ""))
