"""Every path of the site; each app brings its own."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView

from accounts.pages.views.plain import stylesheet
from config import views
from gatehouse.conf import app_settings as ground_settings

API = "api/v1/"
STAFF = ground_settings().staff_root.removeprefix("/")

urlpatterns: list[URLPattern | URLResolver] = [
    path(API, include("accounts.api.urls")),
    path(API, include("sessions_app.api.urls")),
    path(API, include("audit.api.urls")),
    path("", views.home, name="home"),
    path("", include("gatehouse.urls")),
    path("", include("sessions_app.urls")),
    path("theme.css", stylesheet, name="theme"),
    path("account/enrol/", include("adminpanel.urls")),
    path("account/", include("accounts.pages.urls")),
    path("account/", include("sessions_app.pages.urls")),
    path(f"{API}schema", require_safe(SpectacularAPIView.as_view()), name="schema"),
    path(f"{API}docs", require_safe(views.ApiDocsView.as_view()), name="docs"),
    path("api/<path:rest>", views.unknown_api_path),
    path(STAFF, admin.site.urls),
    path("problems/<slug:code>", views.problem_type, name="problem"),
    path(".well-known/change-password", views.change_password),
    path(".well-known/security.txt", views.security_txt),
]
if settings.DEVELOPMENT_MAILBOX:
    urlpatterns.append(path("dev/mail/", include("config.devmail.urls")))

handler400 = "gatehouse.problems.handler400"
handler403 = "gatehouse.problems.handler403"
handler404 = "gatehouse.problems.handler404"
handler500 = "gatehouse.problems.handler500"
