from typing import Any

from django.utils import timezone

from accounts.pages.overview import overview
from accounts.pages.steps import Page, SignedInOnly
from accounts.services.own_account import CHANGE


class Security(SignedInOnly, Page):
    template_name = "accounts/security.html"

    def context(self) -> dict[str, Any]:
        user, current = self.principal.user, self.principal.session
        seen = overview(user=user, current=current, now=timezone.now())
        may_change = user.may(CHANGE)
        return {"account": user, "current_id": current.pk, "may_change": may_change, **vars(seen)}
