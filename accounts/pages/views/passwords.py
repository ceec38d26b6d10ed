from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts import links
from accounts.conf import app_settings
from accounts.models import Method
from accounts.pages import pending, words
from accounts.pages.forms import CodeField, PageForm, RecoveryCodeField
from accounts.pages.password_forms import ChangePasswordForm, ForgotForm, ResetForm
from accounts.pages.steps import REFUSED, FormPage, LinkPage, OwnChange, Page, principal_of, see_other
from accounts.services import passwords, resets
from accounts.services.factors import DIGITS
from gatehouse import limits
from gatehouse.conf import app_settings as site_settings
from gatehouse.problems import Problem
from sessions_app import browser


class Forgot(FormPage):
    template_name = "accounts/forgot.html"
    form_class = ForgotForm

    def act(self, form: PageForm) -> HttpResponse:
        email = form.cleaned_data["email"]
        limits.take(self.request, ("resend_ip", self.client.network))
        resets.request_reset(email=email, client=self.client)
        pending.mailed(self.request, email, timezone.now())
        return see_other("accounts:password-reset-sent")


class ResetSent(Page):
    template_name = "accounts/reset_sent.html"

    def context(self) -> dict[str, Any]:
        site = {"site_name": site_settings().SITE_NAME}
        return {
            "email": pending.address_of(self.request),
            "sender": app_settings().EMAIL_FROM,
            "subject": render_to_string("accounts/mail/password_reset/subject.txt", site).strip(),
            "ttl_words": words.span(app_settings().RESET_TTL),
        }


class ResetLink(LinkPage):
    goal = "accounts:password-reset-new"


class SetPassword(FormPage):
    """Its address carries no token: see LinkConfirmPage for its Referrer-Policy."""

    template_name = "accounts/reset_password.html"

    @cached_property
    def link(self) -> resets.ResetView | None:
        """What the link of this browser opens; None where it opens nothing any more."""
        try:
            return resets.peek_reset(pending.link_of(self.request) or "")
        except Problem as problem:
            if problem.code not in links.REFUSALS:
                raise
            return None

    @property
    def method(self) -> Method:
        """How somebody confirms: by the app, or where they chose so by a recovery code."""
        return Method.RECOVERY if self.request.GET.get("method") == Method.RECOVERY.value else Method.TOTP

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        code: forms.Field | None = None
        if self.link is not None and self.link.asks_code:
            code = RecoveryCodeField() if self.method == Method.RECOVERY else CodeField(length=DIGITS)
        about = (self.link.user.email, self.link.user.display_name) if self.link else ()
        return ResetForm(data, about=about, code=code)

    def context(self) -> dict[str, Any]:
        here = principal_of(self.request)
        link = self.link
        return {
            "email": link.user.email if link else "",
            "asks_code": bool(link and link.asks_code),
            "by_recovery": self.method == Method.RECOVERY,
            "other": here.user.email if here and link and here.user.pk != link.user.pk else "",
        }

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return super().get(request, **kwargs) if self.link else self.over(200)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        limits.take(request, ("link_ip", self.client.network))
        return super().post(request, **kwargs) if self.link else self.over(REFUSED)

    def over(self, status: int) -> HttpResponse:
        """Say that the link opens nothing, and lead to a new one."""
        self.template_name = "accounts/reset_over.html"
        return self.show(status)

    def act(self, form: PageForm) -> HttpResponse:
        typed = form.cleaned_data
        user = resets.reset_password(
            token=pending.link_of(self.request) or "",
            new_password=typed["password"],
            method=self.method.value,
            code=typed.get("code"),
            client=self.client,
        )
        pending.clear(self.request)
        here = principal_of(self.request)
        if here is not None and here.user.pk == user.pk:
            browser.sign_out(self.request)  # this session ended with the others
        said = _("The password of %(email)s is changed, and every device is signed out. Sign in with the new one.")
        messages.success(self.request, said % {"email": user.email})
        return see_other("accounts:login")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code in links.REFUSALS:  # used, or replaced, since the form was shown
            return self.over(REFUSED)
        if problem.code == "otp_invalid":
            form.refuse({"code": [words.wrong_code(problem.members.get("attempts_remaining", 0))]})
            return self.show(REFUSED, form=form)
        if problem.code == "factor_required":  # an app was set up since the form was shown
            return see_other("accounts:password-reset-new")
        return super().refuse(form, problem)


class ChangePassword(OwnChange, FormPage):
    template_name = "accounts/change_password.html"

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        user = self.principal.user
        return ChangePasswordForm(data, about=(user.email, user.display_name))

    def context(self) -> dict[str, Any]:
        return {"email": self.principal.user.email}

    def act(self, form: PageForm) -> HttpResponse:
        typed = form.cleaned_data
        limits.take(self.request, ("acts_account", str(self.principal.user.pk)))
        passwords.change_password(
            user=self.principal.user,
            session=self.principal.session,
            current=typed["old_password"],
            new=typed["new_password"],
            revoke_others=typed["sign_out_others"],
            client=self.client,
        )
        browser.renew_key(self.request)
        messages.success(self.request, _("Your password is changed. No device is trusted any more."))
        return see_other("accounts:security")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code == "invalid_credentials":
            form.refuse({"old_password": [_("The current password is wrong")]})
            return self.show(REFUSED, form=form)
        return super().refuse(form, problem)
