from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.conf import app_settings
from accounts.pages import guide, theme
from accounts.pages.steps import Page


class Terms(Page):
    template_name = "accounts/terms.html"

    def context(self) -> dict[str, Any]:
        return {"terms_version": app_settings().TERMS_VERSION}


class Privacy(Page):
    template_name = "accounts/privacy.html"


class Help(Page):
    template_name = "accounts/help.html"


class PasswordPolicy(Page):
    template_name = "accounts/password_policy.html"

    def context(self) -> dict[str, Any]:
        return {"sections": guide.password_policy()}


class GettingStarted(Page):
    template_name = "accounts/getting_started.html"

    def context(self) -> dict[str, Any]:
        return {"welcome": guide.welcome(), "sections": guide.getting_started()}


@require_safe
@cache_control(public=True, max_age=3600)
def stylesheet(request: HttpRequest) -> HttpResponse:
    return HttpResponse(theme.stylesheet(), content_type="text/css; charset=utf-8")
