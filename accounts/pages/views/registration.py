from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conf import app_settings
from accounts.pages import pending
from accounts.pages.forms import PageForm, ResendForm, SignUpForm
from accounts.pages.steps import FormPage, LinkConfirmPage, LinkPage, Page, SignedOutOnly, see_other
from accounts.pages.words import span
from accounts.services import registration
from accounts.services.registration import LinkView
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.conf import app_settings as site_settings
from gatehouse.text import normalise_email


class SignUp(SignedOutOnly, FormPage):
    template_name = "accounts/sign_up.html"
    form_class = SignUpForm

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not app_settings().SIGNUP_OPEN:
            self.template_name = "accounts/sign_up_closed.html"
            return self.show(403)
        return super().get(request, **kwargs)

    def act(self, form: PageForm) -> HttpResponse:
        email = form.cleaned_data["email"]
        key = normalise_email(email)[1]
        limits.take(self.request, ("register_ip", self.client.network), ("register_address", key))
        assert isinstance(form, SignUpForm)  # noqa: S101 - narrows the type
        registration.register(
            email=email,
            password=form.cleaned_data["password"],
            accept_terms=True,
            agreed=form.agreed,
            client=self.client,
        )
        pending.mailed(self.request, email, timezone.now())
        return see_other("accounts:check-email")


class CheckEmail(SignedOutOnly, Page):
    template_name = "accounts/check_email.html"

    def context(self) -> dict[str, Any]:
        site = {"site_name": site_settings().SITE_NAME}
        return {
            "email": pending.address_of(self.request),
            "sender": app_settings().EMAIL_FROM,
            "subject": render_to_string("accounts/mail/verify/subject.txt", site).strip(),
            "ttl_words": span(app_settings().VERIFY_TTL),
            "wait_seconds": self.wait,
        }

    @property
    def wait(self) -> int:
        return pending.wait_of(self.request, app_settings().OTP_RESEND_AFTER, timezone.now())

    def post(self, request: HttpRequest) -> HttpResponse:
        email = pending.address_of(request)
        if email and not self.wait:
            _resend(request, email)
            messages.success(request, _("We sent another email."))
        return see_other("accounts:check-email")


class Resend(FormPage):
    template_name = "accounts/resend.html"
    form_class = ResendForm

    def act(self, form: PageForm) -> HttpResponse:
        _resend(self.request, form.cleaned_data["email"])
        said = _("If there is an account that waits for this address, a new link is on its way.")
        messages.success(self.request, said)
        return see_other("accounts:check-email")


class VerifyLink(LinkPage):
    goal = "accounts:verify-confirm"


class VerifyConfirm(LinkConfirmPage):
    template_name = "accounts/verify.html"

    def look(self) -> LinkView:
        return registration.peek_verification(self.token)

    def press(self) -> HttpResponse:
        registration.verify_email(token=self.token, client=self.client)
        pending.clear(self.request)
        messages.success(self.request, _("Your address is confirmed. Sign in with it."))
        return see_other("accounts:login")


def _resend(request: HttpRequest, email: str) -> None:
    client = client_of(request)
    key = normalise_email(email)[1]
    limits.take(request, ("resend_ip", client.network), ("resend_address", key))
    registration.resend_verification(email=email, client=client)
    pending.mailed(request, email, timezone.now())
