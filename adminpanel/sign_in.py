from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views import View

from accounts.pages import pending, words
from accounts.pages.factor_forms import AppCodeForm
from accounts.pages.forms import PageForm
from accounts.pages.steps import FormPage, see_other
from accounts.services import codes, factors, sign_in
from accounts.services.sign_in import CodeNeeded, SignedIn
from adminpanel.door import arrival_of, path_inside, staff_of
from adminpanel.forms import RecoveryCodeForm, StaffSignInForm
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.headers import CLEAR_SITE_DATA
from gatehouse.pages import SeeOther, safe_next
from gatehouse.problems import Problem
from sessions_app import browser, cookies
from sessions_app import services as sessions
from sessions_app.conf import app_settings as session_settings
from sessions_app.reasons import RevokeReason


def ended(reason: RevokeReason | None) -> str:
    """Return what the sign-in page says of a staff session that ended for *reason*."""
    match reason:
        case RevokeReason.IDLE:
            return _("We signed you out because you were inactive for %(span)s.") % {
                "span": words.span(session_settings().STAFF_IDLE)
            }
        case RevokeReason.ABSOLUTE:
            return _("We signed you out because you were signed in for %(span)s.") % {
                "span": words.span(session_settings().STAFF_ABSOLUTE)
            }
        case _other:
            return words.ended(reason)


class AtTheDoor(View):
    """A step of signing in. Whoever is inside has nothing to do here; whose step has ended starts again."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if staff_of(request) is not None:
            return redirect(self.goal)
        try:
            return super().dispatch(request, *args, **kwargs)
        except Problem as problem:
            if problem.code != "challenge_expired":
                raise
            return self.start_again(_("This sign-in took too long or was finished elsewhere. Sign in again."))

    @property
    def goal(self) -> str:
        return path_inside(safe_next(self.request, ""))

    @property
    def wanted(self) -> str:
        return safe_next(self.request, "")

    @property
    def challenge_id(self) -> UUID:
        found = pending.challenge_of(self.request)
        if found is None:
            raise Problem("challenge_expired")
        return found

    def start_again(self, why: str) -> SeeOther:
        pending.clear(self.request)
        messages.warning(self.request, why)
        return see_other("admin:login", next=self.wanted)

    def url(self, name: str) -> str:
        return resolve_url(name) + (f"?{urlencode({'next': self.wanted})}" if self.wanted else "")


class SignIn(AtTheDoor, FormPage):
    template_name = "admin/login.html"
    form_class = StaffSignInForm

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return StaffSignInForm(data, initial={"next": self.wanted})

    def context(self) -> dict[str, Any]:
        return {"ended": ended(getattr(self.request, "session_end_reason", None))}

    def act(self, form: PageForm) -> HttpResponse:
        typed = form.cleaned_data
        step = sign_in.begin(email=typed["email"], password=typed["password"], arrival=arrival_of(self.request))
        if not isinstance(step, CodeNeeded):
            raise Problem("factor_required")  # the gate always asks staff for a code; never let anybody past here
        pending.begin(self.request, step.challenge.id)
        return see_other("admin:code", next=self.wanted)

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code == "invalid_credentials":
            form.refuse({"": [_("The email or password is wrong, or the account is not one of staff. Try again.")]})
            return self.show(422, form=form)
        return super().refuse(form, problem)


class AnswerPage(AtTheDoor, FormPage):
    """A page that answers the challenge; a right answer opens the session."""

    method: str
    other: str

    def context(self) -> dict[str, Any]:
        return {"other_url": self.url(self.other)}

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        codes.describe(self.challenge_id)
        return super().get(request, **kwargs)

    def act(self, form: PageForm) -> HttpResponse:
        limits.take(self.request, ("staff_ip", self.client.network), ("code_verify_ip", self.client.network))
        step = sign_in.answer(
            challenge_id=self.challenge_id,
            code=form.cleaned_data["code"],
            method=self.method,
            arrival=arrival_of(self.request),
        )
        return self.enter(step)

    def enter(self, step: SignedIn) -> HttpResponse:
        goal = self.goal
        browser.sign_in(self.request, step.session)
        response = SeeOther(goal)
        if step.device_token:
            cookies.set_device(response, step.device_token)
        return response

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code == "otp_invalid" and not problem.members.get("attempts_remaining"):
            return self.start_again(_("That code is not correct, and no tries are left. Sign in again."))
        return super().refuse(form, problem)


class EnterCode(AnswerPage):
    template_name = "admin/code.html"
    form_class = AppCodeForm
    method = "totp"
    other = "admin:recovery"

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        form = AppCodeForm(data)
        if data is None:
            form.fields["code"].widget.attrs["autofocus"] = True
        return form


class EnterRecoveryCode(AnswerPage):
    template_name = "admin/recovery_code.html"
    form_class = RecoveryCodeForm
    method = "recovery"
    other = "admin:code"

    def enter(self, step: SignedIn) -> HttpResponse:
        response = super().enter(step)
        messages.warning(self.request, words.codes_left(factors.recovery_codes_left(step.user)))
        return response


class CancelSignIn(View):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        challenge_id = pending.challenge_of(request)
        if challenge_id is not None and staff_of(request) is None:
            codes.cancel(challenge_id)
            request.session.flush()
        return see_other("admin:login")


class SignOut(View):
    """Ends the session; a visit by a link changes nothing."""

    http_method_names = ["get", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:index")

    def post(self, request: HttpRequest) -> HttpResponse:
        principal = getattr(request, "principal", None)
        if principal is not None:
            current = principal.session
            client = client_of(request)
            sessions.end_own(user=principal.user, session_id=current.pk, current=current, client=client)
            browser.sign_out(request)
            messages.success(request, _("You are signed out."))
        response = see_other("admin:login")
        response["Clear-Site-Data"] = CLEAR_SITE_DATA
        return response
