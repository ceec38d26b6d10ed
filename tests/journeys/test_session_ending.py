"""A page warns before time ends its session, and lets its holder stay."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.visitor import Visitor
from tests.live import LiveSite

pytestmark = pytest.mark.browser

WEEK = 7 * 24 * 60 * 60  # seconds that a page session waits to be used
END_IT = """
from datetime import timedelta
from django.utils import timezone
from sessions_app.models import Session
Session.objects.update(idle_expires_at=timezone.now() - timedelta(seconds=1))
"""


def signed_in(page: Any, site: LiveSite) -> Visitor:
    """Sign somebody in, and take hold of the browser's clock."""
    visitor = Visitor(page, site)
    visitor.signs_up()
    visitor.signs_in()
    page.clock.install()
    return visitor


def let_pass(page: Any, seconds: int) -> None:
    """Move the clock of the browser; the server's goes on as it does."""
    page.clock.fast_forward(seconds * 1000)


def test_a_warning_comes_before_the_end_and_staying_moves_it(page: Any, live_site: LiveSite) -> None:
    visitor = signed_in(page, live_site)
    visitor.open("/account/sessions")
    other = page.context.new_page()
    other.goto(page.url)
    page.bring_to_front()
    link = page.locator(".sections a").first
    link.focus()
    dialog, others = page.locator("dialog.ending"), other.locator("dialog.ending")
    let_pass(page, WEEK - 300)
    assert not dialog.is_visible()
    let_pass(page, 190)
    dialog.wait_for(state="visible")
    others.wait_for(state="visible")
    assert "We will sign you out in 2 minutes." in dialog.inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Stay signed in"
    visitor.look()
    let_pass(page, 40)
    page.wait_for_function("document.querySelector('dialog [data-polite]').textContent.includes('1 minute')")
    page.keyboard.press("Enter")
    dialog.wait_for(state="hidden")
    others.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.tagName") == "A"
    let_pass(page, 300)  # past the first end
    page.wait_for_timeout(1_500)
    assert page.url.endswith("/account/sessions")
    assert not dialog.is_visible()


def test_whoever_does_not_answer_reads_why_at_the_sign_in_page(page: Any, live_site: LiveSite) -> None:
    visitor = signed_in(page, live_site)
    visitor.open("/account/security")
    live_site.manage("shell", "-c", END_IT)
    let_pass(page, WEEK + 5)
    page.wait_for_url(re.compile(r"/account/login\?next=%2Faccount%2Fsecurity$"))
    visitor.sees("Sign in")
    page.get_by_text("because you were inactive").wait_for()


def test_staying_too_late_leads_to_the_sign_in_page(page: Any, live_site: LiveSite) -> None:
    visitor = signed_in(page, live_site)
    visitor.open("/account/security")
    live_site.manage("shell", "-c", END_IT)
    let_pass(page, WEEK - 60)
    page.locator("dialog.ending").get_by_role("button", name="Stay signed in").click()
    page.wait_for_url(re.compile(r"/account/login\?next=%2Faccount%2Fsecurity$"))


def test_signing_out_from_the_warning_works(page: Any, live_site: LiveSite) -> None:
    visitor = signed_in(page, live_site)
    visitor.open("/account/security")
    let_pass(page, WEEK - 60)
    page.locator("dialog.ending").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/account/login*")
    assert page.get_by_text("because you were inactive").count() == 0


def test_a_server_that_cannot_be_reached_is_said_in_the_warning(page: Any, live_site: LiveSite) -> None:
    visitor = signed_in(page, live_site)
    visitor.open("/account/security")
    let_pass(page, WEEK - 60)
    page.route("**/account/stay", lambda route: route.abort("internetdisconnected"))
    dialog = page.locator("dialog.ending")
    dialog.get_by_role("button", name="Stay signed in").click()
    dialog.get_by_text("That did not work.").wait_for()
    page.unroute("**/account/stay")
    dialog.get_by_role("button", name="Stay signed in").click()
    dialog.wait_for(state="hidden")


def test_a_session_at_its_longest_life_cannot_be_stayed_in(page: Any, make_site: Callable[..., LiveSite]) -> None:
    visitor = signed_in(page, make_site(PAGE_IDLE="7d", PAGE_ABSOLUTE="7d").start())
    visitor.open("/account/security")
    let_pass(page, WEEK - 60)
    dialog = page.locator("dialog.ending")
    dialog.wait_for(state="visible")
    assert dialog.get_by_role("button").all_inner_texts() == ["Go on", "Sign out"]
    visitor.look()
    dialog.get_by_role("button", name="Go on").click()
    dialog.wait_for(state="hidden")


def test_a_page_of_somebody_who_is_not_signed_in_has_no_warning(page: Any, live_site: LiveSite) -> None:
    visitor = Visitor(page, live_site)
    visitor.open("/account/login")
    assert page.locator("dialog").count() == 0
