"""GET /sessions, DELETE /sessions/{id}, POST /sessions/revoke-all, and who may ask."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import tokens
from sessions_app.models import Door, Session, Transport
from sessions_app.reasons import RevokeReason
from tests.sessions_app.headers import bearer_of

URL = "/api/v1/sessions"
Open = Callable[..., Session]


@pytest.fixture
def bearer(issued: tokens.Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {issued.access_token}"}


def test_the_shape_of_a_session(client: Browser, session: Session, bearer: dict[str, str]) -> None:
    answer = client.get(URL, headers=bearer)
    assert answer.status_code == 200
    session.refresh_from_db()
    assert answer.json() == {
        "results": [
            {
                "id": str(session.pk),
                "current": True,
                "device": {"name": "Firefox 142 on Windows 11", "kind": "unknown"},
                "ip": "192.0.2.7",
                "transport": "bearer",
                "factors": ["password", "email"],
                "created_at": shown(session.created_at),
                "last_used_at": shown(session.last_used_at),
                "expires_at": shown(session.idle_expires_at),
            }
        ],
        "next": None,
        "previous": None,
    }


def shown(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds")).replace("+00:00", "Z")


def test_e14_a_list_holds_ones_own_live_sessions_this_one_first(
    client: Browser, make_user: Callable[..., Any], open_session: Open, client_facts: Client
) -> None:
    jane, joe = make_user("jane"), make_user("joe")
    oldest, middle, newest = (open_session(jane) for _ in range(3))
    open_session(joe)
    ids = [row["id"] for row in client.get(URL, headers=bearer_of(oldest)).json()["results"]]
    assert ids == [str(oldest.pk), str(newest.pk), str(middle.pk)]
    Session.objects.filter(pk=newest.pk).update(revoked_at=timezone.now(), revoked_reason=RevokeReason.STAFF)
    rows = client.get(URL, headers=bearer_of(oldest)).json()["results"]
    assert [row["current"] for row in rows] == [True, False]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_e21_the_pages_of_a_list_lead_on_and_back(client: Browser, user: Any, open_session: Open, limit: int) -> None:
    made = [open_session(user) for _ in range(7)]
    same = timezone.now()
    Session.objects.filter(pk__in=[one.pk for one in made[3:5]]).update(created_at=same)
    headers = bearer_of(made[2])
    there, answer = [], client.get(URL, {"limit": limit}, headers=headers).json()
    there.append(answer)
    while answer["next"]:
        assert answer["next"].startswith("http://testserver/api/v1/sessions?")
        answer = client.get(answer["next"], headers=headers).json()
        there.append(answer)
    ids = [row["id"] for page in there for row in page["results"]]
    assert ids[0] == str(made[2].pk)
    assert sorted(ids) == sorted(str(one.pk) for one in made)
    assert all(len(page["results"]) == limit for page in there[:-1])
    back = [answer]
    while answer["previous"]:
        answer = client.get(answer["previous"], headers=headers).json()
        back.append(answer)
    assert [row["id"] for row in back[-1]["results"]] == ids[:limit]
    assert {row["id"] for page in back for row in page["results"]} == set(ids)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=-1", "?limit"),
        ("limit=a", "?limit"),
        ("limit=1000000000", "?limit"),
        ("cursor=a", "?cursor"),
        ("cursor=!!!!", "?cursor"),
        ("cursor=YTEuMg", "?cursor"),
        ("cursor=%00", "?cursor"),
        ("cursor=" + "A" * 199, "?cursor"),
        ("user__password__startswith=a", "?user__password__startswith"),
        ("limit=1&limit=2", "?limit"),
    ],
)
def test_h16_a_wrong_query_is_named(client: Browser, bearer: dict[str, str], query: str, pointer: str) -> None:
    answer = client.get(f"{URL}?{query}", headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


def test_ending_another_device_ends_it_at_once(client: Browser, user: Any, open_session: Open) -> None:
    mine, other = open_session(user), open_session(user)
    theirs = bearer_of(other)
    assert client.get(URL, headers=theirs).status_code == 200
    for _ in range(2):
        assert client.delete(f"{URL}/{other.pk}", headers=bearer_of(mine)).status_code == 204
    other.refresh_from_db()
    assert other.revoked_reason == RevokeReason.SIGNED_OUT_ELSEWHERE
    answer = client.get(URL, headers=theirs)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")


def test_ending_the_one_at_hand_is_signing_out(client: Browser, session: Session, bearer: dict[str, str]) -> None:
    assert client.delete(f"{URL}/{session.pk}", headers=bearer).status_code == 204
    session.refresh_from_db()
    assert session.revoked_reason == RevokeReason.SIGNED_OUT


def test_e15_anothers_session_is_as_unknown_as_none(
    client: Browser, make_user: Callable[..., Any], open_session: Open, events: list[Any]
) -> None:
    mine, theirs = open_session(make_user("jane")), open_session(make_user("joe"))
    headers = bearer_of(mine) | {"X-Request-ID": "same"}
    events.clear()
    foreign = client.delete(f"{URL}/{theirs.pk}", headers=headers)
    (event,) = events
    none = client.delete(f"{URL}/{uuid4()}", headers=headers)
    assert foreign.status_code == none.status_code == 404
    assert foreign.content == none.content
    assert (event.action, event.user_id, event.resource) == (
        "authz_fail",
        str(mine.user_id),
        f"session:{theirs.pk}",
    )
    assert not event.success
    theirs.refresh_from_db()
    assert not theirs.is_revoked


@pytest.mark.parametrize("path", ["1", "../users", "a' OR 1=1", "00000000-0000-0000-0000-00000000000g"])
def test_what_is_no_id_is_not_found(client: Browser, bearer: dict[str, str], path: str) -> None:
    assert client.delete(f"{URL}/{path}", headers=bearer).status_code == 404


def test_ending_all_others_and_then_all(client: Browser, user: Any, open_session: Open) -> None:
    mine, *others = [open_session(user) for _ in range(4)]
    headers = bearer_of(mine)
    answer = client.post(f"{URL}/revoke-all", headers=headers, content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {"revoked": 3})
    assert "Clear-Site-Data" not in answer
    assert client.get(URL, headers=bearer_of(others[0])).status_code == 401
    answer = client.post(
        f"{URL}/revoke-all", {"include_current": True}, headers=headers, content_type="application/json"
    )
    assert answer.json() == {"revoked": 1}
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get(URL, headers=headers).status_code == 401


@pytest.mark.parametrize("value", ["true", 1, None, [True]])
def test_include_current_is_a_truth_value(client: Browser, bearer: dict[str, str], value: Any) -> None:
    body = {"include_current": value}
    answer = client.post(f"{URL}/revoke-all", body, headers=bearer, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/include_current"


def test_nobody_is_not_authenticated(client: Browser, db: None) -> None:
    for answer in (
        client.get(URL),
        client.delete(f"{URL}/{uuid4()}"),
        client.post(f"{URL}/revoke-all", {}, content_type="application/json"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer a.b.c", "access_invalid"),
        ("Bearer", "access_invalid"),
        ("bearer a.b.c", "access_invalid"),
        ("Basic amFuZTpzZWNyZXQ=", "not_authenticated"),
        ("Token a.b.c", "not_authenticated"),
        ("Bearer ghk_nobodys", "not_authenticated"),
        ("", "not_authenticated"),
        ("Bearer é", "access_invalid"),
    ],
)
def test_g06_a_header_that_is_there_decides(
    user: Any, signed_in: Callable[..., Browser], header: str, code: str
) -> None:
    browser = signed_in(user)
    assert browser.get(URL).status_code == 200
    answer = browser.get(URL, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_f14_an_expired_access_token_says_so(client: Browser, bearer: dict[str, str], events: list[Any]) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=15)):
        answer = client.get(URL, headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (401, "access_expired")
    assert [(event.action, event.failure_reason) for event in events] == [("authn_token_invalid", "token_expired")]


def test_an_access_token_is_worth_nothing_when_its_account_is_not_active(
    client: Browser, user: Any, bearer: dict[str, str], switch_off: Callable[[Any], None]
) -> None:
    switch_off(user)
    answer = client.get(URL, headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")


def test_f25_a_token_is_worth_nothing_when_its_account_is_gone(
    client: Browser, user: Any, bearer: dict[str, str]
) -> None:
    user.delete()
    assert client.get(URL, headers=bearer).json()["code"] == "access_invalid"


@pytest.mark.parametrize("door", [Door.PAGE, Door.STAFF])
def test_f18_an_access_token_for_another_door_opens_nothing(
    client: Browser, user: Any, open_session: Open, door: Door
) -> None:
    assert client.get(URL, headers=bearer_of(open_session(user, door))).json()["code"] == "access_invalid"


def test_f18_the_subject_must_own_the_session(
    client: Browser, make_user: Callable[..., Any], open_session: Open
) -> None:
    session = open_session(make_user("jane"))
    session.user = make_user("joe")
    assert client.get(URL, headers=bearer_of(session)).json()["code"] == "access_invalid"


def test_asking_with_a_token_is_one_query(
    client: Browser, session: Session, bearer: dict[str, str], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(3):  # the principal, this session, the others
        client.get(URL, headers=bearer)


def test_g01_a_page_needs_its_csrf_token_to_change_anything(user: Any, signed_in: Callable[..., Browser]) -> None:
    browser = signed_in(user)
    browser.handler.enforce_csrf_checks = True
    row: UUID = browser.row.pk  # type: ignore[attr-defined]
    assert browser.get(URL).status_code == 200
    refused = browser.delete(f"{URL}/{row}")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    secret = "c" * 32
    browser.cookies["csrf"] = browser.cookies["csrftoken"] = secret
    assert browser.delete(f"{URL}/{row}", headers={"X-CSRFToken": secret}).status_code == 204
    assert browser.get(URL).status_code == 401


def test_e17_the_staff_cookie_is_no_page_cookie(user: Any, signed_in: Callable[..., Browser]) -> None:
    browser = signed_in(user, Door.STAFF)
    assert browser.get(URL).status_code == 401
    browser.cookies["session"] = browser.cookies["staff"].value
    assert browser.get(URL).status_code == 401


def test_ending_oneself_takes_the_refresh_cookie_back(client: Browser, user: Any, open_session: Open) -> None:
    session = open_session(user, transport=Transport.COOKIE)
    answer = client.delete(f"{URL}/{session.pk}", headers=bearer_of(session))
    assert answer.cookies["refresh"]["max-age"] == 0
