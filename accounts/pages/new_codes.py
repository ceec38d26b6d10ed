"""Recovery codes that were just made: shown once, until their owner says that they are saved.

They wait in the browser's session, sealed and for half an hour, so that a download needs no second set.
"""

from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.pages import sealed
from accounts.pages.factor_forms import SavedCodesForm
from accounts.pages.steps import FormPage, see_other
from gatehouse.conf import app_settings as site_settings

_KEY = "codes"


def hold(request: HttpRequest, *, email: str, codes: list[str], now: datetime) -> None:
    """Keep recovery codes of *email* until their owner says that they are saved."""
    sealed.hold(request, _KEY, {"email": email, "codes": codes}, now=now)


def forget(request: HttpRequest) -> None:
    """Let the recovery codes go."""
    request.session.pop(_KEY, None)


class HoldsCodes(FormPage):
    """A page of whoever was just given recovery codes; others go to ``over``."""

    over: ClassVar[str]
    email: str
    codes: list[str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = sealed.held_in(request, _KEY, now=timezone.now())
        if not found:
            return see_other(self.over)
        self.email, self.codes = found["email"], found["codes"]
        return super().dispatch(request, *args, **kwargs)


class ShowCodes(HoldsCodes):
    form_class = SavedCodesForm

    def context(self) -> dict[str, Any]:
        return {"codes": self.codes, "email": self.email}


class DownloadCodes(HoldsCodes):
    http_method_names = ["post"]

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        name = site_settings().SITE_NAME
        lines = [
            _("%(site)s recovery codes") % {"site": name},
            _("Account: %(email)s") % {"email": self.email},
            _("Made on: %(date)s (UTC)") % {"date": timezone.now().date().isoformat()},
            _("Each code can be used once."),
            "",
            *self.codes,
            "",
        ]
        response = HttpResponse("\r\n".join(lines), content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{slugify(name) or "account"}-recovery-codes.txt"'
        return response
