from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from accounts.pages.forms import PageForm
from accounts.pages.steps import REFUSED, FormPage, SeeOther
from accounts.services.reauthentication import reauthenticate
from adminpanel.door import path_inside, staff_of
from adminpanel.forms import ReauthenticationForm, RecoveryReauthenticationForm
from gatehouse.pages import safe_next
from gatehouse.problems import Problem
from sessions_app import browser
from sessions_app.principal import Principal


class Reauthenticate(FormPage):
    """Password and code once more, then back to what was begun."""

    template_name = "admin/reauthenticate.html"
    principal: Principal

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = staff_of(request)
        if found is None:
            raise Problem("permission_denied")
        self.principal = found
        return super().dispatch(request, *args, **kwargs)

    @property
    def method(self) -> str:
        return "recovery" if self.request.GET.get("method") == "recovery" else "totp"

    @property
    def goal(self) -> str:
        return path_inside(safe_next(self.request, ""))

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return RecoveryReauthenticationForm(data) if self.method == "recovery" else ReauthenticationForm(data)

    def context(self) -> dict[str, Any]:
        return {"email": self.principal.user.email, "method": self.method, "next": self.goal}

    def act(self, form: PageForm) -> HttpResponse:
        typed = form.cleaned_data
        reauthenticate(
            user=self.principal.user,
            session=self.principal.session,
            password=typed["password"],
            method=self.method,
            code=typed["code"],
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
