from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from accounts.conf import app_settings
from accounts.pages import asking, pending, words
from accounts.pages.forms import CodeForm, MethodForm, PageForm, RecoveryCodeForm, SignInForm
from accounts.pages.steps import REFUSED, FormPage, Page, SignedInOnly, SignedOutOnly, see_other
from accounts.services import codes, factors, sign_in
from accounts.services.codes import ChallengeView, MethodView
from accounts.services.factors import DIGITS
from accounts.services.sign_in import AddressUnverified, Arrival, CodeNeeded, SignedIn
from accounts.unlocked import read_unlock
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.headers import CLEAR_SITE_DATA
from gatehouse.pages import SeeOther, safe_next
from gatehouse.problems import Problem
from sessions_app import browser, cookies
from sessions_app import services as sessions
from sessions_app.conf import app_settings as session_settings
from sessions_app.models import Door, Transport


def arrival_of(request: HttpRequest, *, keep: bool = False) -> Arrival:
    """Say how the browser comes in: by the pages, with cookies."""
    return Arrival(
        door=Door.PAGE,
        transport=Transport.COOKIE,
        client=client_of(request),
        device_token=cookies.read_device(request),
        unlock_token=read_unlock(request),
        keep=keep,
        usages=limits.usages_of(request),
    )


def enter(request: HttpRequest, step: SignedIn) -> SeeOther:
    """Tie the browser to its new session, let its device be known again, and go where it wanted to."""
    goal = safe_next(request, resolve_url("accounts:security"))
    browser.sign_in(request, step.session)
    asking.begin(request)
    response = SeeOther(goal)
    if step.device_token:
        cookies.set_device(response, step.device_token)
    return response


def send_code(request: HttpRequest, challenge_id: UUID) -> None:
    """Mail one more code for a challenge, within the limits."""
    client = client_of(request)
    limits.take(request, ("code_send_ip", client.network))
    codes.send(challenge_id=challenge_id, client=client)


class SignIn(SignedOutOnly, FormPage):
    template_name = "accounts/sign_in.html"
    form_class = SignInForm

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return SignInForm(data, initial={"next": safe_next(self.request, "")})

    def context(self) -> dict[str, Any]:
        reason = getattr(self.request, "session_end_reason", None)
        return {"ended": words.ended(reason), "signup_open": app_settings().SIGNUP_OPEN}

    def act(self, form: PageForm) -> HttpResponse:
        step = sign_in.begin(
            email=form.cleaned_data["email"],
            password=form.cleaned_data["password"],
            arrival=arrival_of(self.request, keep=form.cleaned_data["keep"]),
        )
        match step:
            case SignedIn():
                return enter(self.request, step)
            case CodeNeeded():
                pending.begin(self.request, step.challenge.id)
                return see_other("accounts:otp", next=safe_next(self.request, ""))
            case AddressUnverified():
                pending.mailed(self.request, step.email, timezone.now())
                return see_other("accounts:check-email")


