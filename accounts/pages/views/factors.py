from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import TotpDevice
from accounts.pages import app_setup, new_codes
from accounts.pages.factor_forms import AppCodeForm, AppNameForm, ConfirmForm
from accounts.pages.forms import PageForm
from accounts.pages.fresh import ProvedOnly
from accounts.pages.steps import REFUSED, OwnChange, Page, SignedInOnly, see_other
from accounts.services import factors, own_factors
from accounts.services.factors import TotpSetup
from accounts.services.reauthentication import owes_app
from gatehouse import limits
from gatehouse.problems import Problem
from sessions_app import browser
from sessions_app.principal import Principal


class FactorChange(OwnChange, ProvedOnly):
    """A page that changes factors; where it cannot, it says why and leads on."""

    def count(self) -> dict[str, Any]:
        """Count an act, and return who does it, as services ask."""
        limits.take(self.request, ("acts_account", str(self.principal.user.pk)))
        return {"user": self.principal.user, "session": self.principal.session, "client": self.client}

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code != "conflict":
            return super().refuse(form, problem)
        messages.warning(self.request, str(problem.detail))
        return see_other("accounts:security")


class AddApp(FactorChange):
    template_name = "accounts/add_app.html"
    form_class = AppNameForm
    purpose = gettext_lazy("set up an authenticator app")

    def act(self, form: PageForm) -> HttpResponse:
        own_factors.begin_app(name=form.cleaned_data["name"], **self.count())
        return see_other("accounts:totp-confirm")


class ConfirmApp(FactorChange):
    template_name = "accounts/confirm_app.html"
    form_class = AppCodeForm
    purpose = gettext_lazy("set up an authenticator app")

    @cached_property
    def setup_shown(self) -> TotpSetup | None:
        return pending_setup(self.principal)

    def context(self) -> dict[str, Any]:
        assert self.setup_shown is not None  # noqa: S101 - narrows the type
        return app_setup.shown(self.setup_shown, self.principal.user.email)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return super().get(request, **kwargs) if self.setup_shown else see_other("accounts:totp-add")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return super().post(request, **kwargs) if self.setup_shown else self.over()

    def over(self) -> HttpResponse:
        """Say that the key waited too long; a new one comes with the first step."""
        messages.warning(self.request, _("The key was shown too long ago. Begin again to get a new one."))
        return see_other("accounts:totp-add")

    def act(self, form: PageForm) -> HttpResponse:
        assert self.setup_shown is not None  # noqa: S101 - narrows the type
        asked = {"app_id": self.setup_shown.device_id, "code": form.cleaned_data["code"]}
        made = own_factors.confirm_app(**asked, **self.count())
        browser.renew_key(self.request)
        if made:
            new_codes.hold(self.request, email=self.principal.user.email, codes=made, now=timezone.now())
            return see_other("accounts:recovery-codes")
        messages.success(self.request, _("The authenticator app is set up. Your other devices are signed out."))
        return see_other("accounts:security")

    def refuse(self, form: PageForm, problem: Problem) -> HttpResponse:
        if problem.code == "not_found":  # confirmed, or begun anew, in another window
            return self.over()
        if problem.code != "otp_invalid":
            return super().refuse(form, problem)
        form.refuse({"code": [str(problem.detail)]})
        return self.show(REFUSED, form=form)


class QrCode(SignedInOnly, Page):
    http_method_names = ["get"]

    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        mine = self.principal
        proved = mine.is_fresh(timezone.now()) and not owes_app(user=mine.user, session=mine.session)
        setup = pending_setup(mine) if proved else None
        if setup is None:
            raise Problem("not_found")
        return app_setup.picture(setup)


class RemoveApp(FactorChange):
    template_name = "accounts/remove_app.html"
    form_class = ConfirmForm
    purpose = gettext_lazy("remove an authenticator app")

    @property
    def app_id(self) -> UUID:
        app_id: UUID = self.kwargs["app_id"]
        return app_id

    def context(self) -> dict[str, Any]:
        user = self.principal.user
        apps = {app.pk: app for app in factors.apps_of(user)}
        app: TotpDevice | None = apps.get(self.app_id)
        if app is None:
            raise Problem("not_found")
        last = len(apps) == 1
        return {"app": app, "last": last, "needed": last and user.is_staff}

    def act(self, form: PageForm) -> HttpResponse:
        last = own_factors.remove_app(app_id=self.app_id, **self.count())
        browser.renew_key(self.request)
        if last:
            said = _("The app and its recovery codes are removed. Signing in asks for a code by email again.")
        else:
            said = _("The authenticator app is removed.")
        messages.success(self.request, f"{said} {_('Your other devices are signed out.')}")
        return see_other("accounts:security")


class NewRecoveryCodes(FactorChange):
    template_name = "accounts/new_recovery_codes.html"
    form_class = ConfirmForm
    purpose = gettext_lazy("make new recovery codes")

    def context(self) -> dict[str, Any]:
        return {"left": factors.recovery_codes_left(self.principal.user)}

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if factors.has_app(self.principal.user):
            return super().get(request, **kwargs)
        return see_other("accounts:security")

    def act(self, form: PageForm) -> HttpResponse:
        made = own_factors.renew_recovery_codes(**self.count())
        browser.renew_key(self.request)
        new_codes.hold(self.request, email=self.principal.user.email, codes=made, now=timezone.now())
        return see_other("accounts:recovery-codes")


class RecoveryCodes(SignedInOnly, new_codes.ShowCodes):
    template_name = "accounts/recovery_codes.html"
    over = "accounts:recovery-codes-new"

    def act(self, form: PageForm) -> HttpResponse:
        new_codes.forget(self.request)
        messages.success(self.request, _("Your recovery codes are saved. Your other devices are signed out."))
        return see_other("accounts:security")


class DownloadRecoveryCodes(SignedInOnly, new_codes.DownloadCodes):
    over = "accounts:recovery-codes-new"


def pending_setup(mine: Principal) -> TotpSetup | None:
    """Return what is shown of the app that is being set up in this very session: no other one sees its secret."""
    device = factors.pending_totp(mine.user, timezone.now(), session_id=mine.session.pk)
    return factors.setup_of(device) if device else None
