"""What somebody agreed to, over the API."""

from typing import Any

import pytest

from accounts.models import Consent, User
from accounts.roles import Role
from audit.models import Event
from tests.factories import EMAIL, Api, UserFactory, mark, moment, problem, refused_fields, trail

NEWS = "marketing-2026"


@pytest.fixture
def user(db: None, settings: Any) -> User:
    settings.ACCOUNTS = {"OPTIONAL_CONSENTS": ((NEWS, "Mail me news"),)}
    return UserFactory(email=EMAIL)


@pytest.fixture
def headers(api: Api, user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {api.sign_in()['access_token']}"}


def say(api: Api, headers: dict[str, str], version: Any, granted: Any, **more: Any) -> Any:
    return api.post("/me/consents", {"version": version, "granted": granted} | more, **headers)


def answers(api: Api, headers: dict[str, str]) -> Any:
    answer = api.get("/me/consents", **headers)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert set(answer.json()) == {"results"}
    return answer.json()["results"]


def test_answers_are_listed_the_newest_first(api: Api, headers: dict[str, str]) -> None:
    assert answers(api, headers) == []
    made = [say(api, headers, *one) for one in ((NEWS, True), ("1", True), (NEWS, False))]
    assert [(one.status_code, one["Cache-Control"]) for one in made] == [(201, "no-store")] * 3
    assert answers(api, headers) == [one.json() for one in reversed(made)]
    assert [(row["version"], row["granted"]) for row in answers(api, headers)] == [
        (NEWS, False), ("1", True), (NEWS, True),
    ]  # fmt: skip
    assert set(made[0].json()) == {"version", "granted", "at"} and moment(made[0].json()["at"])


def test_each_answer_leaves_a_row_with_who_and_what(api: Api, user: User, headers: dict[str, str]) -> None:
    since = mark()
    say(api, headers, NEWS, True)
    say(api, headers, NEWS, False)
    assert trail(since) == [("user_consent_given",), ("user_consent_withdrawn",)]
    event = Event.objects.latest("id")
    assert (event.event_type, event.user_id, event.actor_id) == ("USER_MANAGEMENT", str(user.pk), str(user.pk))
    assert event.details == {"purpose": "marketing", "version": NEWS} and event.session_id
    assert Consent.objects.latest("at").ip == "192.0.2.7"


def test_a_repeated_answer_is_answered_like_the_first_and_writes_nothing(api: Api, headers: dict[str, str]) -> None:
    first = say(api, headers, NEWS, True)
    since = mark()
    second = say(api, headers, NEWS, True)
    assert (second.status_code, second.json()) == (201, first.json())
    assert Consent.objects.count() == 1 and trail(since) == []


def test_the_user_shows_the_terms_that_stand(api: Api, user: User, headers: dict[str, str]) -> None:
    assert api.get("/me", **headers).json()["consent"]["version"] == "1"
    say(api, headers, "1", False)
    assert api.get("/me", **headers).json()["consent"] is None
    given = say(api, headers, "1", True).json()
    assert api.get("/me", **headers).json()["consent"] == {"version": "1", "given_at": given["at"]}


def test_a_client_learns_that_the_terms_changed_and_is_not_stopped(
    api: Api, headers: dict[str, str], settings: Any
) -> None:
    settings.ACCOUNTS = {"TERMS_VERSION": "2"}
    body = api.sign_in()
    fresh = {"authorization": f"Bearer {body['access_token']}"}
    assert (body["status"], body["user"]["consent"]["version"]) == ("authenticated", "1")
    assert api.get("/config").json()["terms_version"] == "2"
    assert api.get("/sessions", **fresh).status_code == 200
    assert say(api, fresh, "1", True).status_code == 400
    assert say(api, fresh, "2", True).status_code == 201
    assert api.get("/me", **fresh).json()["consent"]["version"] == "2"


def test_config_names_what_else_may_be_agreed_to(api: Api, user: User) -> None:
    assert api.get("/config").json()["optional_consents"] == [{"version": NEWS, "text": "Mail me news"}]


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({}, {"#/version": "required", "#/granted": "required"}),
        ({"version": NEWS}, {"#/granted": "required"}),
        ({"version": None, "granted": None}, {"#/version": "null", "#/granted": "null"}),
        ({"version": 1, "granted": "true"}, {"#/version": "invalid", "#/granted": "invalid"}),
        ({"version": "", "granted": 1}, {"#/version": "blank", "#/granted": "invalid"}),
        ({"version": "x" * 41, "granted": True}, {"#/version": "max_length"}),
        ({"version": "a\x00b", "granted": True}, {"#/version": "invalid"}),
        ({"version": "2", "granted": True}, {"#/version": "invalid"}),
        ({"version": "marketing-2025", "granted": False}, {"#/version": "invalid"}),
        ({"version": NEWS, "granted": True, "at": "2020-01-01T00:00:00Z"}, {"#/at": "unknown_field"}),
        ({"version": NEWS, "granted": True, "purpose": "terms"}, {"#/purpose": "unknown_field"}),
        ({"version": NEWS, "granted": True, "user": "x"}, {"#/user": "unknown_field"}),
    ],
)
def test_h12_what_is_no_answer_is_refused_by_field(
    api: Api, headers: dict[str, str], body: Any, refused: dict[str, str]
) -> None:
    since = mark()
    assert refused_fields(api.post("/me/consents", body, **headers)) == refused
    assert not Consent.objects.exists() and trail(since) == []


def test_nobody_sees_or_gives_the_answers_of_another(api: Api, headers: dict[str, str]) -> None:
    other = UserFactory(email="joe@example.com")
    say(api, headers, NEWS, True)
    joe = Api()
    joes = {"authorization": f"Bearer {joe.sign_in('joe@example.com')['access_token']}"}
    assert answers(joe, joes) == []
    say(joe, joes, NEWS, False)
    assert [row["granted"] for row in answers(api, headers)] == [True]
    assert Consent.objects.filter(user=other).count() == 1


def test_a_guest_answers_for_himself(api: Api, user: User, headers: dict[str, str]) -> None:
    user.set_role(Role.GUEST)
    user.save()
    assert say(api, headers, NEWS, True).status_code == 201


def test_without_a_session_nothing_is_shown_or_taken(api: Api) -> None:
    problem("not_authenticated", 401, api.get("/me/consents"))
    problem("not_authenticated", 401, say(api, {}, "1", False))


def test_answers_are_given_so_often_an_hour(api: Api, headers: dict[str, str], settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.02}  # 120 an hour become 2
    made = [say(api, headers, NEWS, granted).status_code for granted in (True, False, True)]
    assert made == [201, 201, 429] and Consent.objects.count() == 2


def test_only_reading_and_answering_are_there(api: Api, headers: dict[str, str]) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        problem("method_not_allowed", 405, api.send(method, "/me/consents", {}, **headers))
    assert refused_fields(api.get("/me/consents?limit=1", **headers)) == {"?limit": "unknown_field"}
