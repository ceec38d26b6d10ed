from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import resolve_url
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts.pages import fresh
from accounts.pages.forms import PageForm
from accounts.pages.reauthentication_forms import (
    PasswordAgainForm,
    ReauthenticationForm,
    RecoveryReauthenticationForm,
)
from accounts.pages.steps import REFUSED, FormPage, SignedInOnly
from accounts.services import factors
from accounts.services.reauthentication import reauthenticate
from gatehouse import limits
from gatehouse.pages import SeeOther, safe_next
from gatehouse.problems import Problem
from sessions_app import browser


class Reauthenticate(SignedInOnly, FormPage):
    """Password, and code where an app is set up, once more; then back to what was begun."""

    template_name = "accounts/reauthenticate.html"

    @cached_property
    def method(self) -> str:
        """What proves more than the password: an app's code, a recovery code, or nothing where no app is set up."""
        if not factors.has_app(self.principal.user):
            return ""
        return "recovery" if self.request.GET.get("method") == "recovery" else "totp"

    @property
    def goal(self) -> str:
        return safe_next(self.request, resolve_url("accounts:security"))

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        match self.method:
            case "totp":
                return ReauthenticationForm(data)
            case "recovery":
                return RecoveryReauthenticationForm(data)
            case _none:
                return PasswordAgainForm(data)

    def context(self) -> dict[str, Any]:
        purpose = fresh.purpose_of(self.request, self.goal)
        return {"email": self.principal.user.email, "method": self.method, "next": self.goal, "purpose": purpose}

    def act(self, form: PageForm) -> HttpResponse:
        limits.take(self.request, ("acts_account", str(self.principal.user.pk)))
        reauthenticate(
            user=self.principal.user,
            session=self.principal.session,
            password=form.cleaned_data["password"],
            method=self.method or None,
            code=form.cleaned_data.get("code"),
            client=self.client,
        )
        browser.renew_key(self.request)
        return SeeOther(self.goal)

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        match problem.code:
            case "invalid_credentials":
                form.refuse({"password": [_("The password is wrong. Try again.")]})
            case "otp_invalid":
                form.refuse({"code": [_("That code is not correct. Wait for the next one, then try again.")]})
            case _other:
                return super().refuse(form, problem)
        return self.show(REFUSED, form=form)
