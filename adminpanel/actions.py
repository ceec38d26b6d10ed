"""What staff do to accounts and sessions: choose rows, say why, prove who they are, and be told how it went."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from accounts.models import User
from accounts.pages import words
from accounts.pages.steps import REFUSED, FormPage, see_other
from accounts.services import lifecycle
from adminpanel import held
from adminpanel.door import path_inside, refuse_access, staff_of
from adminpanel.forms import ReasonForm
from adminpanel.held import HeldAct
from adminpanel.people import address_of, visible_sessions, visible_users
from gatehouse.problems import Problem
from sessions_app.models import Session
from sessions_app.principal import Principal

MOST = 100  # rows touched at once
_TOLD = 5  # refusals that are told one by one


@dataclass(frozen=True)
class Target:
    """One row that an action touches, and what it is called."""

    user: User
    label: str
    session: Session | None = None


@dataclass(frozen=True, kw_only=True)
class StaffAction:
    """One thing that staff may do to some rows."""

    name: str
    permission: str
    button: Any
    question: Any  # with %(n)d
    consequence: Any
    done: Any  # with %(n)d
    targets: Callable[[User, list[str]], list[Target]]
    run: Callable[..., Any]


def _users(viewer: User, ids: list[str]) -> list[Target]:
    found = visible_users(viewer).filter(pk__in=ids).order_by("email_key")
    return [Target(user, address_of(user, viewer)) for user in found]


def _sessions(viewer: User, ids: list[str]) -> list[Target]:
    found = visible_sessions(viewer).live(timezone.now()).filter(pk__in=ids).select_related("user")
    return [Target(row.user, f"{address_of(row.user, viewer)}, {row.device_name}", row) for row in found.newest_first()]


def _disable(target: Target, **given: Any) -> None:
    lifecycle.disable(target=target.user, **given)


def _enable(target: Target, **given: Any) -> None:
    lifecycle.enable(target=target.user, **given)


def _end(target: Target, **given: Any) -> None:
    lifecycle.end_sessions(target=target.user, only=target.session, **given)


DISABLE = StaffAction(
    name="disable",
    permission="users.disable",
    button=gettext_lazy("Disable"),
    question=ngettext_lazy("Disable %(n)d account", "Disable %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "Whoever holds it is signed out everywhere at once and cannot sign in until it is enabled."
    ),
    done=ngettext_lazy("%(n)d account disabled.", "%(n)d accounts disabled.", "n"),
    targets=_users,
    run=_disable,
)
ENABLE = StaffAction(
    name="enable",
    permission="users.enable",
    button=gettext_lazy("Enable"),
    question=ngettext_lazy("Enable %(n)d account", "Enable %(n)d accounts", "n"),
    consequence=gettext_lazy("Whoever holds it can sign in again."),
    done=ngettext_lazy("%(n)d account enabled.", "%(n)d accounts enabled.", "n"),
    targets=_users,
    run=_enable,
)
END_ALL = StaffAction(
    name="end-sessions",
    permission="users.sessions.end",
    button=gettext_lazy("End sessions"),
    question=ngettext_lazy("End the sessions of %(n)d account", "End the sessions of %(n)d accounts", "n"),
    consequence=gettext_lazy("Whoever holds it is signed out everywhere at once, and can sign in again."),
    done=ngettext_lazy("The sessions of %(n)d account were ended.", "The sessions of %(n)d accounts were ended.", "n"),
    targets=_users,
    run=_end,
)
END_ONE = StaffAction(
    name="end",
    permission="users.sessions.end",
    button=gettext_lazy("End"),
    question=ngettext_lazy("End %(n)d session", "End %(n)d sessions", "n"),
    consequence=gettext_lazy("That device is signed out at once, and its holder can sign in again."),
    done=ngettext_lazy("%(n)d session ended.", "%(n)d sessions ended.", "n"),
    targets=_sessions,
    run=_end,
)
ACTIONS = {action.name: action for action in (DISABLE, ENABLE, END_ALL, END_ONE)}
ON_USERS = (DISABLE, ENABLE, END_ALL)
ON_SESSIONS = (END_ONE,)


def allowed(actions: tuple[StaffAction, ...], viewer: User) -> list[StaffAction]:
    """Return those of *actions* that the role of *viewer* gives."""
    return [action for action in actions if viewer.may(action.permission)]


class ActPage(FormPage):
    """Asks for the reason, names what is touched, and calls the service for each row."""

    template_name = "admin/act.html"
    form_class = ReasonForm
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

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        act = self.chosen
        if act is None:
            return redirect("admin:index")
        if not self.principal.is_fresh(timezone.now()):
            return self._prove_again()
        return self.show(form=ReasonForm(initial={"reason": act.reason}), **self._facts(act))

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        if "start" in request.POST:
            return self._start(request.POST)
        act = self.chosen
        if act is None:
            messages.warning(request, _("Nothing was chosen, or it was done already. Choose again."))
            return see_other("admin:index")
        form = ReasonForm(request.POST)
        if not self.principal.is_fresh(timezone.now()):
            held.hold_act(request, HeldAct(act.name, act.ids, act.back, request.POST.get("reason", "")[:2000]))
            return self._prove_again()
        if not form.is_valid():
            return self.show(REFUSED, form=form, **self._facts(act))
        try:
            self._run(act, form.cleaned_data["reason"])
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

    def _run(self, act: HeldAct, reason: str) -> None:
        """Call the service for each row. A reason that it refuses stops the first call: nothing is done by then."""
        done, refused = 0, []
        for target in self.action.targets(self.principal.user, act.ids):
            try:
                self.action.run(target, by=self.principal.user, reason=reason, client=self.client)
            except Problem as problem:
                if problem.code == "validation_failed":
                    raise
                refused.append(f"{target.label}: {problem.title}. {problem.detail}")
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
