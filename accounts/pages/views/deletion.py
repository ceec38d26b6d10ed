from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.conf import app_settings
from accounts.pages import pending
from accounts.pages.forms import PageForm
from accounts.pages.fresh import FreshOnly
from accounts.pages.steps import REFUSED, LinkConfirmPage, LinkPage, SignedInOnly, principal_of, see_other
from accounts.pages.views.reauthentication import ProveAgain
from accounts.services import deletion, factors
from accounts.services.deletion import UndoView
from gatehouse import limits
from gatehouse.pages import SeeOther
from gatehouse.problems import Problem


class DeleteAccount(SignedInOnly, ProveAgain):
    """The proof of identity and what it is for are one step: whoever presses the button has read what it does."""

    before_terms = True
    template_name = "accounts/delete_account.html"

    def asks_code(self) -> bool:
        return factors.has_app(self.principal.user)

    @property
    def goal(self) -> str:
        return resolve_url("accounts:security")

    def context(self) -> dict[str, Any]:
        user = self.principal.user
        return {
            "email": user.email,
            "method": self.method,
            "account": user,
            "until": timezone.now() + app_settings().ERASURE_GRACE,
        }

    def act(self, form: PageForm) -> HttpResponse:
        super().act(form)
        deletion.request_deletion(user=self.principal.user, session=self.principal.session, client=self.client)
        said = _("We mailed %(email)s a link that undoes the deletion.")
        messages.success(self.request, said % {"email": self.principal.user.email})
        return SeeOther(self.goal)

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code != "conflict":
            return super().refuse(form, problem)
        form.refuse({"password": [str(problem.detail)]})
        return self.show(REFUSED, form=form)


class KeepAccount(FreshOnly):
    before_terms = True
    template_name = "accounts/keep_account.html"
    form_class = PageForm
    purpose = gettext_lazy("keep your account")

    def context(self) -> dict[str, Any]:
        return {"account": self.principal.user}

    def act(self, form: PageForm) -> HttpResponse:
        limits.take(self.request, ("acts_account", str(self.principal.user.pk)))
        if deletion.undo_deletion(user=self.principal.user, session=self.principal.session, client=self.client):
            messages.success(self.request, _("Your account stays. Nothing was erased."))
        return see_other("accounts:security")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code != "conflict":
            return super().refuse(form, problem)
        messages.error(self.request, str(problem.detail))
        return see_other("accounts:security")


class UndoLink(LinkPage):
    goal = "accounts:delete-undo-confirm"


class UndoConfirm(LinkConfirmPage):
    template_name = "accounts/undo_deletion.html"

    def look(self) -> UndoView:
        return deletion.peek_undo(self.token)

    def press(self) -> HttpResponse:
        deletion.undo_by_link(token=self.token, client=self.client)
        pending.clear(self.request, "link")
        messages.success(self.request, _("Your account stays. Nothing was erased."))
        return see_other("accounts:security" if principal_of(self.request) else "accounts:login")
