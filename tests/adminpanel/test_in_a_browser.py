"""The first member of staff, from the printed address to a disabled account: in a real browser."""

import base64
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django_otp.oath import TOTP

from accounts.services.factors import DIGITS, STEP
from tests.browsers import WALKS, new_context
from tests.journeys.visitor import PASSWORD, Visitor
from tests.live import LiveSite

pytestmark = [pytest.mark.browser, pytest.mark.flow]

_numbers = itertools.count(1)
_URL = re.compile(r"^https?://\S+/account/enrol/\S+", re.MULTILINE)


class Boss(Visitor):
    """A member of staff with an app."""

    def __init__(self, page: Any, site: LiveSite, *, javascript: bool) -> None:
        super().__init__(page, site, javascript=javascript)
        self.address = f"boss-{next(_numbers)}@example.com"
        self.key = b""

    def invite(self, address: str, role: str) -> str:
        found = _URL.search(self.site.manage("createadmin", address, "--role", role).stdout)
        assert found
        return found[0]

    def reads_key(self) -> None:
        typed = self.page.locator("#setup-key").inner_text().replace(" ", "")
        self.key = base64.b32decode(typed + "=" * (-len(typed) % 8))

    def code(self, steps: int = 0) -> str:
        reader = TOTP(self.key, step=STEP, digits=DIGITS)
        reader.time = time.time() + steps * STEP
        return f"{reader.token():06d}"


@pytest.fixture(params=WALKS)
def boss(request: pytest.FixtureRequest, chromium: Any, live_site: LiveSite) -> Iterator[Boss]:
    context = new_context(chromium, request.param)
    yield Boss(context.new_page(), live_site, javascript=request.param.javascript)
    context.close()


def test_staff_enrol_sign_in_look_around_and_change_accounts(boss: Boss) -> None:
    enrol(boss)
    sign_in(boss)
    look_around(boss)
    disable_somebody(boss)
    demote_and_delete_somebody(boss)
    boss.press("Sign out")
    boss.sees("Staff sign-in")


def enrol(boss: Boss) -> None:
    page = boss.page
    link = boss.invite(boss.address, "super_admin")
    page.goto(link)
    boss.sees("Create a password")
    assert link.rpartition("/")[2] not in page.url
    boss.press("Continue")
    boss.has_error("Enter a password")
    page.get_by_label("Create a password").fill(PASSWORD)
    boss.press("Continue")

    boss.sees("Set up your authenticator app")
    boss.reads_key()
    assert page.locator("img.qr").evaluate("picture => picture.complete && picture.naturalWidth") > 100
    page.get_by_label("Code", exact=True).fill("12345")
    boss.press("Continue")
    boss.has_error("The code must be 6 numbers")
    page.get_by_label("Code", exact=True).fill(boss.code())
    boss.press("Continue")

    boss.sees("Save your recovery codes")
    assert page.locator(".codes code").count() == 10
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    assert page.locator(".codes code").first.inner_text() in waiting.value.path().read_text()
    boss.press("Finish")
    boss.has_error("Save the codes, then tick “I have saved these codes”")
    page.get_by_label("I have saved these codes").check()
    boss.press("Finish")
    boss.sees("Staff sign-in")


def sign_in(boss: Boss) -> None:
    page = boss.page
    page.get_by_label("Email address").fill(boss.address)
    page.get_by_label("Password", exact=True).fill("wrong wrong wrong")
    boss.press("Continue")
    boss.has_error("The email or password is wrong, or the account is not one of staff. Try again.")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    boss.press("Continue")
    boss.sees("Enter the code")
    page.get_by_role("link", name="Use a recovery code").click()
    boss.sees("Enter a recovery code")
    page.get_by_role("link", name="Use your authenticator app").click()
    page.get_by_label("Code", exact=True).fill(boss.code(steps=1))
    boss.press("Sign in")
    boss.sees("Overview")


def look_around(boss: Boss) -> None:
    page, address = boss.page, boss.address
    for section in ("Users", "Sessions", "Events"):
        page.get_by_role("navigation", name="Staff area").get_by_role("link", name=section).click()
        boss.sees(section)
        fits_every_width(page)
    page.locator("tbody th a").first.click()
    page.get_by_role("heading", level=1).wait_for()
    boss.look()
    boss.open("/admin/accounts/user/")
    page.get_by_role("link", name=address, exact=True).click()
    boss.sees(address)
    page.locator("a[href*='/admin/sessions_app/session/0']").first.click()
    page.get_by_role("heading", level=1).wait_for()
    boss.look()
    boss.open("/admin/reauthenticate/")
    boss.sees("Confirm it is you")
    boss.open("/admin/nothing/")
    boss.sees("Page not found")


def fits_every_width(page: Any) -> None:
    usual = page.viewport_size
    for width in (768, 900, 1024, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{page.url} scrolls sideways at {width}"
    page.set_viewport_size(usual)


def disable_somebody(boss: Boss) -> None:
    page = boss.page
    address = f"{boss.address.partition('@')[0]}-{'very-long-' * 4}x@{'sub.' * 20}example.com"
    boss.invite(address, "moderator")
    boss.open("/admin/accounts/user/")
    page.get_by_label("Search").fill(address[:12])
    boss.press("Search")
    row = page.get_by_role("row").filter(has_text=address)
    row.get_by_role("checkbox").check()
    boss.look()
    boss.press("Disable")
    boss.sees("Disable 1 account")
    boss.press("Disable 1 account")
    boss.has_error("Say why: the reason is kept in the audit trail")
    page.get_by_label("Reason").fill("They have left")
    boss.press("Disable 1 account")
    boss.sees("Users")
    assert "1 account disabled." in page.locator("main").inner_text()
    page.get_by_role("link", name=address, exact=True).click()
    boss.sees(address)
    assert "They have left" in page.locator("main").inner_text()


def demote_and_delete_somebody(boss: Boss) -> None:
    page, address = boss.page, f"helper-{boss.address}"
    boss.invite(address, "moderator")
    boss.open("/admin/accounts/user/")
    page.get_by_role("link", name=address, exact=True).click()
    boss.sees(address)
    boss.press("Change role")
    boss.sees("Change the role of 1 account")
    assert f"{address}, Moderator" in page.locator("main").inner_text()
    boss.press("Change the role of 1 account")
    boss.has_error("Choose a role")
    page.get_by_label("New role").select_option(label="Guest")
    page.get_by_label("Reason").fill("Only looks on from now on")
    fits_every_width(page)
    boss.look()
    boss.press("Change the role of 1 account")
    boss.sees(address)
    assert "The role of 1 account was changed." in page.locator("main").inner_text()
    assert page.locator("dt:text-is('Role') + dd").inner_text() == "Guest"

    boss.press("Delete")
    boss.sees("Delete 1 account")
    page.get_by_label("Reason").fill("Asked for it in writing")
    boss.press("Delete 1 account")
    boss.sees(address)
    assert "1 account deleted." in page.locator("main").inner_text()
    assert page.get_by_role("button", name="Enable").count() == 0
