from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

from accounts.conf import app_settings
from accounts.models import Consent
from accounts.pages.consent_forms import AgreeForm, ConsentsForm
from accounts.pages.forms import PageForm
from accounts.pages.steps import FormPage, SignedInOnly, see_other
from accounts.services import consents
from gatehouse import limits
from gatehouse.pages import SeeOther, safe_next
from gatehouse.problems import Problem

RECENT = 20


class AnswerPage(SignedInOnly, FormPage):
    """A page that answers for its reader; it stays open while the terms are due."""

    before_terms = True

    def answer(self, answers: dict[str, bool]) -> None:
        principal = self.principal
        limits.take(self.request, ("acts_account", str(principal.user.pk)))
        consents.answer(user=principal.user, session=principal.session, answers=answers, client=self.client)

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code == "validation_failed":
            return self.again()
        return super().refuse(form, problem)

    def again(self) -> HttpResponse:
        """Show the page anew: what was asked has changed since it was shown, and nobody agrees to what he never saw."""
        messages.warning(self.request, _("What is asked has changed since this page was opened. Look at it again."))
        return SeeOther(self.request.get_full_path())


class Consents(AnswerPage):
    template_name = "accounts/consents.html"

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return ConsentsForm(data, choices=consents.choices(self.principal.user))

    def context(self) -> dict[str, Any]:
        history = Consent.objects.filter(user=self.principal.user).newest_first()
        return {"history": history[:RECENT], "are_due": consents.are_due(self.principal.user)}

    def act(self, form: PageForm) -> HttpResponse:
        assert isinstance(form, ConsentsForm)  # noqa: S101 - narrows the type
        if form.is_stale:
            return self.again()
        changes = form.changes()
        if changes:
            self.answer(changes)
        messages.success(self.request, _("Your answers are saved.") if changes else _("Nothing was changed."))
        return see_other("accounts:consents")


class AgreeToTerms(AnswerPage):
    """Asked after a sign-in; then on to where somebody was going."""

    template_name = "accounts/consents_terms.html"

    @property
    def next(self) -> str:
        return safe_next(self.request, resolve_url("accounts:security"))

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        version = app_settings().TERMS_VERSION
        return AgreeForm(data, initial={"version": version})

    def context(self) -> dict[str, Any]:
        return {"terms_version": app_settings().TERMS_VERSION, "agreed": self.principal.user.terms_version}

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not consents.are_due(self.principal.user):
            return SeeOther(self.next)
        return super().get(request, **kwargs)

    def act(self, form: PageForm) -> HttpResponse:
        if form.cleaned_data["version"] != app_settings().TERMS_VERSION:
            return self.again()
        self.answer({form.cleaned_data["version"]: True})
        return SeeOther(self.next)
