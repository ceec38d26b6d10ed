"""Every path of the site; each app brings its own."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from accounts.pages.views.plain import stylesheet
from config import env, views

API = "api/v1/"
_WANTED = [
    (API, "accounts.api.urls"),
    (API, "sessions_app.api.urls"),
    ("account/", "accounts.pages.urls"),
    ("account/", "sessions_app.pages.urls"),
    ("", "gatehouse.urls"),
]


def _included() -> list[URLPattern | URLResolver]:
    found: list[URLPattern | URLResolver] = []
    for prefix, module in _WANTED:
        if (env.BASE_DIR / module.split(".")[0] / "apps.py").exists() and (
            env.BASE_DIR / (module.replace(".", "/") + ".py")
        ).exists():
            found.append(path(prefix, include(module)))
    return found


urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    *_included(),
    path("theme.css", stylesheet, name="theme"),
    path(f"{API}schema", SpectacularAPIView.as_view(), name="schema"),
    path(f"{API}docs", views.ApiDocsView.as_view(), name="docs"),
    path("api/<path:rest>", views.unknown_api_path),
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
