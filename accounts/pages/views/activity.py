from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import activity
from accounts.activity import Item, Kind
from accounts.pages import words
from accounts.pages.factor_forms import ConfirmForm
from accounts.pages.forms import PageForm
from accounts.pages.fresh import FreshOnly
from accounts.pages.steps import Page, SignedInOnly, see_other
from accounts.services import disavowal
from gatehouse import limits
from gatehouse.cursors import DEFAULT_LIMIT, InvalidCursorError


class Activity(SignedInOnly, Page):
    """What happened to one's account; a filter and the pages beside it are links."""

    template_name = "accounts/activity.html"

    def context(self) -> dict[str, Any]:
        asked = self.request.GET.get("show", "")
        kind = Kind(asked) if asked in Kind.values else None
        try:
            page = activity.page(
                user=self.principal.user, limit=DEFAULT_LIMIT, cursor=self.request.GET.get("cursor"), kind=kind
            )
        except InvalidCursorError:
            raise Http404 from None
        return {
            "items": [activity.item_of(row) for row in page.rows],
            "page": page,
            "kinds": Kind.choices,
            "shown": kind.value if kind else "",
        }


class DisavowActivity(FreshOnly):
    """ "This wasn't me", for one who is signed in: what it does, and a button.

    It asks for a fresh proof: a stranger in a session of theirs could else keep the owner out of every other one.
    """

    template_name = "accounts/activity_disavow.html"
    form_class = ConfirmForm
    purpose = gettext_lazy("undo what was not you")

    def context(self) -> dict[str, Any]:
        item = self._item()
        current = self.principal.session
        return {
            "item": item,
            "is_here": item.session_id == str(current.pk),
            "keeps_factors": disavowal.keeps_factors(current=current, session_id=item.session_id),
        }

    def act(self, form: PageForm) -> HttpResponse:
        item, current = self._item(), self.principal.session
        limits.take(self.request, ("disavow_account", str(self.principal.user.pk)))
        done = disavowal.disavow_own(
            user=self.principal.user, session=current, session_id=item.session_id, client=self.client
        )
        said = [words.disavowed(done) if done.sessions_ended else _("Nobody is signed in there any more.")]
        if done.mailed:
            said.append(_("We sent you a link to set a new password."))
        else:
            said.append(_("We sent you links to set a new password before: the newest one works."))
        messages.success(self.request, " ".join(said))
        if done.keeps_factors:
            messages.warning(self.request, words.FACTORS_STAY)
        return see_other("accounts:activity")

    def _item(self) -> Item:
        item = activity.find(user=self.principal.user, event_id=self.kwargs["event_id"])
        if item is None or not item.may_be_disavowed:
            raise Http404
        return item
