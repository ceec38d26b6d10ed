"""Agreeing, and being asked again, in a real browser: on a phone and a desktop, with and without JavaScript."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browsers import DESKTOP, PHONE, Look, new_context
from tests.journeys.visitor import Visitor
from tests.live import LiveSite

pytestmark = pytest.mark.browser

LOOKS = [Look(PHONE, True, "light"), Look(DESKTOP, True, "dark"), Look(DESKTOP, False, "light")]
NEWS = "Mail me news about Gatehouse, at most once a month"


def agrees_to_news(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="What you agreed to").first.click()
    visitor.sees("What you agreed to")
    assert page.get_by_label("I agree to the terms").is_checked()
    assert not page.get_by_label(NEWS).is_checked()
    page.get_by_label(NEWS).check()
    visitor.press("Save answers")
    visitor.sees("What you agreed to")
    assert "Your answers are saved." in page.get_by_role("status").inner_text()
    assert page.get_by_label(NEWS).is_checked()
    visitor.press("Sign out")


def is_asked_again(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/account/login?next=/account/devices")
    visitor.gives_password()
    page.get_by_label("Code", exact=True).fill(visitor.reads_code())
    visitor.press("Continue")
    visitor.sees("Our terms have changed")
    visitor.open("/account/security")
    visitor.sees("Our terms have changed")
    page.get_by_role("link", name="What you agreed to").click()
    visitor.sees("What you agreed to")
    assert not page.get_by_label("I agree to the terms").is_checked()
    visitor.open("/account/devices")
    visitor.sees("Our terms have changed")
    visitor.press("Agree and go on")
    visitor.has_error("Agree to the terms to go on")
    page.get_by_label("I agree to the terms").check()
    visitor.press("Agree and go on")
    visitor.sees("Known devices")
    visitor.open("/account/security")
    visitor.sees("Your security")


def test_terms_that_changed_are_asked_for_again_at_the_next_sign_in(
    chromium: Any, make_site: Callable[..., LiveSite]
) -> None:
    site = make_site(LIMITS_SCALE="1000", OPTIONAL_CONSENTS=f"marketing-2026: {NEWS}").start()
    contexts = [new_context(chromium, look) for look in LOOKS]
    visitors = [
        Visitor(context.new_page(), site, javascript=look.javascript)
        for context, look in zip(contexts, LOOKS, strict=True)
    ]
    for visitor in visitors:
        agrees_to_news(visitor)
    site.kill_web()
    site.env["TERMS_VERSION"] = "2"
    site.start_web()
    for visitor in visitors:
        is_asked_again(visitor)
    for context in contexts:
        context.close()
    answers = "SELECT version, granted, COUNT(*) FROM accounts_consent GROUP BY version, granted"
    assert sorted((version, int(number)) for version, _granted, number in site.query(answers)) == [
        ("1", 3), ("2", 3), ("marketing-2026", 3),
    ]  # fmt: skip
