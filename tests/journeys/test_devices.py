"""A stranger signs in, the owner says so by the mail's link; and the owner looks after the devices of the account."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browsers import WALKS, Look, new_context
from tests.journeys.visitor import PASSWORD, Visitor
from tests.live import LiveSite
from tests.mailsink import text_of

pytestmark = pytest.mark.browser


class Household:
    """The browsers that one account is used from: they share an address and its mailbox."""

    def __init__(self, chromium: Any, site: LiveSite, look: Look) -> None:
        self._chromium, self._site, self._look = chromium, site, look
        self.contexts: list[Any] = []
        self.first: Visitor | None = None

    def browser(self, agent: str | None = None) -> Visitor:
        context = new_context(self._chromium, self._look, user_agent=agent)
        self.contexts.append(context)
        visitor = Visitor(context.new_page(), self._site, javascript=self._look.javascript)
        if self.first is None:
            self.first = visitor
        visitor.address, visitor.mails_read = self.first.address, self.first.mails_read
        return visitor


@pytest.fixture(params=WALKS)
def household(request: pytest.FixtureRequest, chromium: Any, live_site: LiveSite) -> Iterator[Household]:
    made = Household(chromium, live_site, request.param)
    yield made
    for context in made.contexts:
        context.close()


IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def alert_link(visitor: Visitor) -> str:
    """Wait for the mail about a new device and return the link alone on its line."""
    visitor.mails_read += 1
    text = text_of(visitor.site.mails.wait_for(visitor.address, visitor.mails_read))
    return next(line for line in text.splitlines() if "/account/disavow/" in line)


def test_owner_disavows_the_sign_in_of_a_stranger(household: Household) -> None:
    owner = household.browser()
    owner.signs_up()
    owner.signs_in()
    owner.sees("Your security")
    stranger = household.browser(IPHONE)
    stranger.signs_in()
    stranger.sees("Your security")

    elsewhere = household.browser()
    elsewhere.mails_read = stranger.mails_read
    link = alert_link(elsewhere)
    page = elsewhere.page
    page.goto(link)
    elsewhere.sees("Was this not you?")
    assert link.rsplit("/", 1)[1] not in page.url
    assert "Mobile Safari 18 on iOS 18" in page.locator("main").inner_text()
    elsewhere.press("This was not me")
    elsewhere.sees("Sign in")
    said = page.get_by_role("status").inner_text()
    assert "We signed that device out. We sent you a link to set a new password." in said

    stranger.open("/account/security")
    stranger.sees("Sign in")
    assert "this sign-in was not theirs" in stranger.page.locator("main").inner_text()
    owner.open("/account/security")
    owner.sees("Your security")
    page.goto(link)
    elsewhere.sees("That device is signed out")


def test_owner_names_and_forgets_devices(household: Household) -> None:
    owner = household.browser()
    owner.signs_up()
    owner.signs_in()
    phone = household.browser(IPHONE)
    phone.signs_in()
    page = owner.page
    owner.open("/account/security")
    page.get_by_role("link", name="See, name and forget devices").click()
    owner.sees("Known devices")
    assert page.locator("tbody tr").count() == 2
    assert "This device" in page.locator("tbody tr").first.inner_text()

    page.get_by_role("link", name="Rename Mobile Safari 18 on iOS 18").click()
    owner.sees("Rename this device")
    page.get_by_label("Name").fill("  ")
    owner.press("Save name")
    owner.has_error("Enter a name")
    page.get_by_label("Name").fill("Jane’s phone, which has quite a long name, but not too long")
    owner.press("Save name")
    owner.sees("Known devices")
    assert "The device has its new name." in page.get_by_role("status").inner_text()

    page.get_by_role("link", name="Forget Jane’s phone").click()
    owner.sees("Forget this device")
    owner.press("Forget this device")
    owner.sees("Known devices")
    assert page.locator("tbody tr").count() == 1
    phone.open("/account/security")
    phone.sees("Your security")

    page.get_by_role("link", name="Forget all devices").click()
    owner.sees("Forget all devices")
    owner.press("Forget all devices")
    owner.sees("Known devices")
    assert "No device is known." in page.locator("main").inner_text()
    assert PASSWORD not in page.content()