class ChallengeStep(SignedOutOnly):
    """A step of a half-done sign-in. Where that has ended, the sign-in starts again."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Problem as problem:
            if problem.code != "challenge_expired":
                raise
            pending.clear(request)
            messages.warning(request, _("This sign-in took too long or was finished elsewhere. Sign in again."))
            return see_other("accounts:login", next=self.next)

    @property
    def next(self) -> str:
        return safe_next(self.request, "")

    @property
    def challenge_id(self) -> UUID:
        found = pending.challenge_of(self.request)
        if found is None:
            raise Problem("challenge_expired")
        return found

    @cached_property
    def challenge(self) -> ChallengeView:
        return codes.describe(self.challenge_id)

    def url(self, name: str) -> str:
        return resolve_url(name) + (f"?{urlencode({'next': self.next})}" if self.next else "")


class AnswerPage(ChallengeStep, FormPage):
    """A page that answers the challenge with a code."""

    def answer(self, *, code: str, method: str, trust_device: bool = False) -> SignedIn:
        limits.take(self.request, ("code_verify_ip", self.client.network))
        return sign_in.answer(
            challenge_id=self.challenge_id,
            code=code,
            method=method,
            trust_device=trust_device,
            arrival=arrival_of(self.request),
        )

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code == "otp_invalid" and not problem.members.get("attempts_remaining"):
            pending.clear(self.request)
            messages.warning(self.request, _("That code is not correct, and no tries are left. Sign in again."))
            return see_other("accounts:login", next=self.next)
        return super().refuse(form, problem)


class EnterCode(AnswerPage):
    template_name = "accounts/code.html"
    form_class = CodeForm

    @property
    def method(self) -> MethodView:
        return next(method for method in self.challenge.methods if method.type != "recovery")

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        length = DIGITS if self.method.type == "totp" else None
        return CodeForm(data, trust_for=session_settings().TRUST_TTL, length=length)

    def context(self) -> dict[str, Any]:
        challenge = self.challenge
        return {
            "method": self.method,
            "code_expires_at": challenge.code_expires_at,
            "expired": challenge.code_expires_at is not None and challenge.code_expires_at <= timezone.now(),
            "resend_after": challenge.resend_after,
            "sends_left": challenge.sends_left,
            "other_methods": len(challenge.methods) > 1,
            "method_url": self.url("accounts:otp-method"),
            "next": self.next,
        }

    def act(self, form: PageForm) -> HttpResponse:
        typed = form.cleaned_data
        step = self.answer(code=typed["code"], method=self.method.type, trust_device=typed["trust_device"])
        return enter(self.request, step)

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        left = problem.members.get("attempts_remaining")
        if problem.code == "otp_invalid" and left and self.method.type == "totp":
            check = _("Check that the time on your phone is set automatically.")
            form.refuse({"": [f"{words.wrong_code(left)} {check}"]})
            return self.show(REFUSED, form=form)
        if problem.code != "otp_expired":
            return super().refuse(form, problem)
        try:
            send_code(self.request, self.challenge_id)
        except Problem:
            form.refuse({"": [_("The code has expired. Ask for a new code.")]})
        else:
            form.refuse({"": [_("The code has expired. We sent a new one.")]})
        self.__dict__.pop("challenge", None)
        return self.show(REFUSED, form=form)


class EnterRecoveryCode(AnswerPage):
    template_name = "accounts/recovery_code.html"
    form_class = RecoveryCodeForm

    def context(self) -> dict[str, Any]:
        return {"method_url": self.url("accounts:otp-method")}

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not any(method.type == "recovery" for method in self.challenge.methods):
            return see_other("accounts:otp", next=self.next)
        return super().get(request, **kwargs)

    def act(self, form: PageForm) -> HttpResponse:
        step = self.answer(code=form.cleaned_data["code"], method="recovery")
        response = enter(self.request, step)
        left = factors.recovery_codes_left(step.user)
        messages.warning(self.request, words.codes_left(left))
        if not left:  # the last one: new ones are made before anything else
            response["Location"] = resolve_url("accounts:recovery-codes-new")
        return response


class ChooseMethod(ChallengeStep, FormPage):
    template_name = "accounts/code_method.html"
    form_class = MethodForm

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return MethodForm(data, methods=self.challenge.methods)

    def context(self) -> dict[str, Any]:
        return {"code_url": self.url("accounts:otp")}

    def act(self, form: PageForm) -> HttpResponse:
        recovery = form.cleaned_data["method"] == "recovery"
        return see_other("accounts:recovery" if recovery else "accounts:otp", next=self.next)


class ResendCode(ChallengeStep):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            send_code(request, self.challenge_id)
        except Problem as problem:
            if problem.code != "rate_limited" or problem.retry_after is None:
                raise
            messages.warning(request, words.wait_for_code(problem.retry_after))
        else:
            messages.success(request, _("We sent another code. Only the newest works."))
        return see_other("accounts:otp", next=self.next)


class CancelSignIn(SignedOutOnly):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        challenge_id = pending.challenge_of(request)
        if challenge_id is not None:
            codes.cancel(challenge_id)
        request.session.flush()
        return see_other("accounts:login")


class SignOut(SignedInOnly, Page):
    before_terms = True
    template_name = "accounts/sign_out.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        current = self.principal.session
        sessions.end_own(user=self.principal.user, session_id=current.pk, current=current, client=self.client)
        browser.sign_out(request)
        messages.success(request, _("You are signed out."))
        response = see_other("accounts:login")
        response["Clear-Site-Data"] = CLEAR_SITE_DATA
        return response
