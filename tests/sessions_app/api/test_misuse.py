"""Tokens and sessions where they do not belong: SECURITY E04, E10 to E12, E19, E21."""

from collections.abc import Callable
from time import process_time
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from gatehouse import limits
from gatehouse.events import SecurityEvent
from sessions_app import tokens
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from tests.sessions_app.headers import bearer_of

API = "/api/v1"
Open = Callable[..., Session]


def refresh(client: Browser, raw: str) -> tuple[int, str]:
    answer = client.post(f"{API}/auth/refresh", {"refresh_token": raw}, content_type="application/json")
    return answer.status_code, answer.json().get("code", "rotated")


def test_e04_a_thief_who_comes_first_is_found_out_by_the_owner_who_comes_later(
    client: Browser, issued: tokens.Tokens, events: list[SecurityEvent]
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        stolen = client.post(
            f"{API}/auth/refresh", {"refresh_token": issued.refresh_token}, content_type="application/json"
        ).json()
        clock.shift(60)
        assert refresh(client, issued.refresh_token) == (401, "refresh_reused")
        assert refresh(client, stolen["refresh_token"]) == (401, "session_revoked")
        headers = {"Authorization": f"Bearer {stolen['access_token']}"}
        assert client.get(f"{API}/sessions", headers=headers).json()["code"] == "session_revoked"
    assert Session.objects.get().revoked_reason == RevokeReason.REFRESH_REUSED
    assert [event.action for event in events].count("authn_token_reuse") == 1


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
def test_e10_only_a_post_refreshes(client: Browser, issued: tokens.Tokens, method: str) -> None:
    asked = {"refresh_token": issued.refresh_token}
    assert getattr(client, method)(f"{API}/auth/refresh", asked, content_type="application/json").status_code == 405
    assert Session.objects.get().rotation == 0


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"ISSUER": "https://staging.example.com"},
        {"AUDIENCE": "another-service"},
        {"SIGNING_KEYS": ("the-key-of-another-place-0123456789-abc",)},
    ],
)
def test_e11_a_refresh_token_of_another_place_is_refused(
    client: Browser, session: Session, settings: Any, elsewhere: dict[str, Any]
) -> None:
    here = settings.SESSIONS
    settings.SESSIONS = here | elsewhere
    raw = tokens.issue(session).refresh_token
    settings.SESSIONS = here
    assert refresh(client, raw) == (401, "refresh_invalid")
    assert refresh(client, tokens.issue(session).refresh_token) == (200, "rotated")


FORGED = {
    "random": lambda raw: uuid4().hex,
    "three parts": lambda raw: "a.b.c",
    "signature of nothing": lambda raw: raw.rpartition(".")[0] + "." + "A" * 43,
    "a letter changed": lambda raw: raw[:-10] + ("A" if raw[-10] != "A" else "B") + raw[-9:],
    "another kid": lambda raw: "eyJhbGciOiJIUzI1NiIsImtpZCI6IngiLCJ0eXAiOiJKV1QifQ." + raw.partition(".")[2],
    "doubled": lambda raw: raw + raw,
    "ten thousand letters": lambda raw: "A" * 10_000,
}


@pytest.mark.parametrize("name", FORGED)
def test_e12_a_forged_token_asks_for_no_session(
    client: Browser, issued: tokens.Tokens, name: str, django_assert_max_num_queries: Any
) -> None:
    forged = FORGED[name](issued.refresh_token)
    with django_assert_max_num_queries(8) as queries:
        assert refresh(client, forged) == (401, "refresh_invalid")
    assert not [query for query in queries if "sessions_app_session" in query["sql"]]
    assert Session.objects.get().rotation == 0


def test_e12_forged_tokens_are_limited_by_address(client: Browser, issued: tokens.Tokens, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.01}
    most = limits.LIMITS["refresh_ip"].scaled
    answers = [refresh(client, f"{number}.b.c") for number in range(most + 2)]
    assert answers == [(401, "refresh_invalid")] * most + [(429, "rate_limited")] * 2


def test_e19_the_token_decides_beside_the_cookie_of_another_and_that_is_recorded_once(
    make_user: Callable[..., Any],
    open_session: Open,
    signed_in: Callable[..., Browser],
    events: list[SecurityEvent],
) -> None:
    jane, joe = make_user("jane"), make_user("joe")
    browser, joes = signed_in(jane), open_session(joe)
    events.clear()
    for _ in range(3):
        answer = browser.get(f"{API}/sessions", headers=bearer_of(joes))
        assert [row["id"] for row in answer.json()["results"]] == [str(joes.pk)]
    (event,) = [event for event in events if event.action == "session_mismatch"]
    assert (event.user_id, event.session_id, event.success) == (str(joe.pk), str(joes.pk), True)
    assert event.details() == {"other_user_id": str(jane.pk), "other_session_id": str(browser.row.pk)}


def test_e19_two_sessions_of_one_account_belong_together(
    user: Any, open_session: Open, signed_in: Callable[..., Browser], events: list[SecurityEvent]
) -> None:
    browser, own = signed_in(user), open_session(user)
    assert browser.get(f"{API}/sessions", headers=bearer_of(own)).status_code == 200
    assert "session_mismatch" not in [event.action for event in events]


def test_e19_a_bad_token_beside_a_good_cookie_is_refused(user: Any, signed_in: Callable[..., Browser]) -> None:
    answer = signed_in(user).get(f"{API}/sessions", headers={"Authorization": "Bearer a.b.c"})
    assert (answer.status_code, answer.json()["code"]) == (401, "access_invalid")


def test_e19_a_client_without_a_cookie_pays_nothing_for_it(
    client: Browser, session: Session, django_assert_num_queries: Any
) -> None:
    headers = bearer_of(session)
    client.get(f"{API}/sessions", headers=headers)
    with django_assert_num_queries(3):  # who calls, the one at hand, the others
        assert client.get(f"{API}/sessions", headers=headers).status_code == 200


def test_e21_ten_thousand_sessions_are_listed_page_by_page(client: Browser, user: Any, session: Session) -> None:
    """Every one comes once; 95 of 100 pages take less than 200 ms of this process, however busy the machine is."""
    copied = {field.attname: getattr(session, field.attname) for field in Session._meta.concrete_fields}
    made = [Session(**copied | {"id": uuid4(), "refresh_id": uuid4()}) for _ in range(9_999)]
    Session.objects.bulk_create(made, batch_size=500)
    headers, address, seen, times = bearer_of(session), f"{API}/sessions?limit=200", [], []
    while address:
        begun = process_time()
        page = client.get(address, headers=headers).json()
        times.append(process_time() - begun)
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    assert (len(seen), len(set(seen)), len(times)) == (10_000, 10_000, 50)
    assert seen[0] == str(session.pk)
    assert sorted(times)[len(times) * 95 // 100] < 0.2
