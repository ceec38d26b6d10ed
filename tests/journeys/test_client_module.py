"""``client.js`` in a real browser: three tabs share one session, and nothing but the server's verdict ends it."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.factories import PASSWORD
from tests.http import Visitor
from tests.live import LiveSite
from tests.mailsink import text_of

pytestmark = pytest.mark.browser

LIFE = 4  # seconds of an access token
CODE = re.compile(r"^(\d{6}) is your", re.MULTILINE)

BEGIN = """async (options) => {
  const { createClient } = await import("/static/gatehouse/client.js");
  window.told = [];
  const kept = { get: () => localStorage.getItem("kept"), set: (token) =>
    token ? localStorage.setItem("kept", token) : localStorage.removeItem("kept") };
  window.gate = createClient({ ...options, store: kept,
    onSignedOut: (code) => told.push(code), onSignedIn: () => told.push("in") });
}"""
ASK_FOR_A_WHILE = """async (seconds) => {
  const seen = [];
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const answers = await Promise.allSettled([1, 2, 3].map(() => gate.request("/auth/session")));
    seen.push(...answers.map((one) => one.status === "fulfilled" ? "ok" : String(one.reason.code || one.reason)));
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return seen;
}"""
ASK = """async () => {
  try { return (await gate.request("/auth/session")).user.email; }
  catch (problem) { return problem.code || String(problem); }
}"""


@pytest.fixture
def site(make_site: Callable[..., LiveSite]) -> LiveSite:
    return make_site(ACCESS_TTL=f"{LIFE}s", TRUSTED_PROXIES="1").start()


@pytest.fixture
def email(site: LiveSite) -> str:
    email = f"{uuid4().hex}@example.com"
    Visitor(site).sign_up(email, "203.0.113.9")
    return email


@pytest.fixture
def tabs(page: Any, site: LiveSite) -> Iterator[list[Any]]:
    """Three tabs of one browser, each with a client of its own."""
    found = [page, page.context.new_page(), page.context.new_page()]
    for tab in found:
        tab.goto(f"{site.url}/account/help")
        tab.evaluate(BEGIN, {"transport": "cookie"})
    yield found


def sign_in(tab: Any, site: LiveSite, email: str, mails: int = 2) -> None:
    """Sign in through the client of one tab."""
    first = tab.evaluate("([email, password]) => gate.signIn(email, password)", [email, PASSWORD])
    assert first["status"] == "otp_required"
    code = CODE.search(text_of(site.mails.wait_for(email, mails)))
    assert code
    done = tab.evaluate("([id, code]) => gate.answer(id, code)", [first["challenge"]["id"], code[1]])
    assert done["status"] == "authenticated"


RENEWALS = """
import json
from audit import queries
print(json.dumps([event.details["grace"] for event in queries.events(actions=["session_renewed"]).order_by("pk")]))
"""


def renewals(site: LiveSite) -> list[bool]:
    """Return, for each exchange that the trail holds, whether it was a repetition in the grace."""
    said = site.manage("shell", "-c", RENEWALS).stdout
    return list(json.loads(said.strip().splitlines()[-1]))


def test_three_tabs_share_one_exchange_and_nobody_is_signed_out(tabs: list[Any], site: LiveSite, email: str) -> None:
    sign_in(tabs[0], site, email)
    for tab in tabs:
        tab.evaluate("(args) => { window.run = (" + ASK_FOR_A_WHILE + ")(args) }", 10)
    began = time.monotonic()
    seen = [tab.evaluate("() => window.run") for tab in tabs]
    took = time.monotonic() - began
    assert {one for tab in seen for one in tab} == {"ok"}
    assert min(map(len, seen)) > 30
    exchanges = renewals(site)
    assert not any(exchanges), "a tab used a token that another had used"
    assert 2 <= len(exchanges) <= took / (LIFE * 0.75) + 2, "each tab exchanged for itself"
    assert [tab.evaluate("told") for tab in tabs] == [[], ["in"], ["in"]]


def test_a_token_that_is_refused_is_replaced_once_and_asked_again(page: Any, site: LiveSite, email: str) -> None:
    page.goto(f"{site.url}/account/help")
    page.evaluate(BEGIN, {"transport": "cookie"})
    sign_in(page, site, email)
    sent = []

    def stale(route: Any) -> None:
        sent.append(route.request.headers["authorization"])
        body = json.dumps({"code": "access_expired"})
        if len(sent) == 1:
            route.fulfill(status=401, content_type="application/problem+json", body=body)
        else:
            route.continue_()

    page.route("**/auth/session", stale)
    assert page.evaluate(ASK) == email
    assert len(sent) == 2
    assert sent[0] != sent[1]
    assert len(renewals(site)) == 1


def test_e03_a_lost_answer_signs_nobody_out(page: Any, site: LiveSite, email: str) -> None:
    page.goto(f"{site.url}/account/help")
    page.evaluate(BEGIN, {"transport": "cookie"})
    sign_in(page, site, email)
    lost: list[int] = []

    def lose(route: Any) -> None:
        if lost:
            route.continue_()
            return
        # the server has rotated, and the answer with its cookie never arrives
        cookie = next(one["value"] for one in page.context.cookies() if one["name"] == "refresh")
        headers = {"X-Auth-Transport": "cookie", "Origin": site.url, "Cookie": f"refresh={cookie}"}
        lost.append(Visitor(site).post("/auth/refresh", {}, "203.0.113.9", **headers).status)
        route.abort("connectionreset")

    page.route("**/auth/refresh", lose)
    time.sleep(LIFE)
    assert page.evaluate(ASK) == email
    assert lost == [200]
    assert renewals(site) == [False, True]
    assert page.evaluate("told") == []


def test_a_network_that_fails_signs_nobody_out(page: Any, site: LiveSite, email: str) -> None:
    page.goto(f"{site.url}/account/help")
    page.evaluate(BEGIN, {"transport": "cookie"})
    sign_in(page, site, email)
    time.sleep(LIFE)
    page.route("**/auth/refresh", lambda route: route.abort("internetdisconnected"))
    assert "TypeError" in page.evaluate(ASK)
    page.unroute("**/auth/refresh")
    assert page.evaluate(ASK) == email
    assert page.evaluate("told") == []


def test_signing_out_in_one_tab_is_heard_in_all(tabs: list[Any], site: LiveSite, email: str) -> None:
    sign_in(tabs[0], site, email)
    assert [tab.evaluate(ASK) for tab in tabs] == [email] * 3
    tabs[1].evaluate("() => gate.signOut()")
    tabs[2].wait_for_function("told.includes('signed_out')")
    assert [tab.evaluate("told") for tab in tabs] == [["signed_out"], ["in", "signed_out"], ["in", "signed_out"]]
    assert tabs[0].evaluate("() => gate.session()") is None


def test_a_session_that_is_ended_elsewhere_is_told_once_with_its_reason(
    tabs: list[Any], site: LiveSite, email: str
) -> None:
    sign_in(tabs[0], site, email)
    site.manage("shell", "-c", ENDED_BY_STAFF)
    assert tabs[1].evaluate(ASK) == "session_revoked"
    tabs[2].wait_for_function("told.includes('session_revoked')")
    assert tabs[0].evaluate("told") == ["session_revoked"]
    assert tabs[0].evaluate("() => gate.session()") is None
    assert tabs[0].evaluate("told") == ["session_revoked"]


ENDED_BY_STAFF = """
from django.db import transaction
from gatehouse.client import Client
from sessions_app import services
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
with transaction.atomic():
    for session in Session.objects.all():
        services.revoke(session, reason=RevokeReason.STAFF, client=Client.local("test"))
