"""GET /me/activity: what happened to the account of whoever asks, in words, page by page."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

import audit
from accounts.models import User
from accounts.services import lifecycle
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor, EventType
from tests.factories import EMAIL, Api, UserFactory, problem, refused_fields

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def headers(api: Api, user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {api.sign_in()['access_token']}"}


def note(user: User, action: str, **given: Any) -> Event:
    client = Client(ip="203.0.113.9", user_agent=FIREFOX)
    return audit.record(event_type=EventType.SECURITY, action=action, client=client, user_id=user.pk, **given)


def shown(api: Api, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/me/activity{query}", **headers)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store"), answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_a_sign_in_and_a_failed_one_in_words(api: Api, user: User, headers: dict[str, str]) -> None:
    api.login(password="not the password at all")
    failed, done = shown(api, headers)
    assert set(failed) == {"id", "timestamp", "action", "text", "success", "device", "ip", "session_id"}
    assert (failed["text"], failed["success"], failed["session_id"]) == ("A sign-in failed", False, None)
    assert (failed["ip"], failed["device"]) == ("192.0.2.7", "curl")
    assert (done["text"], done["success"]) == ("Signed in from a new device", True)
    assert done["session_id"] and done["timestamp"].endswith("Z")


def test_steps_on_the_way_and_what_others_did_elsewhere_are_not_shown(
    api: Api, user: User, headers: dict[str, str]
) -> None:
    note(UserFactory(email="other@example.com"), "user_updated")
    assert [one["action"] for one in shown(api, headers)] == ["authn_login_success"]
    assert Event.objects.filter(user_id=str(user.pk), action="authn_password_accepted").exists()


def test_what_staff_did_says_so_and_not_from_where(api: Api, user: User, headers: dict[str, str]) -> None:
    staff = UserFactory(email="staff@example.com", role="super_admin")
    lifecycle.end_sessions(
        target=user, by=staff, reason="a stolen phone", client=Client(ip="10.0.0.9", user_agent=FIREFOX)
    )
    again = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    by_staff = [one for one in shown(api, again) if one["action"] in {"authz_admin", "session_revoked"}]
    assert {one["text"] for one in by_staff} == {"Our staff ended sessions", "A session was ended: Ended by staff"}
    assert {(one["ip"], one["device"]) for one in by_staff} == {(None, None)}
    assert "a stolen phone" not in str(by_staff)


@pytest.mark.parametrize(
    ("factor", "change", "text"),
    [
        ("totp", "added", "Authenticator app added"),
        ("recovery", "made", "New recovery codes made"),
        ("something", "else", "The ways to confirm a sign-in were changed"),
    ],
)
def test_a_change_of_factors_says_which(
    api: Api, user: User, headers: dict[str, str], factor: str, change: str, text: str
) -> None:
    note(user, "authn_factor_change", details={"factor": factor, "change": change})
    assert shown(api, headers)[0]["text"] == text


def test_page_after_page_and_back(api: Api, user: User, headers: dict[str, str]) -> None:
    for _turn in range(7):
        note(user, "user_updated")
    seen, path = [], "/me/activity?limit=3"
    while path:
        body = api.get(path, **headers).json()
        seen.append([one["id"] for one in body["results"]])
        note(user, "user_updated")  # what comes meanwhile moves no old page
        path = (body["next"] or "").partition("/api/v1")[2]
    assert [len(one) for one in seen] == [3, 3, 2]
    everything = [one for page in seen for one in page]
    assert everything == sorted(set(everything), reverse=True)
    before = body["previous"].partition("/api/v1")[2]
    assert [one["id"] for one in api.get(before, **headers).json()["results"]] == seen[1]
    assert body["previous"].startswith("http://testserver/api/v1/me/activity?limit=3&cursor=")


def test_since_is_inclusive_and_until_is_not(api: Api, user: User, headers: dict[str, str]) -> None:
    first = note(user, "user_updated")
    time.sleep(0.01)  # SQLite's clock counts milliseconds
    second = note(user, "user_updated")
    at = Event.objects.get(pk=second.pk).timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert [one["id"] for one in shown(api, headers, f"?since={at}")] == [second.pk]
    assert shown(api, headers, f"?until={at}&limit=1")[0]["id"] == first.pk
    later = (timezone.now() + timedelta(days=1)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert shown(api, headers, f"?since={later}") == []
    page = api.get(f"/me/activity?until={later}&limit=1", **headers).json()
    assert f"until={later.replace(':', '%3A')}" in page["next"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=nonsense", "cursor"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("action=user_updated", "action"),
    ],
)
def test_what_is_asked_wrong_is_named(api: Api, headers: dict[str, str], query: str, field: str) -> None:
    answer = api.get(f"/me/activity?{query}", **headers)
    assert set(refused_fields(answer)) == {f"?{field}"}


def test_nobody_else_sees_it(api: Api, db: None) -> None:
    problem("not_authenticated", 401, api.get("/me/activity"))


def test_without_a_trail_there_is_nothing(api: Api, headers: dict[str, str], settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"ACTIVITY": ""}
    assert shown(api, headers) == []


def test_an_actor_that_is_a_command_stays_unseen(api: Api, user: User, headers: dict[str, str]) -> None:
    note(user, "user_disabled", actor=Actor.command("root"))
    assert shown(api, headers)[0]["ip"] is None


def test_times_are_those_of_the_trail(api: Api, user: User, headers: dict[str, str]) -> None:
    event = note(user, "user_updated")
    told = datetime.fromisoformat(shown(api, headers)[0]["timestamp"])
    assert abs(told - Event.objects.get(pk=event.pk).timestamp) < timedelta(milliseconds=1)
