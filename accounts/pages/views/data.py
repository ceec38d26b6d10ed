from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import downloads
from accounts.conf import app_settings
from accounts.pages import words
from accounts.pages.forms import PageForm
from accounts.pages.fresh import FreshOnly
from accounts.pages.steps import see_other
from accounts.services import export
from gatehouse import limits
from gatehouse.problems import Problem
from sessions_app.principal import Principal


class DataForm(PageForm):
    """One button: it fetches the export that it names, or asks for one."""

    export = forms.UUIDField(required=False, widget=forms.HiddenInput)


class YourData(FreshOnly):
    """A copy of everything that is held about its reader; whoever is signed in sees how far it is."""

    before_terms = True
    template_name = "accounts/data.html"
    form_class = DataForm
    purpose = gettext_lazy("get a copy of your data")

    def is_proved(self, found: Principal, now: datetime) -> bool:
        """Let the page be looked at without a new proof; each of its buttons wants one."""
        return self.request.method in ("GET", "HEAD") or super().is_proved(found, now)

    def context(self) -> dict[str, Any]:
        newest, now = export.newest(user=self.principal.user), timezone.now()
        return {
            "newest": newest,
            "status": newest.status(now) if newest else "",
            "email": self.principal.user.email,
            "life": words.span(app_settings().EXPORT_TTL),
        }

    def act(self, form: PageForm) -> HttpResponse | StreamingHttpResponse:  # type: ignore[override]
        asked = {"user": self.principal.user, "session": self.principal.session, "client": self.client}
        limits.take(self.request, ("acts_account", str(self.principal.user.pk)))
        if export_id := form.cleaned_data["export"]:
            return downloads.answer(export.fetch(export_id=export_id, **asked))
        export.ask(**asked)
        messages.success(self.request, _("We are putting your data together, and mail you when it is ready."))
        return see_other("accounts:data")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code != "conflict":
            return super().refuse(form, problem)
        messages.warning(self.request, str(problem.detail))
        return see_other("accounts:data")
