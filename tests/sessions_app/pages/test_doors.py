"""The session cookies of pages: which door they open, until when, and what they hold."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client as Browser
from django.test import RequestFactory
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import browser as browsers
from sessions_app import services as sessions
from sessions_app.middleware import DoorSessionMiddleware, PageSessionMiddleware, door_of
from sessions_app.models import Door, Session, Transport
from sessions_app.reasons import RevokeReason

URL = "/account/sessions"
Open = Callable[..., Session]
SignedIn = Callable[..., Browser]


def run(view: Callable[[HttpRequest], None], path: str = "/account/x", **cookies: str) -> Any:
    """Return the response to a request that went through both middlewares to *view*."""

    def answer(request: HttpRequest) -> HttpResponse:
        view(request)
        return HttpResponse()

    request = RequestFactory().get(path)
    request.COOKIES |= cookies
    return DoorSessionMiddleware(PageSessionMiddleware(answer))(request)


def reason_of(answer: Any) -> RevokeReason | None:
    reason: RevokeReason | None = answer.wsgi_request.session_end_reason
    return reason


def stored(key: str) -> dict[str, Any]:
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(key)
    return dict(store.items())


def test_signing_in_changes_the_key_and_keeps_nothing_but_the_sid(user: Any, open_session: Open) -> None:
    before = import_module(django_settings.SESSION_ENGINE).SessionStore()
    before["planted"] = "by an attacker"
    before.save()
    session = open_session(user, Door.PAGE, transport=Transport.COOKIE)
    response = run(lambda request: browsers.sign_in(request, session), session=before.session_key)
    cookie = response.cookies["session"]
    assert cookie.value not in ("", before.session_key)
    assert {key: value for key, value in stored(cookie.value).items() if not key.startswith("_")} == {
        "sid": str(session.pk)
    }
    assert not BrowserSession.objects.filter(pk=before.session_key).exists()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
    assert 30 * 86400 - 5 < cookie["max-age"] <= 30 * 86400
    assert response["Vary"] == "Cookie"


def test_a_session_not_to_be_kept_ends_with_the_browser(user: Any, open_session: Open) -> None:
    session = open_session(user, Door.PAGE, transport=Transport.COOKIE, keep=False)
    response = run(lambda request: browsers.sign_in(request, session))
    assert (response.cookies["session"]["max-age"], response.cookies["session"]["expires"]) == ("", "")


def test_g15_cookies_of_both_doors_over_https(user: Any, open_session: Open, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"BASE_URL": "https://auth.example.com", "ADMIN_PATH": "desk/"}
    page, staff = open_session(user, Door.PAGE), open_session(user, Door.STAFF)
    paged = run(lambda request: browsers.sign_in(request, page)).cookies["__Host-session"]
    staffed = run(lambda request: browsers.sign_in(request, staff), "/desk/").cookies["__Host-staff"]
    assert (paged["secure"], paged["samesite"]) == (True, "Lax")
    assert (staffed["secure"], staffed["samesite"]) == (True, "Strict")


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/admin/", Door.STAFF),
        ("/admin", Door.STAFF),
        ("/admin/users/1", Door.STAFF),
        ("/administrator", Door.PAGE),
        ("/", Door.PAGE),
        ("/api/v1/sessions", Door.PAGE),
        ("/account/admin/", Door.PAGE),
    ],
)
def test_the_path_chooses_the_door(path: str, door: Door, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"ADMIN_PATH": "admin/"}
    assert door_of(RequestFactory().get(path)) == door


@pytest.mark.parametrize(("held", "tried"), [(Door.PAGE, "/admin/x"), (Door.STAFF, "/account/x")])
def test_a_session_of_one_door_opens_nothing_behind_the_other(
    user: Any, signed_in: SignedIn, held: Door, tried: str
) -> None:
    key = next(iter(signed_in(user, held).cookies.values())).value
    seen: list[Any] = []
    run(lambda request: seen.append((request.principal, request.user)), tried, session=key, staff=key)  # type: ignore[attr-defined]
    assert seen == [(None, AnonymousUser())]


def test_the_page_asks_the_row_each_time(user: Any, signed_in: SignedIn, client_facts: Client) -> None:
    browser = signed_in(user)
    assert browser.get(URL).status_code == 200
    with transaction.atomic():
        sessions.revoke(Session.objects.get(), reason=RevokeReason.STAFF, client=client_facts)
    answer = browser.get(URL)
    assert answer.status_code == 302
    assert reason_of(answer) == RevokeReason.STAFF
    assert reason_of(browser.get(URL)) == RevokeReason.STAFF


@pytest.mark.parametrize(
    ("door", "after", "reason"),
    [
        (Door.PAGE, timedelta(days=7), RevokeReason.IDLE),
        (Door.STAFF, timedelta(minutes=30), RevokeReason.IDLE),
    ],
)
def test_an_idle_session_ends_and_says_why(
    user: Any, signed_in: SignedIn, events: list[Any], door: Door, after: timedelta, reason: RevokeReason
) -> None:
    browser = signed_in(user, door)
    path = "/admin/x" if door == Door.STAFF else URL
    events.clear()
    with time_machine.travel(timezone.now() + after):
        answer = browser.get(path)
        assert reason_of(answer) == reason
        assert not answer.wsgi_request.user.is_authenticated
        browser.get(path)
    assert Session.objects.get().revoked_reason == reason
    assert [event.action for event in events] == ["session_expired"]


def test_using_a_page_keeps_its_session_alive_until_its_absolute_end(user: Any, signed_in: SignedIn) -> None:
    browser = signed_in(user)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(4):
            clock.shift(timedelta(days=6))
            assert browser.get(URL).status_code == 200
        clock.shift(timedelta(days=6))
        assert browser.get(URL).status_code == 302


def test_a_page_is_three_queries_at_most(user: Any, signed_in: SignedIn, django_assert_num_queries: Any) -> None:
    browser = signed_in(user)
    browser.get("/account/sessions/end-others")
    with django_assert_num_queries(3):  # the browser's session, the row with its account, the page's own
        browser.get("/account/sessions/end-others")


def test_an_account_that_is_not_active_is_signed_out(
    user: Any, signed_in: SignedIn, switch_off: Callable[[Any], None]
) -> None:
    browser = signed_in(user)
    switch_off(user)
    answer = browser.get(URL)
    assert answer.status_code == 302
    assert reason_of(answer) == RevokeReason.DISABLED


@pytest.mark.parametrize("sid", ["garbage", 1, None, "00000000-0000-0000-0000-000000000000"])
def test_a_browser_session_without_a_row_is_nobody(db: None, sid: Any) -> None:
    browser = Browser()
    store = browser.session
    store["sid"] = sid
    store.save()
    browser.cookies["session"] = store.session_key or ""
    assert browser.get(URL).status_code == 302


def test_a_made_up_cookie_is_nobody_and_is_taken_back(db: None) -> None:
    response = run(lambda request: None, session="x" * 32)
    assert response.cookies["session"].value == ""
    assert response.cookies["session"]["max-age"] == 0


def test_signing_out_takes_the_cookie_back(user: Any, open_session: Open, signed_in: SignedIn) -> None:
    key = signed_in(user).cookies["session"].value
    response = run(browsers.sign_out, session=key)
    assert response.cookies["session"].value == ""
    assert not BrowserSession.objects.filter(pk=key).exists()


def test_the_key_is_renewed_and_the_person_stays(user: Any, signed_in: SignedIn) -> None:
    browser = signed_in(user)
    key = browser.cookies["session"].value
    response = run(browsers.renew_key, session=key)
    browser.cookies["session"] = response.cookies["session"].value
    assert response.cookies["session"].value != key
    assert browser.get(URL).status_code == 200


def test_a_browser_session_that_vanished_meanwhile_is_not_revived(user: Any, signed_in: SignedIn) -> None:
    key = signed_in(user).cookies["session"].value

    def meanwhile(request: HttpRequest) -> None:
        request.session["more"] = 1
        BrowserSession.objects.all().delete()

    with pytest.raises(Exception, match="ended while the request was on its way"):
        run(meanwhile, session=key)
    assert not BrowserSession.objects.exists()


def test_a_failed_answer_saves_nothing(db: None) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        request.session["more"] = 1
        return HttpResponse(status=500)

    response: Any = DoorSessionMiddleware(fail)(RequestFactory().get("/"))
    assert not response.cookies
    assert not BrowserSession.objects.exists()
