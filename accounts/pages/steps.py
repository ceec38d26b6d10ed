"""One step of a journey as a page: GET shows, POST calls one service and moves on, or shows again with status 422."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import urlencode
from django.views import View

from accounts import links
from accounts.pages import pending, words
from accounts.pages.forms import PageForm
from accounts.services.own_account import CHANGE
from gatehouse import limits
from gatehouse.client import Client, client_of
from gatehouse.pages import SeeOther, safe_next
from gatehouse.problems import Problem
from sessions_app.principal import Principal

REFUSED = 422


def see_other(to: str, **query: str) -> SeeOther:
    """Go on to the page *to*, a name or a path."""
    filled = {name: value for name, value in query.items() if value}
    return SeeOther(resolve_url(to) + (f"?{urlencode(filled)}" if filled else ""))


def principal_of(request: HttpRequest) -> Principal | None:
    """Return who is signed in in this browser."""
    return getattr(request, "principal", None)


class Page(View):
    """A page that is shown."""

    template_name: str

    @property
    def client(self) -> Client:
        return client_of(self.request)

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        return self.show()

    def context(self) -> dict[str, Any]:
        return {}

    def show(self, status: int = 200, **context: Any) -> HttpResponse:
        return render(self.request, self.template_name, {**self.context(), **context}, status=status)


class LinkPage(Page):
    """Takes a link's token out of the address bar and uses nothing up: mail scanners follow links too."""

    goal: ClassVar[str]

    def get(self, request: HttpRequest, token: str = "", **_kwargs: Any) -> HttpResponse:
        limits.take(request, ("link_ip", self.client.network))
        pending.hold_link(request, token)
        response = redirect(self.goal)
        response["Referrer-Policy"] = "no-referrer"
        return response


class LinkConfirmPage(Page):
    """The button behind a link, in any browser and without signing in: GET looks at the link, POST uses it.

    Its address carries no token, so it keeps the site's own Referrer-Policy: under no-referrer browsers send
    ``Origin: null`` with the form, and the CSRF check refuses that.
    """

    @property
    def token(self) -> str:
        return pending.link_of(self.request) or ""

    def look(self) -> Any:
        """Return what the page may tell of the link: a dataclass with a ``state``."""
        raise NotImplementedError

    def press(self) -> HttpResponse:
        """Use the link by one service, and say where to go."""
        raise NotImplementedError

    def context(self) -> dict[str, Any]:
        return {**vars(self.look()), "reset_url": words.reset_url()}

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        limits.take(request, ("link_ip", self.client.network))
        try:
            return self.press()
        except Problem as problem:
            return self.refuse(problem)

    def refuse(self, problem: Problem) -> HttpResponse:
        """Show what became of the link since the page was shown."""
        if problem.code not in links.REFUSALS:
            raise problem
        return self.show(REFUSED)


class FormPage(Page):
    """A page with a form; ``act`` calls the service with what was typed and says where to go."""

    form_class: ClassVar[type[PageForm]]

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return self.form_class(data)

    def act(self, form: PageForm) -> HttpResponse:
        raise NotImplementedError

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        return self.show(form=self.make_form())

    def post(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        form = self.make_form(request.POST)
        if not form.is_valid():
            return self.show(REFUSED, form=form)
        try:
            return self.act(form)
        except Problem as problem:
            return self.refuse(form, problem)

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        """Show the form again with what the service said; what is no matter of the form goes to ProblemMiddleware."""
        errors = words.refusal(problem)
        if errors is None:
            raise problem
        form.refuse(errors)
        return self.show(REFUSED, form=form)


class SignedOutOnly(View):
    """Whoever is signed in has nothing to do here."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if principal_of(request) is not None:
            return redirect(safe_next(request, resolve_url("accounts:security")))
        return super().dispatch(request, *args, **kwargs)


class SignedInOnly(View):
    """A page of one's own account; others sign in first and come back.

    Where the session ended since the page was shown, the sign-in page says why.
    """

    principal: Principal

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = principal_of(request)
        if found is None:
            return see_other("accounts:login", next=request.get_full_path() if request.method == "GET" else "")
        self.principal = found
        try:
            return super().dispatch(request, *args, **kwargs)
        except Problem as problem:
            if problem.code != "session_revoked":
                raise
            return see_other("accounts:login")


class OwnChange(SignedInOnly):
    """A page that changes its reader's account: a role that changes nothing is told before anything is typed.

    What is sent all the same is refused, and recorded, by the service.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = principal_of(request)
        if found is not None and request.method in ("GET", "HEAD") and not found.user.may(CHANGE):
            raise Problem("permission_denied")
        return super().dispatch(request, *args, **kwargs)
