"""The link past a lockout pressed many times at once, and many tries at once in the browser that it let past."""

from collections import Counter
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Link, LinkPurpose, User
from gatehouse import limits
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, trail

WRONG = "not the password at all"


@pytest.fixture
def token(api: Api, mailbox: Mailbox) -> str:
    """The token of the link that the owner of a locked account was mailed."""
    UserFactory(email=EMAIL)
    for number in range(21):
        api.login(EMAIL, WRONG, ip=f"198.51.100.{number}")
    return mailbox.token()


def press(token: str) -> Browser:
    browser = Browser()
    browser.get(f"/account/unlock/{token}")
    browser.post("/account/unlock/confirm")
    return browser


def give(browser: Browser, password: str) -> int:
    """Give a password with nothing of *browser* but what the link gave it."""
    window = Browser()
    window.cookies["unlock"] = browser.cookies["unlock"].value
    return window.post("/account/login", {"email": EMAIL, "password": password}).status_code


def test_d02_of_many_browsers_that_use_one_link_one_is_let_past(token: str, race: Any) -> None:
    browsers = race([lambda: press(token)] * 20)
    assert [type(one) for one in browsers] == [Browser] * 20
    assert sum("unlock" in browser.cookies for browser in browsers) == 1
    seen = Counter(row for row in trail() if row[0] == "authn_login_unlocked")
    assert seen == {("authn_login_unlocked",): 1, ("authn_login_unlocked", "token_used"): 19}


def test_a08_forty_tries_at_once_in_the_browser_are_read_ten_times(token: str, race: Any) -> None:
    browser = press(token)
    before = limits.peek("login_address", EMAIL)
    answers = race([lambda: give(browser, WRONG)] * 40)
    assert Counter(answers) == {422: 10, 429: 30}
    link = Link.objects.get(purpose=LinkPurpose.UNLOCK)
    usage = limits.peek("login_unlocked", f"{EMAIL} {link.pk}")
    assert usage is not None and usage.remaining == 0
    after = limits.peek("login_address", EMAIL)
    assert before is not None and after is not None and after.hits == before.hits
    assert give(browser, PASSWORD) == 429


def test_a04_strangers_at_the_same_moment_use_up_none_of_the_browser_s_tries(token: str, race: Any) -> None:
    browser = press(token)
    calls: list[Any] = [lambda n=n: Api().login(EMAIL, WRONG, ip=f"203.0.113.{n}").status_code for n in range(20)]
    answers = race([*calls, *[lambda: give(browser, WRONG)] * 5, lambda: give(browser, PASSWORD)])
    assert answers[:20] == [429] * 20
    assert answers[20:] == [422] * 5 + [303]
    assert User.objects.get(email=EMAIL).is_locked()
