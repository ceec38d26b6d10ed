"""The pages on which a new member of staff sets a password and an authenticator app.

They lie below /account/ and not below the staff path: the staff cookie is SameSite=Strict, and a browser that comes
from a link in a web mail would not send it with the redirect that takes the token out of the address bar.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts import links
from accounts.models import User
from accounts.pages import app_setup, new_codes, pending
from accounts.pages.factor_forms import AppCodeForm
from accounts.pages.forms import PageForm
from accounts.pages.steps import REFUSED, FormPage, LinkPage, see_other
from accounts.services import enrolment
from accounts.services.factors import TotpSetup
from adminpanel.forms import NewPasswordForm
from gatehouse import limits
from gatehouse.problems import Problem


class EnrolLink(LinkPage):
    goal = "adminpanel:enrol-password"


class EnrolStep(FormPage):
    """A step of the enrolment. Where its link opens nothing (any more), the page says so."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Problem as problem:
            if problem.code not in links.REFUSALS:
                raise
            return render(request, "admin/enrol_over.html", {"problem": problem}, status=problem.status)

    @property
    def token(self) -> str:
        return pending.link_of(self.request) or ""

    @cached_property
    def owner(self) -> User:
        return enrolment.peek(self.token)


class SetPassword(EnrolStep):
    template_name = "admin/enrol_password.html"
    form_class = NewPasswordForm

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return NewPasswordForm(data, email=self.owner.email)

    def context(self) -> dict[str, Any]:
        return {"email": self.owner.email, "is_set": enrolment.pending(self.token) is not None}

    def act(self, form: PageForm) -> HttpResponse:
        limits.take(self.request, ("link_ip", self.client.network))
        enrolment.set_password(token=self.token, password=form.cleaned_data["password"], client=self.client)
        return see_other("adminpanel:enrol-app")


class SetUpApp(EnrolStep):
    template_name = "admin/enrol_app.html"
    form_class = AppCodeForm

    @cached_property
    def setup_shown(self) -> TotpSetup | None:
        return enrolment.pending(self.token)

    def context(self) -> dict[str, Any]:
        shown = self.setup_shown
        if shown is None:
            return {}
        return app_setup.shown(shown, self.owner.email)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if self.setup_shown is None:
            return redirect("adminpanel:enrol-password")
        return super().get(request, **kwargs)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if self.setup_shown is None:  # it waited too long: a new key comes with the password step
            messages.warning(request, _("The key was shown too long ago. Set the password again to get a new one."))
            return see_other("adminpanel:enrol-password")
        return super().post(request, **kwargs)

    def act(self, form: PageForm) -> HttpResponse:
        limits.take(self.request, ("code_verify_ip", self.client.network))
        user, codes = enrolment.finish(token=self.token, code=form.cleaned_data["code"], client=self.client)
        self.request.session.cycle_key()
        pending.clear(self.request, "link")
        new_codes.hold(self.request, email=user.email, codes=codes, now=timezone.now())
        return see_other("adminpanel:enrol-codes")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code != "otp_invalid":
            return super().refuse(form, problem)
        form.refuse({"code": [str(problem.detail)]})
        return self.show(REFUSED, form=form)


class QrCode(EnrolStep):
    http_method_names = ["get"]

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        shown = enrolment.pending(self.token)
        if shown is None:
            raise Problem("not_found")
        return app_setup.picture(shown)


class RecoveryCodes(new_codes.ShowCodes):
    template_name = "admin/enrol_codes.html"
    over = "admin:login"

    def act(self, form: PageForm) -> HttpResponse:
        new_codes.forget(self.request)
        messages.success(self.request, _("Your account is ready. Sign in with the next code that your app shows."))
        return see_other("admin:login")


class DownloadCodes(new_codes.DownloadCodes):
    over = "admin:login"
