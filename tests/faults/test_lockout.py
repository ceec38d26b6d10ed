"""A lockout stands in the database: a site that is stopped and started forgets none of it."""

from collections.abc import Callable

import pytest

from tests.factories import PASSWORD
from tests.http import Visitor
from tests.live import LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

EMAIL, WRONG = "jane@example.com", "not the password at all"


def test_a01_a_lockout_survives_a_restart(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(TRUSTED_PROXIES="127.0.0.1").start()
    visitor = Visitor(site)
    visitor.sign_up(EMAIL, "203.0.113.1")
    for email in (EMAIL, "nobody@example.com"):
        codes = [visitor.login(email, "203.0.113.9", WRONG).code for _turn in range(9)]
        assert codes == ["invalid_credentials"] * 9
    site.kill_worker()
    site.kill_web()
    site.start_web()
    for email in (EMAIL, "nobody@example.com"):
        codes = [visitor.login(email, "203.0.113.9", WRONG).code for _turn in range(2)]
        assert codes == ["invalid_credentials", "account_locked"]
    site.kill_web()
    site.start_web()
    site.start_worker()  # what was asked of it before the end is done after it
    assert "Sign-in is paused" in str(site.mails.wait_for(EMAIL, 2).get_body(("plain",)))
    for email in (EMAIL, "nobody@example.com"):
        refused = visitor.login(email, "203.0.113.9", PASSWORD)
        assert (refused.status, refused.code) == (429, "account_locked")
        assert 600 < int(refused.headers["Retry-After"]) <= 900
    assert visitor.login(EMAIL, "203.0.113.10").code == "200"  # from elsewhere, as before
    assert len(site.mails.to("nobody@example.com")) == 0
