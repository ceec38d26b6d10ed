from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.pages.overview import overview
from accounts.pages.steps import Page, SignedInOnly, see_other
from sessions_app import services as sessions
from sessions_app.models import Device


class Security(SignedInOnly, Page):
    template_name = "accounts/security.html"

    def context(self) -> dict[str, Any]:
        user, current = self.principal.user, self.principal.session
        seen = overview(user=user, current=current, now=timezone.now())
        return {"account": user, "current_id": current.pk, **vars(seen)}


class TrustedDevices(SignedInOnly, Page):
    template_name = "accounts/trusted_devices.html"

    def context(self) -> dict[str, Any]:
        trusted = Device.objects.for_user(self.principal.user).trusted(timezone.now())
        return {
            "devices": list(trusted.order_by("-last_seen_at")),
            "current_device_id": self.principal.session.device_id,
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        sessions.remove_devices(user=self.principal.user, client=self.client)
        messages.success(request, _("No device is trusted any more."))
        return see_other("accounts:trusted-devices")
