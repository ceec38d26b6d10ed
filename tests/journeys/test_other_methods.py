"""Somebody with an authenticator app at the door of the pages: choosing a way, the app's code, a recovery code."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django_otp.oath import TOTP

from accounts.services.factors import DIGITS, STEP
from tests.browsers import WALKS, new_context
from tests.journeys.visitor import Visitor
from tests.live import LiveSite

pytestmark = [pytest.mark.browser, pytest.mark.flow]

_GIVE_APP = """
import base64, json
from accounts.models import TotpDevice, User
from tests.factories import give_app
user = User.objects.get(email={email!r})
codes = give_app(user)
key = TotpDevice.objects.get(user=user, confirmed=True).key
print(json.dumps([base64.b64encode(key).decode(), codes]))
"""


class AppHolder(Visitor):
    """A visitor with an app and recovery codes."""

    def gets_app(self) -> None:
        """Have an app put in force: the pages to set one up by oneself are still to come."""
        said = self.site.manage("shell", "-c", _GIVE_APP.format(email=self.address)).stdout
        key, self.recovery = json.loads(said.splitlines()[-1])
        self.key = base64.b64decode(key)

    def code(self) -> str:
        """Return what the app shows."""
        reader = TOTP(self.key, step=STEP, digits=DIGITS)
        reader.time = time.time()
        return f"{reader.token():06d}"


@pytest.fixture(params=WALKS)
def holder(request: pytest.FixtureRequest, chromium: Any, live_site: LiveSite) -> Iterator[AppHolder]:
    context = new_context(chromium, request.param)
    yield AppHolder(context.new_page(), live_site, javascript=request.param.javascript)
    context.close()


def test_whoever_has_an_app_signs_in_with_its_code_or_with_a_recovery_code(holder: AppHolder) -> None:
    holder.signs_up()
    holder.gets_app()
    with_the_app(holder)
    with_a_recovery_code(holder)


def with_the_app(holder: AppHolder) -> None:
    page = holder.page
    holder.open("/account/login?next=/account/sessions")
    holder.gives_password()
    holder.sees("Enter the code")
    assert "authenticator app" in page.locator("main").inner_text()
    assert page.get_by_role("button", name="Send another code").count() == 0

    page.get_by_role("link", name="Use another method").click()
    holder.sees("Choose how to confirm it is you")
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "totp"
    holder.press("Continue")
    holder.sees("Enter the code")

    holder.press("Continue")
    holder.has_error("Enter the code")
    page.get_by_label("Code", exact=True).fill("000000" if holder.code() != "000000" else "111111")
    holder.press("Continue")
    said = "That code is not correct. You have 4 tries left."
    holder.has_error(f"{said} Check that the time on your phone is set automatically.")
    page.get_by_label("Code", exact=True).fill(holder.code())
    holder.press("Continue")
    holder.sees("Devices and sessions")
    holder.press("Sign out")


def with_a_recovery_code(holder: AppHolder) -> None:
    page = holder.page
    holder.open("/account/login")
    holder.gives_password()
    page.get_by_role("link", name="Use another method").click()
    page.get_by_role("radio", name="One of your recovery codes").check()
    holder.press("Continue")
    holder.sees("Enter a recovery code")
    page.get_by_role("link", name="Use another method").click()
    holder.sees("Choose how to confirm it is you")
    page.get_by_role("link", name="Back to the code").click()
    holder.sees("Enter the code")
    holder.open("/account/otp/recovery")

    holder.press("Continue")
    holder.has_error("Enter a recovery code")
    page.get_by_label("Recovery code").fill("aaaa-aaaa-aaaa")
    holder.press("Continue")
    holder.has_error("That code is not correct. You have 4 tries left.")
    assert page.get_by_label("Recovery code").input_value() == ""
    page.get_by_label("Recovery code").fill(holder.recovery[0].upper().replace("-", " "))
    holder.press("Continue")
    holder.sees("Your security")
    assert "You used a recovery code. Each works once, and 9 are left." in page.get_by_role("status").inner_text()
    assert "9 left" in page.get_by_role("region", name="How you sign in").inner_text()
