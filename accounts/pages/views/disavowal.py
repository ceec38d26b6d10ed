from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts import links
from accounts.pages import pending, words
from accounts.pages.steps import REFUSED, LinkPage, Page, see_other
from accounts.services import disavowal
from gatehouse import limits
from gatehouse.problems import Problem


class DisavowLink(LinkPage):
    goal = "accounts:disavow-confirm"


class DisavowConfirm(Page):
    """Works without signing in, in any browser; like VerifyConfirm, it keeps the site's own Referrer-Policy."""

    template_name = "accounts/disavow.html"

    def context(self) -> dict[str, Any]:
        shown = disavowal.peek(pending.link_of(self.request) or "")
        return {**vars(shown), "reset_url": words.reset_url()}

    def post(self, request: HttpRequest) -> HttpResponse:
        limits.take(request, ("link_ip", self.client.network))
        try:
            mailed = disavowal.disavow(token=pending.link_of(request) or "", client=self.client)
        except Problem as problem:
            if problem.code not in links.REFUSALS:
                raise
            return self.show(REFUSED)
        pending.clear(request, "link")
        said = _("We signed that device out.")
        messages.success(request, f"{said} {_('We sent you a link to set a new password.')}" if mailed else said)
        return see_other("accounts:login")
