from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.conf import app_settings
from accounts.pages import theme
from accounts.pages.steps import Page


class Terms(Page):
    template_name = "accounts/terms.html"

    def context(self) -> dict[str, Any]:
        return {"terms_version": app_settings().TERMS_VERSION}


class Privacy(Page):
    template_name = "accounts/privacy.html"


class Help(Page):
    template_name = "accounts/help.html"


@require_safe
@cache_control(public=True, max_age=3600)
def stylesheet(request: HttpRequest) -> HttpResponse:
    return HttpResponse(theme.stylesheet(), content_type="text/css; charset=utf-8")
