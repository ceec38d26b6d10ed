from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from accounts.services import lifecycle
from audit.models import Event
from gatehouse.client import Client
from sessions_app.models import Session
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer, code_of, mark, moment, problem, trail


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def signed_in(api: Api, user: User) -> dict[str, Any]:
    return api.sign_in()


def test_the_session_at_hand_with_its_user(api: Api, user: User, signed_in: dict[str, Any]) -> None:
    answer = api.get("/auth/session", **bearer(signed_in))
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    assert answer.json() == {"session": signed_in["session"], "user": signed_in["user"]}
    assert moment(answer.json()["user"]["created_at"]).utcoffset() == timedelta(0)


def test_asking_for_the_session_takes_one_query(
    api: Api, signed_in: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(2):
        api.get("/auth/session", **bearer(signed_in))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "not_authenticated"),
        ({"authorization": ""}, "not_authenticated"),
        ({"authorization": "Basic amFuZTpwYXNz"}, "not_authenticated"),
        ({"authorization": "Bearer ghk_0123456789"}, "not_authenticated"),
        ({"authorization": "Bearer nonsense"}, "access_invalid"),
        ({"authorization": "Bearer " + "x" * 9000}, "access_invalid"),
    ],
)
def test_without_a_good_token_there_is_no_session(api: Api, headers: dict[str, str], code: str) -> None:
    answer = api.get("/auth/session", **headers)
    assert problem(code, 401, answer) == {}
    assert answer["WWW-Authenticate"].startswith("Bearer error=")


def test_a_refresh_token_is_no_access_token(api: Api, signed_in: dict[str, Any]) -> None:
    since = mark()
    headers = {"authorization": f"Bearer {signed_in['refresh_token']}"}
    problem("access_invalid", 401, api.get("/auth/session", **headers))
    assert trail(since) == [("authn_token_invalid", "token_invalid")]


def test_signing_out_ends_the_session_at_once(api: Api, signed_in: dict[str, Any]) -> None:
    since = mark()
    gone = api.post("/auth/logout", {"refresh_token": signed_in["refresh_token"]})
    assert (gone.status_code, gone.content) == (204, b"")
    problem("session_revoked", 401, api.get("/auth/session", **bearer(signed_in)))
    problem("session_revoked", 401, api.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}))
    assert [step[0] for step in trail(since)] == ["session_logout", *["session_use_after_expire"] * 2]


@pytest.mark.parametrize("path", ["/auth/session", "/sessions"])
def test_a_disabled_account_is_out_at_the_next_request(
    api: Api, user: User, signed_in: dict[str, Any], path: str
) -> None:
    admin = UserFactory(role="super_admin")
    lifecycle.disable(target=user, by=admin, reason="because", client=Client.local("test"))
    problem("session_revoked", 401, api.get(path, **bearer(signed_in)))
    lifecycle.enable(target=user, by=admin, reason="a mistake", client=Client.local("test"))
    problem("session_revoked", 401, api.get(path, **bearer(signed_in)))


def test_a_changed_role_counts_at_the_next_request(api: Api, user: User, signed_in: dict[str, Any]) -> None:
    User.objects.filter(pk=user.pk).update(role="guest")
    assert api.get("/auth/session", **bearer(signed_in)).json()["user"]["role"] == "guest"


def test_a_lockout_ends_no_session(api: Api, signed_in: dict[str, Any]) -> None:
    for _turn in range(12):
        api.login(password="wrong wrong wrong")
    assert api.get("/auth/session", **bearer(signed_in)).status_code == 200


class TestReauthentication:
    def test_the_password_makes_the_session_fresh(self, api: Api, signed_in: dict[str, Any]) -> None:
        with time_machine.travel(timezone.now() + timedelta(minutes=10), tick=False):
            since = mark()
            answer = api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(signed_in))
            assert answer.status_code == 200, answer.content
            body = answer.json()
            assert set(body) == {"access_token", "token_type", "expires_in"}
            assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
            assert Session.objects.get().authenticated_at == timezone.now()
            assert trail(since) == [("authn_reauthentication",)]
            assert api.get("/auth/session", **bearer(body)).status_code == 200
        assert api.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}).status_code == 200

    def test_a_wrong_password_makes_nothing_fresh_and_is_counted(self, api: Api, signed_in: dict[str, Any]) -> None:
        before = Session.objects.get().authenticated_at
        since = mark()
        for _turn in range(10):
            refused = api.post("/auth/reauthenticate", {"password": "wrong wrong wrong"}, **bearer(signed_in))
            assert problem("invalid_credentials", 401, refused) == {}
        refused = api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(signed_in))
        assert problem("rate_limited", 429, refused) == {}
        assert trail(since)[:10] == [("authn_reauthentication", "bad_credentials")] * 10
        assert Session.objects.get().authenticated_at == before

    def test_a_right_password_uses_up_no_try(self, api: Api, signed_in: dict[str, Any]) -> None:
        for _turn in range(12):
            assert api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(signed_in)).status_code == 200

    def test_with_a_code_of_the_app_the_session_says_so(self, api: Api) -> None:
        user = UserFactory(email=EMAIL, app=True)
        body = api.answer(api.challenge(), user.recovery[0], method="recovery").json()
        asked = {"password": PASSWORD, "method": "totp", "code": code_of(user)}
        assert api.post("/auth/reauthenticate", asked, **bearer(body)).status_code == 200
        assert Session.objects.get().factors == ["password", "recovery", "totp"]
        refused = api.post("/auth/reauthenticate", asked, **bearer(body))
        assert problem("otp_invalid", 400, refused) == {}
        assert Event.objects.latest("id").failure_reason == "code_wrong"

    def test_c18_staff_prove_their_app_whatever_the_door(self, api: Api) -> None:
        user = UserFactory(email=EMAIL, app=True, staff=True)
        body = api.answer(api.challenge(), user.recovery[0], method="recovery").json()
        refused = api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(body))
        assert problem("factor_required", 403, refused) == {"methods": ["totp", "recovery"]}
        asked = {"password": PASSWORD, "code": code_of(user)}
        assert api.post("/auth/reauthenticate", asked, **bearer(body)).status_code == 200

    def test_a_mailed_code_is_never_taken(self, api: Api, signed_in: dict[str, Any]) -> None:
        asked = {"password": PASSWORD, "method": "email", "code": "123456"}
        problem("validation_failed", 400, api.post("/auth/reauthenticate", asked, **bearer(signed_in)))

    def test_wrong_codes_count_with_those_of_signing_in(self, api: Api) -> None:
        user = UserFactory(email=EMAIL, app=True)
        body = api.answer(api.challenge(), code_of(user)).json()
        asked = {"password": PASSWORD, "code": "000000"}
        start = timezone.now()
        with time_machine.travel(start, tick=False) as clock:
            statuses = []
            for turn in range(22):
                if turn % 8 == 7:
                    clock.shift(timedelta(minutes=16))
                    again = api.post("/auth/refresh", {"refresh_token": body["refresh_token"]})
                    body = body | again.json()
                statuses.append(api.post("/auth/reauthenticate", asked, **bearer(body)).status_code)
        assert statuses == [400] * 20 + [429] * 2

    def test_it_needs_somebody_signed_in(self, api: Api) -> None:
        problem("not_authenticated", 401, api.post("/auth/reauthenticate", {"password": PASSWORD}))


def test_the_mailbox_never_holds_a_token_of_a_session(api: Api, mailbox: Mailbox, signed_in: dict[str, Any]) -> None:
    texts = " ".join(str(one.message()) for one in mailbox.all())
    assert signed_in["refresh_token"] not in texts and signed_in["access_token"] not in texts
