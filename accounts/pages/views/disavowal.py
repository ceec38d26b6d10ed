from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from accounts.pages import pending, words
from accounts.pages.steps import LinkConfirmPage, LinkPage, see_other
from accounts.services import disavowal
from accounts.services.disavowal import DisavowalView


class DisavowLink(LinkPage):
    goal = "accounts:disavow-confirm"


class DisavowConfirm(LinkConfirmPage):
    template_name = "accounts/disavow.html"

    def look(self) -> DisavowalView:
        return disavowal.peek(self.token)

    def press(self) -> HttpResponse:
        done = disavowal.disavow(token=self.token, client=self.client)
        pending.clear(self.request, "link")
        messages.success(self.request, f"{words.disavowed(done)} {_('We sent you a link to set a new password.')}")
        return see_other("accounts:login")
