"""Which transport a request gets, and what the cookies look like (docs/api.md, Two transports)."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from gatehouse.problems import Problem
from sessions_app import cookies, tokens
from sessions_app.models import Door, Session, Transport

OWN = "https://auth.example.com"
FRONTEND = "https://app.example.com"


@pytest.fixture
def https(settings: Any, db: None) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"BASE_URL": OWN}
    settings.CORS_ALLOWED_ORIGINS = [FRONTEND, "https://other.test", "http://app.example.com"]


def asked(**headers: str) -> Any:
    return RequestFactory().post("/api/v1/auth/login", headers=headers)


def decided(**headers: str) -> str:
    try:
        return cookies.transport_of(asked(**headers))
    except Problem as problem:
        return problem.code


@pytest.mark.parametrize(
    ("headers", "transport"),
    [
        ({}, "bearer"),
        ({"X-Auth-Transport": "cookie"}, "cookie"),
        ({"X-Auth-Transport": "bearer"}, "bearer"),
        ({"X-Auth-Transport": "Bearer "}, "bearer"),
        ({"X-Auth-Transport": "pigeon"}, "validation_failed"),
        ({"X-Auth-Transport": ""}, "validation_failed"),
        ({"Origin": OWN}, "cookie"),
        ({"Sec-Fetch-Site": "same-origin"}, "cookie"),
        ({"Origin": OWN, "X-Auth-Transport": "bearer"}, "bearer"),
        ({"Origin": FRONTEND}, "cookie"),
        ({"Origin": FRONTEND, "Sec-Fetch-Site": "same-site"}, "cookie"),
        ({"Origin": "https://evil.test", "X-Auth-Transport": "bearer"}, "bearer"),
        ({"Origin": "https://evil.test"}, "origin_not_allowed"),
        ({"Origin": "https://other.test", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Origin": "http://app.example.com", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Origin": "https://app.example.com.evil.test", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Origin": "https://unlisted.example.com", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Origin": "null", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Origin": f"{OWN}:8443", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site", "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OWN, "X-Auth-Transport": "cookie"}, "origin_not_allowed"),
    ],
)
def test_the_header_decides_and_without_it_the_kind_of_client(
    https: None, headers: dict[str, str], transport: str
) -> None:
    assert decided(**headers) == transport


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        ({"X-Auth-Transport": "cookie", "Origin": OWN}, True),
        ({"X-Auth-Transport": "cookie", "Origin": FRONTEND}, True),
        ({"X-Auth-Transport": "cookie"}, False),
        ({"Origin": OWN}, False),
        ({"X-Auth-Transport": "bearer", "Origin": OWN}, False),
        ({"X-Auth-Transport": "cookie", "Origin": "https://evil.test"}, False),
        ({"X-Auth-Transport": "cookie", "Origin": "null"}, False),
    ],
)
def test_relying_on_the_cookie_takes_the_header_and_an_origin_of_ours(
    https: None, headers: dict[str, str], good: bool
) -> None:
    if good:
        cookies.require_cookie_origin(asked(**headers))
    else:
        with pytest.raises(Problem, match="origin_not_allowed"):
            cookies.require_cookie_origin(asked(**headers))


def test_the_usual_port_is_no_part_of_an_origin(settings: Any, db: None) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"BASE_URL": "https://Auth.example.com:443/"}
    assert decided(Origin=OWN) == "cookie"


def test_another_origin_is_recorded(https: None, events: list[Any]) -> None:
    assert decided(**{"Origin": "https://evil.test"}) == "origin_not_allowed"
    assert [(event.action, event.origin) for event in events] == [("authz_fail", "https://evil.test")]


def test_the_frontend_of_a_host_on_loopback_is_of_the_same_site(settings: Any, db: None) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"BASE_URL": "http://127.0.0.1:8000"}
    settings.CORS_ALLOWED_ORIGINS = ["http://127.0.0.1:5173", "http://10.0.0.1:5173", "http://localhost:5173"]
    assert decided(Origin="http://127.0.0.1:5173") == "cookie"
    assert decided(Origin="http://10.0.0.1:5173") == "origin_not_allowed"
    assert decided(Origin="http://localhost:5173") == "origin_not_allowed"


def test_g15_cookies_over_https(https: None, session: Session) -> None:
    response = HttpResponse()
    cookies.set_refresh(response, tokens.issue(session))
    cookies.set_device(response, "t")
    for name in ("__Host-refresh", "__Host-device"):
        cookie = response.cookies[name]
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
        assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert 7 * 86400 - 5 < response.cookies["__Host-refresh"]["max-age"] <= 7 * 86400
    given = dict(response.cookies["__Host-refresh"])
    cookies.clear_refresh(response)
    cleared = dict(response.cookies["__Host-refresh"])
    assert (cleared.pop("max-age"), response.cookies["__Host-refresh"].value) == (0, "")
    assert {key: given[key] for key in ("path", "secure", "httponly", "samesite", "domain")} == {
        key: cleared[key] for key in ("path", "secure", "httponly", "samesite", "domain")
    }


def test_cookies_over_http_have_plain_names(settings: Any, session: Session) -> None:
    response = HttpResponse()
    session.keep = False
    cookies.set_refresh(response, tokens.issue(session))
    cookies.set_device(response, "t")
    assert set(response.cookies) == {"refresh", "device"}
    assert not response.cookies["refresh"]["secure"]
    assert response.cookies["refresh"]["max-age"] == ""
    assert cookies.door_cookie(Door.PAGE) == "session"
    assert cookies.door_cookie(Door.STAFF) == "staff"


def test_what_was_set_is_read(db: None) -> None:
    request = RequestFactory().get("/")
    request.COOKIES |= {"refresh": "r", "device": "d"}
    assert (cookies.read_refresh(request), cookies.read_device(request)) == ("r", "d")
    assert cookies.asked_for(request) is None
    assert cookies.transport_of(request) == Transport.BEARER
    response = HttpResponse()
    cookies.clear_device(response)
    assert response.cookies["device"]["max-age"] == 0
