"""The page /account/sessions and what hangs on it."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.utils import timezone

from gatehouse.client import Client
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

URL = "/account/sessions"
Open = Callable[..., Session]


@pytest.fixture
def browser(user: Any, signed_in: Callable[..., Browser]) -> Browser:
    return signed_in(user)


def row_of(browser: Browser) -> Session:
    row: Session = browser.row  # type: ignore[attr-defined]
    return row


def test_the_session_at_hand_comes_first_and_is_marked(browser: Browser, user: Any, open_session: Open) -> None:
    open_session(user)
    page = browser.get(URL)
    assert page.status_code == 200
    html = page.content.decode()
    rows = re.findall(r'<th scope="row">.*?</tr>', html, re.DOTALL)
    assert ["This device" in row for row in rows] == [True, False]
    assert 'aria-label="Sign out Firefox 142 on Windows 11, 192.0.2.7,' in html
    assert "no-store" in page["Cache-Control"]


def test_a_lone_session_has_no_others_to_end(browser: Browser) -> None:
    html = browser.get(URL).content.decode()
    assert "You are signed in nowhere else." in html
    assert "end-others" not in html


def test_g10_what_a_client_says_of_itself_is_escaped(user: Any, open_session: Open, browser: Browser) -> None:
    attack = '"><img src=x onerror=alert(1)>'
    open_session(user, client=Client(ip=None, user_agent=attack, device_name=attack))
    html = browser.get(URL).content.decode()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_a_row_is_signed_out(browser: Browser, user: Any, open_session: Open) -> None:
    other = open_session(user)
    url = f"{URL}/{other.pk}/end"
    assert f'<form method="get" action="{url}">' in browser.get(URL).content.decode()  # its page asks first
    assert "will be signed out at once" in browser.get(url).content.decode()
    other.refresh_from_db()
    assert not other.is_revoked
    answer = browser.post(url)
    assert (answer.status_code, answer["Location"]) == (303, URL)
    other.refresh_from_db()
    assert other.revoked_reason == RevokeReason.SIGNED_OUT_ELSEWHERE
    assert "The session was signed out." in browser.get(URL).content.decode()
    browser.post(url)
    assert "already ended" in browser.get(URL).content.decode()


def test_signing_out_of_the_one_at_hand_leads_to_the_sign_in_page(browser: Browser) -> None:
    row = row_of(browser)
    assert "using now" in browser.get(f"{URL}/{row.pk}/end").content.decode()
    answer = browser.post(f"{URL}/{row.pk}/end")
    assert answer.status_code == 303
    assert "login" in answer["Location"]
    assert [str(said) for said in get_messages(answer.wsgi_request)] == ["You are signed out."]
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    row.refresh_from_db()
    assert row.revoked_reason == RevokeReason.SIGNED_OUT
    assert browser.get(URL).status_code == 302


def test_all_others_are_signed_out_after_a_page_that_says_how_many(
    browser: Browser, user: Any, open_session: Open
) -> None:
    for _ in range(3):
        open_session(user)
    assert "3 other sessions end now" in browser.get(f"{URL}/end-others").content.decode()
    assert Session.objects.live(timezone.now()).count() == 4
    answer = browser.post(f"{URL}/end-others")
    assert (answer.status_code, answer["Location"]) == (303, URL)
    assert list(Session.objects.live(timezone.now())) == [row_of(browser)]
    assert "3 other sessions were signed out." in browser.get(URL).content.decode()
    assert "nowhere else" in browser.get(f"{URL}/end-others").content.decode()


def test_anothers_session_is_not_found(browser: Browser, make_user: Callable[..., Any], open_session: Open) -> None:
    theirs = open_session(make_user("joe"))
    for session_id in (theirs.pk, uuid4()):
        assert browser.get(f"{URL}/{session_id}/end").status_code == 404
        assert browser.post(f"{URL}/{session_id}/end").status_code == 404
    theirs.refresh_from_db()
    assert not theirs.is_revoked


def test_many_sessions_come_in_pages(browser: Browser, user: Any, open_session: Open) -> None:
    for _ in range(55):
        open_session(user)
    first = browser.get(URL).content.decode()
    (cursor,) = re.findall(r'href="\?cursor=([^"]+)" rel="next"', first)
    second = browser.get(f"{URL}?cursor={cursor}").content.decode()
    assert second.count('scope="row"') == 6
    assert 'rel="prev"' in second
    assert browser.get(f"{URL}?cursor=broken").status_code == 404


@pytest.mark.parametrize("path", ["", "/end-others", "/01930000-0000-7000-8000-000000000000/end"])
def test_nobody_is_led_to_the_sign_in_page(client: Browser, db: None, path: str) -> None:
    answer = client.get(URL + path)
    assert answer.status_code == 302
    assert f"next={URL}{path}" in answer["Location"]


def test_g01_every_change_wants_a_csrf_token(browser: Browser, user: Any, open_session: Open) -> None:
    other = open_session(user)
    browser.handler.enforce_csrf_checks = True
    for path in (f"/{other.pk}/end", "/end-others"):
        assert browser.post(URL + path).status_code == 403
    other.refresh_from_db()
    assert not other.is_revoked
