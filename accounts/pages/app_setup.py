"""What two doors show of an authenticator app that is being set up: one's own account, and the enrolment of staff."""

from typing import Any

from django.http import HttpResponse

from accounts.services.factors import DIGITS, STEP, TotpSetup
from gatehouse.conf import app_settings as site_settings


def shown(setup: TotpSetup, email: str) -> dict[str, Any]:
    """Return what ``accounts/includes/set_up_app.html`` needs; the key in groups of four."""
    return {
        "email": email,
        "issuer": site_settings().SITE_NAME,
        "key": " ".join(setup.secret[i : i + 4] for i in range(0, len(setup.secret), 4)),
        "otpauth_url": setup.otpauth_url,
        "digits": DIGITS,
        "period": STEP,
    }


def picture(setup: TotpSetup) -> HttpResponse:
    """Return the QR code as a picture of this origin: nothing inline, and in no cache."""
    drawn = setup.qr_svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return HttpResponse(drawn, content_type="image/svg+xml")
