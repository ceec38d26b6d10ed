"""The accounts that staff look after, over the API: the list, one of them, its name, its deletion."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Mail, User
from accounts.roles import Role, permissions_of
from audit.models import Event
from sessions_app.models import Session
from tests.accounts.staff import Signed, open_session, person, signed
from tests.adminpanel.staff import Staff
from tests.factories import EMAIL, PASSWORD, UserFactory, give_app, mark, moment, problem, refused_fields, trail

pytestmark = [pytest.mark.api, pytest.mark.django_db]


@pytest.fixture
def admin(db: None) -> Signed:
    return signed(Role.ADMIN)


@pytest.fixture
def moderator(db: None) -> Signed:
    return signed(Role.MODERATOR)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


def pages(api: Signed, path: str) -> Iterator[Any]:
    while path:
        answer = api.get(path)
        assert answer.status_code == 200, answer.content
        yield answer.json()
        path = (answer.json()["next"] or "").removeprefix("http://testserver/api/v1")


def test_an_account_as_admins_see_it(admin: Signed) -> None:
    jane = UserFactory(email=EMAIL, password="!", disabled=True, disabled_reason="Spam", disabled_by=str(admin.user.pk))
    give_app(jane)
    body = admin.get(f"/users/{jane.pk}").json()
    factors = body.pop("factors")
    assert [(one["type"], one.get("remaining")) for one in factors] == [
        ("email", None),
        ("totp", None),
        ("recovery", 10),
    ]
    assert body.pop("disabled") == {
        "at": body_moment(jane.disabled_at),
        "reason": "Spam",
        "by": str(admin.user.pk),
    }
    for name in ("created_at", "updated_at", "email_verified_at", "password_changed_at"):
        moment(body.pop(name))
    assert body.pop("consent")["version"] == "1"
    assert body == {
        "id": str(jane.pk),
        "email": EMAIL,
        "email_verified": True,
        "display_name": "Jane Roe",
        "role": "user",
        "status": "disabled",
        "last_login_at": None,
        "deleted_at": None,
        "locked_until": None,
        "failed_sign_ins": 0,
        "permissions": sorted(permissions_of(Role.USER)),
    }


def body_moment(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def test_the_list_is_the_newest_first_and_has_the_shape_of_one(admin: Signed) -> None:
    people = [person() for _ in range(3)]
    answer = admin.get("/users")
    assert ids(answer) == [str(one.pk) for one in reversed(people)] + [str(admin.user.pk)]
    assert answer.json()["results"][0] == admin.get(f"/users/{people[-1].pk}").json()
    assert answer["Cache-Control"] == "no-store"


def test_pages_follow_one_another_and_keep_the_filters(admin: Signed) -> None:
    people = [str(person().pk) for _ in range(5)]
    person(Role.GUEST)
    read = list(pages(admin, "/users?limit=2&role=user"))
    assert [one["id"] for page in read for one in page["results"]] == people[::-1]
    assert [len(page["results"]) for page in read] == [2, 2, 1]
    back = admin.get(read[2]["previous"].removeprefix("http://testserver/api/v1"))
    assert ids(back) == people[1:3][::-1] == [one["id"] for one in read[1]["results"]]


def test_somebody_is_found_by_id_and_by_how_the_address_begins(admin: Signed) -> None:
    jane, june = person(email="Jane@example.com"), person(email="june@example.com")
    assert ids(admin.get(f"/users?q={jane.pk}")) == [str(jane.pk)]
    assert ids(admin.get("/users?q=JANE@")) == [str(jane.pk)]
    assert ids(admin.get("/users?q=j")) == [str(june.pk), str(jane.pk)]
    assert ids(admin.get("/users?q=ane@example.com")) == []
    assert ids(admin.get("/users?q=%25")) == []
    assert ids(admin.get(f"/users?q={uuid4()}")) == []


def test_the_list_is_narrowed_by_role_and_status(admin: Signed) -> None:
    guest, gone, off = person(Role.GUEST), person(deleted=True), person(disabled=True)
    assert ids(admin.get("/users?role=guest")) == [str(guest.pk)]
    assert ids(admin.get("/users?status=deleted")) == [str(gone.pk)]
    assert ids(admin.get("/users?status=disabled&role=user")) == [str(off.pk)]
    assert ids(admin.get("/users?status=inactive")) == []


def test_a_lockout_that_runs_is_found_and_shown(admin: Signed) -> None:
    jane = person(email=EMAIL)
    person()
    for _try in range(11):
        admin.login(EMAIL, "wrong, every time")
    [one] = admin.get("/users?status=locked").json()["results"]
    assert (one["id"], one["failed_sign_ins"], one["status"]) == (str(jane.pk), 10, "active")
    assert timedelta(0) < moment(one["locked_until"]) - timezone.now() <= timedelta(minutes=15)


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("limit=0", {"?limit": "min_value"}),
        ("limit=201", {"?limit": "max_value"}),
        ("cursor=x", {"?cursor": "invalid"}),
        ("role=root", {"?role": "invalid_choice"}),
        ("status=gone", {"?status": "invalid_choice"}),
        ("password__startswith=a", {"?password__startswith": "unknown_field"}),
        ("ordering=password&q=%00", {"?ordering": "unknown_field", "?q": "invalid"}),
        ("q=a&q=b", {"?q": "invalid"}),
    ],
)
def test_h15_a_query_holds_what_is_known_and_nothing_else(admin: Signed, query: str, refused: dict[str, str]) -> None:
    assert refused_fields(admin.get(f"/users?{query}")) == refused


def test_i06_a_moderator_sees_those_below_with_masked_addresses(moderator: Signed) -> None:
    jane, guest = person(email="jane@example.com"), person(Role.GUEST)
    others = [person(Role.MODERATOR), person(Role.ADMIN), person(Role.SUPER_ADMIN)]
    answer = moderator.get("/users")
    assert ids(answer) == [str(guest.pk), str(jane.pk)]
    assert answer.json()["results"][1]["email"] == "j•••@e•••.com"
    assert moderator.get(f"/users/{jane.pk}").json()["email"] == "j•••@e•••.com"
    assert b"jane@example" not in answer.content
    assert ids(moderator.get("/users?q=jane@example.com")) == [], "letter by letter that would read an address out"
    assert ids(moderator.get(f"/users?q={others[1].pk}")) == []
    since = mark()
    for one in others:
        problem("not_found", 404, moderator.get(f"/users/{one.pk}"))
    assert trail(since) == [("authz_fail", "not_permitted")] * 3


def test_i03_a_hidden_account_is_answered_like_none(moderator: Signed) -> None:
    hidden, none = (moderator.get(f"/users/{one}") for one in (person(Role.ADMIN).pk, uuid4()))
    assert {**hidden.json(), "request_id": ""} == {**none.json(), "request_id": ""}
    problem("not_found", 404, moderator.get("/users/17"))


@pytest.mark.parametrize("role", [Role.USER, Role.GUEST])
def test_i02_nobody_else_lists_accounts(role: Role) -> None:
    somebody, since = signed(role), mark()
    problem("permission_denied", 403, somebody.get("/users"))
    problem("permission_denied", 403, somebody.get(f"/users/{somebody.user.pk}"))
    rows = Event.objects.filter(pk__gt=since, action="authz_fail")
    assert [(row.failure_reason, row.resource, row.details["permission"]) for row in rows.order_by("pk")] == [
        ("not_permitted", "/api/v1/users", "users.read"),
        ("not_permitted", f"/api/v1/users/{somebody.user.pk}", "users.read"),
    ]
    assert somebody.get("/users/me").json()["id"] == str(somebody.user.pk)


def test_i07_staff_prove_an_app_also_at_the_api() -> None:
    """I07: a session of staff that no app was proved in is none a sign-in opens; should one exist, it opens nothing."""
    weak = Signed(person(Role.ADMIN), "password", "email")
    assert problem("factor_required", 403, weak.get("/users")) == {"methods": ["totp", "recovery"]}
    assert Signed(person(Role.ADMIN), "password", "recovery").get("/users").status_code == 200


def test_i07_the_cookie_of_the_staff_door_opens_the_list_and_the_pages_cookie_does_not(db: None) -> None:
    """I07, G01: the staff cookie reads by itself, and writes with the token that our own pages hold."""
    inside, jane = Staff(Role.ADMIN).sign_in(), person()
    browser = inside.browser
    assert ids(browser.get("/api/v1/users"))[0] == str(jane.pk)
    forged = Browser(enforce_csrf_checks=True)
    forged.cookies = browser.cookies
    asked: dict[str, Any] = {"content_type": "application/json", "data": {"display_name": "Jo"}}
    problem("csrf_failed", 403, forged.patch(f"/api/v1/users/{jane.pk}", **asked))
    page = browser.get(f"/admin/accounts/user/{jane.pk}/").content.decode()
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    done = forged.patch(f"/api/v1/users/{jane.pk}", **asked, headers={"x-csrftoken": token})
    assert (done.status_code, done.json()["display_name"]) == (200, "Jo")
    problem("not_authenticated", 401, browser.get("/api/v1/me"))
    inside.post("logout/")
    problem("not_authenticated", 401, browser.get("/api/v1/users"))


def test_i05_a_staff_session_that_was_ended_opens_nothing_more(db: None) -> None:
    inside = Staff(Role.ADMIN).sign_in()
    session = Session.objects.get(user=inside.user)
    Session.objects.filter(pk=session.pk).update(revoked_at=timezone.now(), revoked_reason="staff")
    problem("session_revoked", 401, inside.browser.get("/api/v1/users"))


def test_the_number_of_queries_does_not_grow_with_the_rows(admin: Signed) -> None:
    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert admin.get("/users?limit=200").status_code == 200
        return len(queries)

    for one in [person() for _ in range(2)]:
        give_app(one)
    few = asked()
    for one in [person() for _ in range(8)]:
        give_app(one)
    assert asked() == few <= 9


def test_staff_change_the_name_and_nothing_else(admin: Signed) -> None:
    jane, since = person(email=EMAIL), mark()
    answer = admin.patch(f"/users/{jane.pk}", {"display_name": " Jane Doe "})
    assert (answer.status_code, answer.json()["display_name"]) == (200, "Jane Doe")
    [row] = Event.objects.filter(pk__gt=since)
    assert (row.action, row.event_type, row.user_id, row.actor_id) == (
        "user_renamed", "ADMIN", str(jane.pk), str(admin.user.pk),
    )  # fmt: skip
    assert row.details == {"before": "Jane Roe", "after": "Jane Doe"}
    assert admin.patch(f"/users/{jane.pk}", {}).json()["display_name"] == "Jane Doe"
    assert len(trail(since)) == 1, "what changes nothing is no news"


def test_h01_no_other_field_is_taken(admin: Signed) -> None:
    jane = person()
    before = User.objects.values().get(pk=jane.pk)
    tried: dict[str, Any] = {
        "role": "super_admin", "status": "disabled", "is_staff": True, "is_active": False, "is_superuser": True,
        "email": "x@example.com", "email_verified": True, "id": str(uuid4()), "created_at": "2020-01-01T00:00:00Z",
        "password": PASSWORD, "permissions": ["users.role"], "reason": "Because",
    }  # fmt: skip
    answer = admin.patch(f"/users/{jane.pk}", tried | {"display_name": "Jo"})
    assert refused_fields(answer) == {f"#/{name}": "unknown_field" for name in tried}
    assert User.objects.values().get(pk=jane.pk) == before


def test_h12_a_name_is_a_text_of_its_length(admin: Signed) -> None:
    path = f"/users/{person().pk}"
    for value, code in [(7, "invalid"), (None, "null"), ("x" * 101, "max_length"), ("a\u202eb", "invalid")]:
        assert refused_fields(admin.patch(path, {"display_name": value})) == {"#/display_name": code}


def test_an_account_is_deleted_with_a_reason(admin: Signed) -> None:
    jane, jim = person(email=EMAIL), person()
    session = open_session(jane)
    assert refused_fields(admin.delete(f"/users/{jane.pk}")) == {"#/reason": "required"}
    assert refused_fields(admin.delete(f"/users/{jane.pk}", {"reason": " "})) == {"#/reason": "blank"}
    assert refused_fields(admin.delete(f"/users/{jane.pk}?reason=%20")) == {"?reason": "blank"}
    assert refused_fields(admin.delete(f"/users/{jane.pk}", {"reason": "x", "erase": True})) == {
        "#/erase": "unknown_field"
    }
    assert admin.delete(f"/users/{jane.pk}", {"reason": "Asked in writing"}).status_code == 204
    assert admin.delete(f"/users/{jim.pk}?reason=Asked").status_code == 204
    session.refresh_from_db()
    assert session.revoked_reason == "deleted"
    told = {row.user_id: row.details for row in Event.objects.filter(action="user_deleted", success=True)}
    assert told[str(jane.pk)]["reason"] == "Asked in writing" and told[str(jim.pk)]["reason"] == "Asked"
    assert (told[str(jane.pk)]["before"], told[str(jane.pk)]["after"]) == ("active", "deleted")
    body = admin.get(f"/users/{jane.pk}").json()
    assert body["status"] == "deleted" and moment(body["deleted_at"])
    problem("conflict", 409, admin.delete(f"/users/{jane.pk}", {"reason": "again"}))
    problem("conflict", 409, admin.patch(f"/users/{jane.pk}", {"display_name": "Jo"}))
    assert Mail.objects.filter(user=jane, template="account_deleted").count() == 1


def test_i04_nobody_deletes_himself_or_somebody_above(admin: Signed) -> None:
    problem("self_action_forbidden", 403, admin.delete(f"/users/{admin.user.pk}", {"reason": "x"}))
    problem("self_action_forbidden", 403, admin.patch(f"/users/{admin.user.pk}", {"display_name": "x"}))
    for role in (Role.ADMIN, Role.SUPER_ADMIN):
        problem("role_not_allowed", 403, admin.delete(f"/users/{person(role).pk}", {"reason": "x"}))
    problem("not_found", 404, admin.delete(f"/users/{uuid4()}", {"reason": "x"}))


def test_i13_what_a_session_was_opened_for_an_hour_ago_still_reads(admin: Signed) -> None:
    """Reading and the name ask for no fresh proof; a token that is too old is refused as ever."""
    jane = person()
    with time_machine.travel(timezone.now() + timedelta(minutes=10), tick=False):
        assert admin.get(f"/users/{jane.pk}").status_code == 200
        assert admin.patch(f"/users/{jane.pk}", {"display_name": "Jo"}).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=False):
        problem("access_expired", 401, admin.get(f"/users/{jane.pk}"))
