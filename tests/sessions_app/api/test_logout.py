"""POST /auth/logout."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from sessions_app import tokens
from sessions_app.models import Session, Transport
from sessions_app.reasons import RevokeReason

URL = "/api/v1/auth/logout"
RELYING = {"X-Auth-Transport": "cookie", "Origin": "http://testserver"}


def post(browser: Browser, body: Any = None, **headers: str) -> Any:
    return browser.post(URL, body if body is not None else {}, content_type="application/json", headers=headers)


def ended() -> bool:
    return Session.objects.get().revoked_reason == RevokeReason.SIGNED_OUT


def test_a_refresh_token_signs_out(client: Browser, issued: tokens.Tokens) -> None:
    answer = post(client, {"refresh_token": issued.refresh_token})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert ended()


def test_an_access_token_signs_out(client: Browser, issued: tokens.Tokens) -> None:
    assert post(client, Authorization=f"Bearer {issued.access_token}").status_code == 204
    assert ended()


def test_signing_out_twice_changes_nothing(client: Browser, issued: tokens.Tokens, events: list[Any]) -> None:
    for _ in range(2):
        assert post(client, {"refresh_token": issued.refresh_token}).status_code == 204
    assert [event.action for event in events] == ["session_logout"]


def test_an_expired_token_with_a_good_signature_signs_out(client: Browser, issued: tokens.Tokens) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=30)):
        assert post(client, Authorization=f"Bearer {issued.access_token}").status_code == 204
    assert ended()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({}, {}),
        ({"refresh_token": "a.b.c"}, {}),
        ({}, {"Authorization": "Bearer a.b.c"}),
        ({}, {"Authorization": "Basic amFuZTpzZWNyZXQ="}),
        ({}, {"Authorization": ""}),
        ({}, RELYING),
    ],
)
def test_what_does_not_verify_ends_nothing(
    client: Browser, session: Session, body: dict[str, str], headers: dict[str, str]
) -> None:
    assert post(client, body, **headers).status_code == 204
    assert not Session.objects.get().is_revoked


def test_a_cookie_signs_out_and_is_taken_back(user: Any, open_session: Callable[..., Session]) -> None:
    browser = Browser()
    browser.cookies["refresh"] = tokens.issue(open_session(user, transport=Transport.COOKIE)).refresh_token
    browser.cookies["device"] = "known"
    refused = post(browser)
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
    assert not ended()
    answer = post(browser, **RELYING)
    assert answer.status_code == 204
    assert ended()
    cookie = answer.cookies["refresh"]
    assert (cookie.value, cookie["max-age"], cookie["path"], cookie["samesite"]) == ("", 0, "/", "Strict")
    assert "device" not in answer.cookies


def test_the_access_token_of_a_cookie_session_takes_the_cookie_back(
    user: Any, open_session: Callable[..., Session]
) -> None:
    issued, browser = tokens.issue(open_session(user, transport=Transport.COOKIE)), Browser()
    browser.cookies["refresh"] = issued.refresh_token
    answer = post(browser, Authorization=f"Bearer {issued.access_token}")
    assert answer.status_code == 204
    assert answer.cookies["refresh"]["max-age"] == 0
    assert ended()


def test_g02_a_page_signs_out_with_its_csrf_token_only(user: Any, signed_in: Callable[..., Browser]) -> None:
    browser = signed_in(user)
    browser.handler.enforce_csrf_checks = True
    refused = post(browser)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert not ended()
    secret = "c" * 32
    browser.cookies["csrf"] = browser.cookies["csrftoken"] = secret
    assert post(browser, **{"X-CSRFToken": secret}).status_code == 204
    assert ended()
    assert browser.cookies["session"].value == ""


def test_an_unknown_field_is_refused(client: Browser, session: Session) -> None:
    assert post(client, {"everywhere": True}).status_code == 400
    assert not Session.objects.get().is_revoked
