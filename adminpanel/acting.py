"""The page of an action: says what it touches, asks why, has staff prove who they are, and tells how it went."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.pages import words
from accounts.pages.steps import REFUSED, FormPage, see_other
from adminpanel import held
from adminpanel.actions import ACTIONS, StaffAction
from adminpanel.door import path_inside, refuse_access, staff_of
from adminpanel.forms import ReasonForm
from adminpanel.held import HeldAct
from gatehouse.problems import Problem
from sessions_app.models import Session
from sessions_app.principal import Principal

MOST = 100  # rows touched at once
_TOLD = 5  # refusals that are told one by one
_KEPT = 2000  # characters of a field that are kept while somebody proves who they are


class ActPage(FormPage):
    """Asks for what the action needs, names what is touched, and calls the service for each row."""

    template_name = "admin/act.html"
    action: StaffAction
    principal: Principal

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = staff_of(request)
        if found is None:
            raise Problem("permission_denied")
        action = ACTIONS.get(kwargs["name"])
        if action is None:
            raise Problem("not_found")
        if not found.user.may(action.permission):
            refuse_access(request, found)
        self.principal, self.action = found, action
        return super().dispatch(request, *args, **kwargs)

    @property
    def chosen(self) -> HeldAct | None:
        found = held.act_of(self.request)
        return found if found is not None and found.name == self.action.name else None

    def make_form(self, data: QueryDict | None = None, **given: Any) -> ReasonForm:
        return self.action.form(data, viewer=self.principal.user, **given)

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        act = self.chosen
        if act is None:
            return redirect("admin:index")
        if not self.principal.is_fresh(timezone.now()):
            return self._prove_again()
        return self.show(form=self.make_form(initial=act.typed), **self._facts(act))

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        if "start" in request.POST:
            return self._start(request.POST)
        act = self.chosen
        if act is None:
            messages.warning(request, _("Nothing was chosen, or it was done already. Choose again."))
            return see_other("admin:index")
        form = self.make_form(request.POST)
        if not self.principal.is_fresh(timezone.now()):
            typed = {name: request.POST.get(name, "")[:_KEPT] for name in form.fields}
            held.hold_act(request, HeldAct(act.name, act.ids, act.back, typed))
            return self._prove_again()
        if not form.is_valid():
            return self.show(REFUSED, form=form, **self._facts(act))
        try:
            self._run(act, form.cleaned_data)
        except Problem as problem:
            form.refuse(words.refusal(problem) or {"": [str(problem.detail)]})
            return self.show(REFUSED, form=form, **self._facts(act))
        held.forget_act(request)
        return see_other(act.back)

    def _start(self, data: QueryDict) -> HttpResponse:
        ids = held.ids_in(data.getlist("selected"))
        back = path_inside(data.get("back", ""))
        if not ids or len(ids) > MOST:
            said = _("Choose at least one row.") if not ids else _("Choose %(n)d rows at most.") % {"n": MOST}
            messages.warning(self.request, said)
            return see_other(back)
        held.hold_act(self.request, HeldAct(self.action.name, ids, back))
        return see_other(self.request.path)

    def _prove_again(self) -> HttpResponse:
        return see_other("admin:reauthenticate", next=self.request.path)

    def _facts(self, act: HeldAct) -> dict[str, Any]:
        targets = self.action.targets(self.principal.user, act.ids)
        people = {target.user.pk for target in targets}
        live = Session.objects.live(timezone.now()).filter(user__in=people).count()
        return {
            **admin.site.each_context(self.request),
            "action": self.action,
            "question": self.action.question % {"n": len(targets)},
            "targets": targets,
            "live_sessions": live,
            "back": act.back,
        }

    def _run(self, act: HeldAct, typed: dict[str, Any]) -> None:
        """Call the service for each row. What it refuses of the form stops the first call: nothing is done by then."""
        done, refused = 0, []
        for target in self.action.targets(self.principal.user, act.ids):
            try:
                self.action.run(target, by=self.principal.user, client=self.client, **typed)
            except Problem as problem:
                if problem.code == "validation_failed":
                    raise
                title = "" if problem.code == "conflict" else f"{problem.title}. "  # its detail says it all
                refused.append(f"{target.label}: {title}{problem.detail}")
            else:
                done += 1
        if done:
            messages.success(self.request, self.action.done % {"n": done})
        for said in refused[:_TOLD]:
            messages.warning(self.request, said)
        if len(refused) > _TOLD:
            more = len(refused) - _TOLD
            messages.warning(self.request, _("%(n)d more were refused.") % {"n": more})
        if not done and not refused:
            messages.warning(self.request, _("Nothing was left to do."))
