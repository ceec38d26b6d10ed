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
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import links
from accounts.models import User
from accounts.pages import pending
from accounts.pages.forms import PageForm
from accounts.pages.steps import REFUSED, FormPage, LinkPage, see_other
from accounts.services import enrolment
from accounts.services.factors import DIGITS, STEP, TotpSetup
from adminpanel import held
from adminpanel.forms import AppCodeForm, NewPasswordForm, SavedCodesForm
from gatehouse import limits
from gatehouse.conf import app_settings as site_settings
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
        groups = [shown.secret[i : i + 4] for i in range(0, len(shown.secret), 4)]
        return {
            "email": self.owner.email,
            "issuer": site_settings().SITE_NAME,
            "key": " ".join(groups),
            "otpauth_url": shown.otpauth_url,
            "digits": DIGITS,
            "period": STEP,
        }

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
        held.hold_codes(self.request, email=user.email, codes=codes, now=timezone.now())
        return see_other("adminpanel:enrol-codes")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code != "otp_invalid":
            return super().refuse(form, problem)
        said = _("That code is not correct. Check that the time on your phone is set automatically.")
        form.refuse({"code": [said]})
        return self.show(REFUSED, form=form)


class QrCode(EnrolStep):
    """The QR code as a picture of this origin: nothing inline, and in no cache."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        shown = enrolment.pending(self.token)
        if shown is None:
            raise Problem("not_found")
        picture = shown.qr_svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        return HttpResponse(picture, content_type="image/svg+xml")


class HoldsCodes(FormPage):
    """A page of whoever was just given recovery codes."""

    email: str
    codes: list[str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = held.codes_of(request, timezone.now())
        if found is None:
            return see_other("admin:login")
        self.email, self.codes = found
        return super().dispatch(request, *args, **kwargs)


class RecoveryCodes(HoldsCodes):
    template_name = "admin/enrol_codes.html"
    form_class = SavedCodesForm

    def context(self) -> dict[str, Any]:
        return {"codes": self.codes, "email": self.email}

    def act(self, form: PageForm) -> HttpResponse:
        held.forget_codes(self.request)
        messages.success(self.request, _("Your account is ready. Sign in with the next code that your app shows."))
        return see_other("admin:login")


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
