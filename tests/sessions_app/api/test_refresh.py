"""POST /auth/refresh."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from gatehouse import limits
from sessions_app import tokens
from sessions_app.models import Session, Transport

URL = "/api/v1/auth/refresh"
OWN = "http://testserver"
RELYING = {"X-Auth-Transport": "cookie", "Origin": OWN}


def post(browser: Browser, body: Any = None, **headers: str) -> Any:
    return browser.post(URL, body if body is not None else {}, content_type="application/json", headers=headers)


@pytest.fixture
def in_cookie(user: Any, open_session: Callable[..., Session]) -> tuple[Browser, Session]:
    session = open_session(user, transport=Transport.COOKIE)
    browser = Browser()
    browser.cookies["refresh"] = tokens.issue(session).refresh_token
    return browser, session


def test_a_bearer_session_is_refreshed_in_the_body(client: Browser, issued: tokens.Tokens) -> None:
    answer = post(client, {"refresh_token": issued.refresh_token})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)
    assert not answer.cookies
    again = post(client, {"refresh_token": issued.refresh_token})
    assert again.json()["refresh_token"] == answer.json()["refresh_token"]


def test_a_slash_reaches_the_same_view(client: Browser, issued: tokens.Tokens) -> None:
    body = {"refresh_token": issued.refresh_token}
    assert client.post(f"{URL}/", body, content_type="application/json").status_code == 200


def test_a_cookie_session_is_refreshed_in_its_cookie(in_cookie: tuple[Browser, Session]) -> None:
    browser, session = in_cookie
    old = browser.cookies["refresh"].value
    answer = post(browser, **RELYING)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    cookie = answer.cookies["refresh"]
    assert cookie.value != old
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert tokens.read_refresh(cookie.value).sid == session.pk


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OWN},
        {"X-Auth-Transport": "cookie"},
        {"X-Auth-Transport": "cookie", "Origin": "https://evil.test"},
        {"X-Auth-Transport": "cookie", "Origin": "null"},
    ],
)
def test_g03_the_cookie_alone_is_not_enough(in_cookie: tuple[Browser, Session], headers: dict[str, str]) -> None:
    browser, _ = in_cookie
    answer = post(browser, **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert Session.objects.get().rotation == 0


def test_a_lost_race_deletes_no_cookie(in_cookie: tuple[Browser, Session]) -> None:
    browser, _ = in_cookie
    browser.cookies["refresh"] = "a.b.c"
    answer = post(browser, **RELYING)
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_invalid")
    assert not answer.cookies


@pytest.mark.parametrize("body", [{}, {"refresh_token": "a.b.c"}, {"refresh_token": "x" * 20_000}])
def test_what_is_no_token_is_refused(client: Browser, db: None, body: dict[str, str]) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_invalid")
    assert answer["WWW-Authenticate"].startswith("Bearer error=")
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"refresh_token": 1}, "invalid"),
        ({"refresh_token": None}, "null"),
        ({"refresh_token": ""}, "blank"),
        ({"refresh_token": ["a"]}, "invalid"),
        ({"refresh_token": {}}, "invalid"),
    ],
)
def test_another_type_is_named(client: Browser, db: None, body: dict[str, Any], code: str) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("#/refresh_token", code)]


def test_an_unknown_field_is_named(client: Browser, issued: tokens.Tokens) -> None:
    answer = post(client, {"refresh_token": issued.refresh_token, "scope": "all"})
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("#/scope", "unknown_field")]
    assert Session.objects.get().rotation == 0


def test_e10_a_token_anywhere_else_is_no_proof(client: Browser, issued: tokens.Tokens) -> None:
    raw = issued.refresh_token
    assert client.get(URL, {"refresh_token": raw}).status_code == 405
    assert client.post(f"{URL}?refresh_token={raw}", {}, content_type="application/json").status_code == 400
    assert post(client, Authorization=f"Bearer {raw}").status_code == 401
    assert client.post(URL, {"refresh_token": raw}).status_code == 415
    assert Session.objects.get().rotation == 0


def test_the_limit_by_address_stops_a_flood(client: Browser, issued: tokens.Tokens, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.005}
    most = limits.LIMITS["refresh_ip"].scaled
    answers = [post(client, {"refresh_token": "a.b.c"}).status_code for _ in range(most + 1)]
    assert answers == [401] * most + [429]
    stopped = post(client, {"refresh_token": issued.refresh_token})
    assert stopped.json()["code"] == "rate_limited"
    assert int(stopped["Retry-After"]) > 0


def test_e01_reuse_kills_everything_that_hangs_on_the_session(
    client: Browser, issued: tokens.Tokens, settings: Any
) -> None:
    settings.SESSIONS = settings.SESSIONS | {"REUSE_GRACE": timedelta(0)}
    second = post(client, {"refresh_token": issued.refresh_token}).json()
    assert post(client, {"refresh_token": issued.refresh_token}).json()["code"] == "refresh_reused"
    assert post(client, {"refresh_token": second["refresh_token"]}).json()["code"] == "session_revoked"
    for access in (issued.access_token, second["access_token"]):
        answer = client.get("/api/v1/sessions", headers={"Authorization": f"Bearer {access}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
