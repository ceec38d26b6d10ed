from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.conf import app_settings
from accounts.pages import pending, words
from accounts.pages.address_forms import ChangeAddressForm
from accounts.pages.forms import PageForm
from accounts.pages.fresh import ProvedOnly
from accounts.pages.steps import REFUSED, LinkConfirmPage, LinkPage, OwnChange, principal_of, see_other
from accounts.services import address, address_links
from accounts.services.address_links import ChangeView
from gatehouse import limits
from gatehouse.problems import Problem
from sessions_app import browser


class ChangeAddress(OwnChange, ProvedOnly):
    """Asks for another address; while one waits, shows it, and gives it up."""

    template_name = "accounts/change_address.html"
    form_class = ChangeAddressForm
    purpose = gettext_lazy("change your email address")

    def context(self) -> dict[str, Any]:
        waits = address.pending(self.principal.user, timezone.now())
        return {
            "email": self.principal.user.email,
            "new_email": waits.email if waits else "",
            "until": waits.expires_at if waits else None,
            "sender": app_settings().EMAIL_FROM,
            "undo_words": words.span(app_settings().ADDRESS_UNDO_TTL),
        }

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.cancel() if "cancel" in request.POST else super().post(request, **kwargs)

    def cancel(self) -> HttpResponse:
        """Give up what waits; where it was confirmed meanwhile, the page shows the address that is in force."""
        principal = self.principal
        limits.take(self.request, ("acts_account", str(principal.user.pk)))
        cancelled = address.cancel(user=principal.user, session=principal.session, client=self.client)
        said = _("The change is cancelled. Your address stays as it is.") if cancelled else _("No change is waiting.")
        messages.success(self.request, said)
        return see_other("accounts:email-change")

    def act(self, form: PageForm) -> HttpResponse:
        principal, email = self.principal, form.cleaned_data["new_email"]
        limits.take(self.request, ("address_account", str(principal.user.pk)))
        address.ask(user=principal.user, session=principal.session, new_email=email, client=self.client)
        messages.success(self.request, _("We sent an email to %(email)s.") % {"email": email})
        return see_other("accounts:email-change")


class ConfirmLink(LinkPage):
    goal = "accounts:email-confirm"


class UndoLink(LinkPage):
    goal = "accounts:email-undo"


class AddressLinkPage(LinkConfirmPage):
    """Says which account it is about where somebody else is signed in here, and that an address is taken."""

    def look(self) -> ChangeView:
        raise NotImplementedError

    def context(self) -> dict[str, Any]:
        seen, here = self.look(), principal_of(self.request)
        other = here.user.email if here and seen.user_id and here.user.pk != seen.user_id else ""
        return {**super().context(), "other": other}

    def refuse(self, problem: Problem) -> HttpResponse:
        return self.show(REFUSED, state="taken") if problem.code == "conflict" else super().refuse(problem)


class ConfirmAddress(AddressLinkPage):
    """Works in any browser; whoever is signed in to the account here stays so, with a new key."""

    template_name = "accounts/confirm_address.html"

    def look(self) -> ChangeView:
        return address_links.peek(self.token)

    def press(self) -> HttpResponse:
        here = principal_of(self.request)
        user = address_links.confirm(
            token=self.token, client=self.client, session=here.session if here is not None else None
        )
        pending.clear(self.request)
        said = _("Your email address is now %(email)s.") % {"email": user.email}
        if here is not None and here.user.pk == user.pk:
            browser.renew_key(self.request)
            messages.success(self.request, f"{said} {_('Every other device is signed out.')}")
            return see_other("accounts:security")
        messages.success(self.request, f"{said} {_('Every device is signed out. Sign in with the new address.')}")
        return see_other("accounts:login")


class UndoAddress(AddressLinkPage):
    """Works without signing in, in any browser."""

    template_name = "accounts/undo_address.html"

    def look(self) -> ChangeView:
        return address_links.peek_undo(self.token)

    def press(self) -> HttpResponse:
        owner, here = self.look().user_id, principal_of(self.request)
        restored = address_links.undo(token=self.token, client=self.client)
        pending.clear(self.request, "link")
        if not restored:
            said = _("The change is cancelled, and your address stays as it is.")
            messages.success(self.request, f"{said} {_('If you did not ask for it, set a new password.')}")
            return see_other("accounts:login")
        if here is not None and here.user.pk == owner:
            browser.sign_out(self.request)  # this session ended with the others
        said = _("Your old address is back, and every device is signed out.")
        messages.success(self.request, f"{said} {_('We sent you a link to set a new password.')}")
        return see_other("accounts:login")