"""


def test_somebody_who_was_never_signed_in_is_told_of_no_end(page: Any, site: LiveSite) -> None:
    page.goto(f"{site.url}/account/help")
    page.evaluate(BEGIN, {"transport": "cookie"})
    assert page.evaluate("() => gate.session()") is None
    assert page.evaluate("told") == []


def test_a_refusal_says_what_was_wrong_and_where(page: Any, site: LiveSite) -> None:
    page.goto(f"{site.url}/account/help")
    page.evaluate(BEGIN, {"transport": "cookie"})
    said = page.evaluate(
        """async () => { try { await gate.signIn("", 7); } catch (problem) {
             return [problem.name, problem.status, problem.code, problem.errors.map((one) => one.pointer).sort()];
           } }"""
    )
    assert said == ["Problem", 400, "validation_failed", ["#/email", "#/password"]]


def test_three_tabs_share_one_store_where_the_token_travels_in_the_body(
    tabs: list[Any], site: LiveSite, email: str
) -> None:
    for tab in tabs:
        tab.evaluate(BEGIN, {"transport": "bearer"})
    sign_in(tabs[0], site, email)
    time.sleep(LIFE)
    for tab in tabs:
        tab.evaluate("() => { window.run = (" + ASK + ")() }")
    assert [tab.evaluate("() => window.run") for tab in tabs] == [email] * 3
    assert renewals(site) == [False]
    assert not [one for one in tabs[0].context.cookies() if one["name"] == "refresh"]


def test_a_tab_that_missed_a_new_sign_in_signs_nobody_out(tabs: list[Any], site: LiveSite, email: str) -> None:
    sign_in(tabs[0], site, email)
    assert [tab.evaluate(ASK) for tab in tabs] == [email] * 3
    tabs[2].evaluate("() => gate.close()")
    tabs[0].evaluate("() => gate.signOut()")
    sign_in(tabs[0], site, email, mails=3)
    for tab in tabs:
        tab.evaluate("told.length = 0")
    assert [tabs[place].evaluate(ASK) for place in (2, 0, 1)] == [email] * 3
    assert [tab.evaluate("told") for tab in tabs] == [[], [], []]


def test_a_server_that_asks_to_wait_is_left_alone(page: Any, site: LiveSite, email: str) -> None:
    page.goto(f"{site.url}/account/help")
    page.evaluate(BEGIN, {"transport": "cookie"})
    sign_in(page, site, email)
    time.sleep(LIFE)
    asked: list[str] = []

    def busy(route: Any) -> None:
        asked.append(route.request.url)
        body = json.dumps({"code": "service_unavailable"})
        headers = {"Retry-After": "60", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=body)

    page.route("**/auth/refresh", busy)
    assert [page.evaluate(ASK) for _turn in range(5)] == ["service_unavailable"] * 5
    assert len(asked) == 1
    assert page.evaluate("told") == []
