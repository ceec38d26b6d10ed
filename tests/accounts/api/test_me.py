"""The account of whoever asks: what it shows, and the name that its owner gives it."""

from typing import Any

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.services import lifecycle
from audit.models import Event
from gatehouse.client import Client
from tests.factories import EMAIL, Api, UserFactory, mark, problem, refused_fields, trail

PATHS = ("/me", "/users/me")


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def headers(api: Api, user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {api.sign_in()['access_token']}"}


def rename(api: Api, headers: dict[str, str], data: Any, path: str = "/me") -> Any:
    return api.send("PATCH", path, data, **headers)


@pytest.mark.parametrize("path", PATHS)
def test_the_account_as_its_owner_sees_it(api: Api, user: User, headers: dict[str, str], path: str) -> None:
    answer = api.get(path, **headers)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer.json() == api.get("/auth/session", **headers).json()["user"]
    body = answer.json()
    assert (body["email"], body["display_name"], body["role"], body["status"]) == (EMAIL, "Jane Roe", "user", "active")
    assert set(body) == {
        "id", "email", "email_verified", "display_name", "role", "status", "created_at", "last_login_at",
        "password_changed_at", "consent",
    }  # fmt: skip
    assert body["consent"]["version"] == "1"


@pytest.mark.parametrize("path", PATHS)
def test_a_new_name_is_in_force_at_once_and_leaves_a_row_without_it(
    api: Api, user: User, headers: dict[str, str], path: str
) -> None:
    since = mark()
    answer = rename(api, headers, {"display_name": "  Zoë 田中 👩 "}, path)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer.json() == api.get("/me", **headers).json()
    user.refresh_from_db()
    assert answer.json()["display_name"] == user.display_name == "Zoë 田中 👩"
    assert trail(since) == [("user_updated",)]
    event = Event.objects.latest("id")
    assert (event.event_type, event.user_id, event.actor_id) == ("USER_MANAGEMENT", str(user.pk), str(user.pk))
    assert event.details == {"attributes": ["display_name"]} and event.session_id
    assert "Zoë" not in str(vars(event))


@pytest.mark.parametrize("data", [None, {}, {"display_name": "Jane Roe"}, {"display_name": " Jane Roe "}])
def test_what_changes_nothing_is_answered_alike_and_leaves_no_row(
    api: Api, user: User, headers: dict[str, str], data: Any
) -> None:
    since, before = mark(), user.updated_at
    answer = rename(api, headers, data)
    assert answer.status_code == 200 and answer.json()["display_name"] == "Jane Roe"
    user.refresh_from_db()
    assert trail(since) == [] and user.updated_at == before


def test_a_name_may_be_taken_away(api: Api, user: User, headers: dict[str, str]) -> None:
    assert rename(api, headers, {"display_name": ""}).json()["display_name"] == ""


def test_a_name_like_the_password_is_taken(api: Api, user: User, headers: dict[str, str]) -> None:
    """The password was chosen before the name; refusing it would tell what the password is made of."""
    assert rename(api, headers, {"display_name": "Correct Horse Battery"}).status_code == 200


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "null"),
        (1, "invalid"),
        (["x"], "invalid"),
        ({"a": 1}, "invalid"),
        (True, "invalid"),
        ("x" * 101, "max_length"),
        ("a\x00b", "invalid"),
        ("\u202eevil", "invalid"),
        ("a\r\nBcc: x@y.test", "invalid"),
    ],
)
def test_h12_what_is_no_name_is_refused_and_nothing_is_written(
    api: Api, user: User, headers: dict[str, str], value: Any, code: str
) -> None:
    since = mark()
    assert refused_fields(rename(api, headers, {"display_name": value})) == {"#/display_name": code}
    user.refresh_from_db()
    assert user.display_name == "Jane Roe" and trail(since) == []


@pytest.mark.parametrize(
    "field", ["id", "email", "email_key", "role", "status", "is_staff", "is_active", "password", "terms_version", "x"]
)
def test_h01_no_other_field_can_be_assigned(api: Api, user: User, headers: dict[str, str], field: str) -> None:
    before = User.objects.values().get()
    asked = {"display_name": "Another", field: "admin"}
    assert refused_fields(rename(api, headers, asked)) == {f"#/{field}": "unknown_field"}
    assert User.objects.values().get() == before


def test_there_is_no_query_and_no_other_method(api: Api, headers: dict[str, str]) -> None:
    assert refused_fields(api.get("/me?fields=password", **headers)) == {"?fields": "unknown_field"}
    for method in ("POST", "PUT", "DELETE"):
        refused = api.send(method, "/me", {}, **headers)
        problem("method_not_allowed", 405, refused)
        assert {word.strip() for word in refused["Allow"].split(",")} >= {"GET", "PATCH"}


@pytest.mark.parametrize("path", PATHS)
def test_nobody_without_a_session_is_answered(api: Api, path: str) -> None:
    problem("not_authenticated", 401, api.get(path))
    problem("not_authenticated", 401, rename(api, {}, {"display_name": "x"}, path))
    problem("access_invalid", 401, api.get(path, authorization="Bearer nonsense"))


def test_a_guest_reads_and_changes_nothing(api: Api, user: User, headers: dict[str, str]) -> None:
    user.set_role(Role.GUEST)
    user.save()
    since = mark()
    assert api.get("/me", **headers).json()["role"] == "guest"
    problem("permission_denied", 403, rename(api, headers, {"display_name": "Another"}))
    user.refresh_from_db()
    assert user.display_name == "Jane Roe"
    assert trail(since) == [("authz_fail", "not_permitted")]
    event = Event.objects.latest("id")
    assert (event.user_id, event.actor_label, event.details) == (
        str(user.pk), "guest", {"permission": "account.change"},
    )  # fmt: skip


def test_names_are_changed_so_often_an_hour(api: Api, user: User, headers: dict[str, str], settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.02}  # 120 an hour become 2
    assert [rename(api, headers, {"display_name": f"Jane {n}"}).status_code for n in range(3)] == [200, 200, 429]
    assert User.objects.get().display_name == "Jane 1"
    assert api.get("/me", **headers).status_code == 200


def test_a_disabled_account_changes_nothing_more(api: Api, user: User, headers: dict[str, str]) -> None:
    boss = UserFactory(role=Role.SUPER_ADMIN)
    lifecycle.disable(target=user, by=boss, reason="because", client=Client.local("test"))
    problem("session_revoked", 401, rename(api, headers, {"display_name": "Another"}))
    assert User.objects.get(pk=user.pk).display_name == "Jane Roe"


def test_another_account_stays_as_it_is(api: Api, user: User, headers: dict[str, str]) -> None:
    other = UserFactory(display_name="Somebody")
    rename(api, headers, {"display_name": "Another"})
    other.refresh_from_db()
    assert other.display_name == "Somebody"
