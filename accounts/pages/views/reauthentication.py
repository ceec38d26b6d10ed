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
from sessions_app.principal import Principal


class ProveAgain(FormPage):
    """Password and code once more, then back to what was begun; at which door, its subclass says."""

    principal: Principal

    def asks_code(self) -> bool:
        return True

    @property
    def goal(self) -> str:
        raise NotImplementedError

    @cached_property
    def method(self) -> str:
        """What proves more than the password: an app's code, a recovery code, or nothing where none is asked for."""
        if not self.asks_code():
            return ""
        return "recovery" if self.request.GET.get("method") == "recovery" else "totp"

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        match self.method:
            case "totp":
                return ReauthenticationForm(data)
            case "recovery":
                return RecoveryReauthenticationForm(data)
            case _none:
                return PasswordAgainForm(data)

    def context(self) -> dict[str, Any]:
        shown = {"email": self.principal.user.email, "method": self.method, "next": self.goal}
        return shown | fresh.interrupted_at(self.request, self.goal)

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
                form.refuse({"code": [self._wrong_code()]})
            case _other:
                return super().refuse(form, problem)
        return self.show(REFUSED, form=form)

    def _wrong_code(self) -> str:
        if self.method == "recovery":
            return _("That code is not correct, or it was used before. Try another one.")
        return _("That code is not correct. Wait for the next one, then try again.")


class Reauthenticate(SignedInOnly, ProveAgain):
    before_terms = True
    template_name = "accounts/reauthenticate.html"

    def asks_code(self) -> bool:
        return factors.has_app(self.principal.user)

    @property
    def goal(self) -> str:
        return safe_next(self.request, resolve_url("accounts:security"))
