from typing import Any

from django.utils import timezone

from accounts.pages.overview import overview
from accounts.pages.steps import Page, SignedInOnly


class Security(SignedInOnly, Page):
    template_name = "accounts/security.html"

    def context(self) -> dict[str, Any]:
        user, current = self.principal.user, self.principal.session
        seen = overview(user=user, current=current, now=timezone.now())
        return {"account": user, "current_id": current.pk, **vars(seen)}
