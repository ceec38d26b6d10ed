"""Lock oneself out, read the mail, open its link, sign in: in a real browser, on a site with its limits in force."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browsers import PHONE, WALKS, Look, new_context
from tests.journeys.visitor import Visitor
from tests.live import LiveSite

pytestmark = pytest.mark.browser

WRONG = "a wrong but long password"


@pytest.fixture
def site(make_site: Callable[..., LiveSite]) -> LiveSite:
    return make_site(LIMITS_SCALE="0.3").start()


@pytest.fixture(params=WALKS)
def visitor(request: pytest.FixtureRequest, chromium: Any, site: LiveSite) -> Iterator[Visitor]:
    context = new_context(chromium, request.param)
    yield Visitor(context.new_page(), site, javascript=request.param.javascript)
    context.close()


def locks_himself_out(visitor: Visitor) -> None:
    visitor.open("/account/login")
    for _try in range(3):
        visitor.gives_password(WRONG)
        visitor.has_error("The email or password is wrong. Try again or reset your password.")
    visitor.gives_password()
    visitor.sees("Too many attempts")


def test_a_lockout_is_left_by_the_link_of_its_mail(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    locks_himself_out(visitor)
    said = page.locator("main").inner_text()
    assert "Try again after" in said and "(in 15 minutes)" in said
    assert page.get_by_role("link", name="reset your password").get_attribute("href") == "/account/password/reset"
    assert visitor.address not in said
    link = visitor.reads_link()
    page.goto(link)
    visitor.sees("Sign in without waiting")
    assert link.rsplit("/", 1)[1] not in page.url
    visitor.press("Let this browser sign in")
    visitor.sees("Sign in")
    assert "This browser can sign in for the next 1 hour." in page.get_by_role("status").inner_text()
    visitor.gives_password(WRONG)
    visitor.has_error("The email or password is wrong. Try again or reset your password.")
    visitor.gives_password()
    visitor.sees("Enter the code")
    page.get_by_label("Code", exact=True).fill(visitor.reads_code())
    visitor.press("Continue")
    visitor.sees("Your security")
    page.goto(link)
    visitor.sees("You have used this link")


def test_the_count_runs_down_where_there_is_a_script(chromium: Any, site: LiveSite) -> None:
    context = new_context(chromium, Look(PHONE, True, "light"))
    visitor = Visitor(context.new_page(), site)
    context.clock.install()
    locks_himself_out(visitor)
    count = visitor.page.locator("[data-left]")
    assert count.inner_text() == "in 15 minutes"
    context.clock.run_for(6 * 60_000)
    assert count.inner_text() == "in 9 minutes"
    context.clock.run_for(10 * 60_000)
    assert count.inner_text() == "you can try again now"
    context.close()
