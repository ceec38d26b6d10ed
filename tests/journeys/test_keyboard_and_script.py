"""What the scripts add, and that the keyboard is enough."""

from typing import Any

import pytest

from tests.journeys.visitor import PASSWORD, Visitor
from tests.live import LiveSite

pytestmark = pytest.mark.browser


@pytest.fixture
def visitor(page: Any, live_site: LiveSite) -> Visitor:
    return Visitor(page, live_site)


def test_password_can_be_shown_and_is_hidden_before_it_leaves(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/account/login")
    field = page.locator("#id_password")
    field.fill(PASSWORD)
    page.get_by_role("button", name="Show password").click()
    assert field.get_attribute("type") == "text"
    assert page.locator("#id_password_said").inner_text() == "Your password is visible"
    visitor.look()
    page.get_by_role("button", name="Hide password").click()
    assert field.get_attribute("type") == "password"
    page.get_by_role("button", name="Show password").click()
    with page.expect_request(lambda request: request.method == "POST"):
        field.press("Enter")
    assert page.locator("#id_password").get_attribute("type") == "password"


def test_whole_sign_in_goes_by_keyboard(visitor: Visitor) -> None:
    visitor.signs_up()
    page, keys = visitor.page, visitor.page.keyboard
    visitor.open("/account/login")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    keys.press("Enter")
    keys.press("Tab")
    keys.type(visitor.address)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    visitor.sees("Enter the code")
    assert page.evaluate("document.activeElement.name") == "code"
    keys.type(visitor.reads_code())
    keys.press("Enter")
    visitor.sees("Your security")


def test_every_stop_of_the_keyboard_is_large_and_visible(visitor: Visitor) -> None:
    for path in ("/account/login", "/account/signup"):
        visitor.open(path)
        small = visitor.page.evaluate(
            """() => [...document.querySelectorAll("main input:not([type=hidden]), main button, .foot a, .brand")]
                .filter((e) => e.offsetParent && !["checkbox", "radio"].includes(e.type))
                .filter((e) => e.getBoundingClientRect().height < 44)
                .map((e) => e.outerHTML)"""
        )
        assert small == []


def test_code_counts_down_without_moving_the_page(visitor: Visitor) -> None:
    visitor.signs_up()
    visitor.open("/account/login")
    visitor.gives_password()
    assert visitor.page.locator("[data-left]").inner_text() == "in 10 minutes"
    visitor.look()


def test_times_are_shown_in_the_readers_zone(chromium: Any, live_site: LiveSite) -> None:
    context = chromium.new_context(locale="en-GB", timezone_id="Asia/Kolkata")
    visitor = Visitor(context.new_page(), live_site)
    visitor.signs_up()
    visitor.signs_in()
    shown = visitor.page.get_by_role("region", name="Password")
    assert "Set this minute" in shown.inner_text()
    context.close()


def test_right_to_left_pages_hold_together(visitor: Visitor) -> None:
    visitor.open("/account/login")
    visitor.page.evaluate("document.documentElement.dir = 'rtl'")
    visitor.look()
    box = visitor.page.locator("#id_keep").bounding_box()
    label = visitor.page.locator("label[for=id_keep]").bounding_box()
    assert box["x"] > label["x"]
