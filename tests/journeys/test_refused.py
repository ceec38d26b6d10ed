"""Pages of refusal, as a person in a browser meets them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.template.loader import render_to_string

from tests.journeys.visitor import Visitor
from tests.live import LiveSite

pytestmark = pytest.mark.browser


def test_too_many_wrong_passwords_are_told_until_when_to_wait(page: Any, make_site: Callable[..., LiveSite]) -> None:
    visitor = Visitor(page, make_site(LIMITS_SCALE="0.1").start(worker=False))
    visitor.open("/account/login")
    for _try in range(2):
        visitor.gives_password("a wrong but long password")
        if page.get_by_role("heading", name="Too many attempts").count():
            break
    visitor.sees("Too many attempts")
    assert "Try again after" in page.locator("main").inner_text()


@pytest.mark.parametrize("name", ["400", "403", "429", "500", "503", "csrf", "disabled", "locked"])
def test_page_of_each_error_reads_well(page: Any, live_site: LiveSite, name: str) -> None:
    visitor = Visitor(page, live_site)
    html = render_to_string(f"errors/{name}.html", {"request_id": "0192f0c1-77aa-7c31-9a0e-2b1f3a5d9c11"})
    page.route("**/broken", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        visitor.open("/broken")
        visitor.look()
