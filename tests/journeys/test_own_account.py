"""One's own account in a real browser: the first minutes, the policy for people, one's name."""

import pytest

from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser


def test_what_is_told_to_people_is_read_by_everybody(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/account/signup")
    page.get_by_role("link", name="More about passwords").click()
    visitor.sees("Passwords")
    assert "12 characters or more." in page.locator("main").inner_text()
    page.get_by_role("link", name="Getting started").click()
    visitor.sees("Getting started")
    page.locator("main").get_by_role("link", name="Help").click()
    visitor.sees("Help")


def test_a_name_is_given_refused_and_shown(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="Change your name").click()
    visitor.sees("Change your name")
    page.get_by_label("Your name").fill("x" * 101)
    visitor.press("Save name")
    visitor.has_error("Use 100 characters or fewer")
    assert page.get_by_label("Your name").input_value() == "x" * 101
    page.get_by_label("Your name").fill("Zoë & friends")
    visitor.press("Save name")
    visitor.sees("Your security")
    assert "Your name is saved." in page.get_by_role("status").inner_text()
    assert "Zoë & friends" in page.locator("main").inner_text()


def test_ones_activity_is_told_and_what_was_not_me_is_undone(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="See all activity").click()
    visitor.sees("Activity")
    assert "Signed in from a new device" in page.locator("main ol").inner_text()
    page.get_by_role("link", name="Account", exact=True).click()
    visitor.sees("Activity")
    assert "Signed in" not in page.locator("main ol").inner_text()
    page.get_by_role("link", name="Everything").click()
    page.get_by_role("link", name="This wasn’t me: Signed in").click()
    visitor.sees("Was this not you?")
    visitor.press("This was not me")
    visitor.sees("Activity")
    assert "We sent you a link to set a new password." in page.get_by_role("status").inner_text()
