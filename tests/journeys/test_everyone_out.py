"""``manage.py sessions revoke`` from another process holds at the next request of a running site."""

from collections.abc import Callable

import pytest

from tests.factories import EMAIL
from tests.http import Visitor
from tests.live import LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]


def test_what_an_operator_ends_opens_nothing_at_the_next_request(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(LIMITS_SCALE="1000", TRUSTED_PROXIES="1", WEB_WORKERS="2").start()
    visitor = Visitor(site)
    visitor.sign_up(EMAIL, "192.0.2.1")
    for turn, selector in enumerate((["--user", EMAIL], ["--ip", "192.0.2.0/24"], ["--role", "user"], ["--all"])):
        body = visitor.sign_in(EMAIL, "192.0.2.1", number=turn + 2 + (turn > 0))
        bearer = {"authorization": f"Bearer {body['access_token']}"}
        assert visitor.get("/auth/session", ip="192.0.2.1", **bearer).status == 200
        if turn == 0:
            listed = site.manage("sessions", "list", "--user", EMAIL).stdout
            assert "192.0.2.1" in listed and body["refresh_token"] not in listed
            said = site.manage("sessions", "revoke", "--reason", "an incident", "--dry-run", *selector).stdout
            assert said == "Sessions that would end: 1.\n"
            assert visitor.get("/auth/session", ip="192.0.2.1", **bearer).status == 200
        said = site.manage("sessions", "revoke", "--reason", "an incident", *selector).stdout
        assert said == "Sessions ended: 1.\n"
        assert visitor.get("/auth/session", **bearer).code == "session_revoked"
        assert visitor.post("/auth/refresh", {"refresh_token": body["refresh_token"]}).code == "session_revoked"
