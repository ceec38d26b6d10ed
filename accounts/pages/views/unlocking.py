from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from accounts.conf import app_settings
from accounts.pages import pending, words
from accounts.pages.steps import LinkConfirmPage, LinkPage, see_other
from accounts.services import lockouts
from accounts.services.lockouts import UnlockView
from accounts.unlocked import set_unlock


class UnlockLink(LinkPage):
    goal = "accounts:unlock-confirm"


class UnlockConfirm(LinkConfirmPage):
    template_name = "accounts/unlock.html"

    def look(self) -> UnlockView:
        return lockouts.peek(self.token)

    def context(self) -> dict[str, Any]:
        return {**super().context(), "life": words.span(app_settings().UNLOCK_TTL)}

    def press(self) -> HttpResponse:
        unlocked = lockouts.unlock_browser(token=self.token, client=self.client)
        pending.clear(self.request, "link")
        said = _("This browser can sign in for the next %(span)s. Sign in with your password.")
        messages.success(self.request, said % {"span": words.span(app_settings().UNLOCK_TTL)})
        response = see_other("accounts:login")
        set_unlock(response, unlocked.token)
        return response
