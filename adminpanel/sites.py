"""The staff area: Django's admin behind a door of its own."""

from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from adminpanel import dashboard, sign_in
from adminpanel.acting import ActPage
from adminpanel.door import refuse_access, staff_of
from adminpanel.reauthentication import Reauthenticate
from adminpanel.reports import ReportPage
from sessions_app.pages.views import StayPage

# Pages of Django's that have no place here: nobody sets a password in the admin, no field looks rows up by typing,
# and no address tells whether a row of any table exists.
_LEFT_OUT = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
    "app_list",
}


class StaffSite(AdminSite):
    """Opens to a session of the staff door alone: password and authenticator app, and a role of staff."""

    index_title = _("Overview")
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return staff_of(request) is not None

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002  (Django's signature)
        """Let staff in, send others to sign in, and record what a role does not open."""

        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            principal = staff_of(request)
            if principal is None:
                return _to_sign_in(request)
            try:
                answer: HttpResponseBase = view(request, *args, **kwargs)
            except PermissionDenied:
                refuse_access(request, principal)
            return answer

        return never_cache(csrf_protect(inner))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        ours = [
            path("", self.admin_view(self.index), name="index"),
            path("login/", never_cache(sign_in.SignIn.as_view()), name="login"),
            path("login/code/", never_cache(sign_in.EnterCode.as_view()), name="code"),
            path("login/recovery/", never_cache(sign_in.EnterRecoveryCode.as_view()), name="recovery"),
            path("login/cancel/", never_cache(sign_in.CancelSignIn.as_view()), name="cancel"),
            path("logout/", never_cache(sign_in.SignOut.as_view()), name="logout"),
            path("stay/", self.admin_view(StayPage.as_view()), name="stay"),
            path("reauthenticate/", self.admin_view(Reauthenticate.as_view()), name="reauthenticate"),
            path("report/", self.admin_view(ReportPage.as_view()), name="report"),
            path("act/<slug:name>/", self.admin_view(ActPage.as_view()), name="act"),
        ]
        return [*ours, *(url for url in super().get_urls() if getattr(url, "name", None) not in _LEFT_OUT)]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        viewer: Any = request.user
        days = 7 if request.GET.get("days") == "7" else 1
        context = {
            **self.each_context(request),
            "groups": dashboard.groups(viewer),
            "trail": dashboard.trail(viewer, days),
            "days": days,
            "linked": viewer.may("audit.read"),
            "may_report": viewer.may("audit.statistics"),
            "events": dashboard.latest(viewer),
            "can_read_events": True,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/index.html", context)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Give every page the sections that its viewer may open."""
        home = reverse("admin:index")
        sections = [{"title": self.index_title, "url": home, "is_here": request.path == home}]
        for model, model_admin in self._registry.items():
            if model_admin.has_view_permission(request):
                url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                here = request.path.startswith(url)
                sections.append({"title": getattr(model_admin, "section", ""), "url": url, "is_here": here})
        return {"sections": sections, "has_permission": self.has_permission(request), "is_popup": False}


def _to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    wanted = request.get_full_path() if request.method in {"GET", "HEAD"} else reverse("admin:index")
    return HttpResponseRedirect(f"{reverse('admin:login')}?{urlencode({'next': wanted})}")
