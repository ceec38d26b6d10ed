"""Resets and changes of a password beside each other, beside refreshes and beside sign-ins."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from accounts import passwords as hashing
from accounts.models import Challenge, Link, LinkPurpose, RecoveryCode, User
from accounts.services import resets, sign_in
from gatehouse.client import Client
from sessions_app.models import Device, Session
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer, trail

NEW = "a long and quiet river"
HERE = Client.local("test")


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


@pytest.fixture
def user(transactional_db: None) -> User:
    return UserFactory(email=EMAIL)


def asked_token(api: Api) -> str:
    api.post("/auth/password/forgot", {"email": EMAIL})
    return api.mailbox.token()


def seen(answers: list[Any]) -> Counter[Any]:
    return Counter(one.json().get("code", one.status_code) for one in answers)


def live() -> int:
    return Session.objects.live(timezone.now()).count()


def test_d02_many_uses_of_one_link_set_one_password(api: Api, user: User, race: Any) -> None:
    token = asked_token(api)
    wanted = [f"a long and quiet river {number}" for number in range(12)]
    calls = [
        lambda new=new: Api().post("/auth/password/reset", {"token": token, "new_password": new}) for new in wanted
    ]
    answers = race(calls)
    assert seen(answers) == {200: 1, "token_used": 11}
    winner = next(new for new, answer in zip(wanted, answers, strict=True) if answer.status_code == 200)
    assert hashing.verify(winner, User.objects.get().password)[0]
    assert trail().count(("authn_password_reset",)) == 1
    assert trail().count(("authn_password_reset", "token_used")) == 11
    assert api.mailbox.subjects(EMAIL).count("Your Gatehouse password was changed") == 1


def test_one_recovery_code_resets_once_though_two_links_race(api: Api, race: Any) -> None:
    user = UserFactory(email=EMAIL, app=True)
    token = asked_token(api)
    asked = {"token": token, "new_password": NEW, "method": "recovery", "code": user.recovery[0]}
    answers = race([lambda: Api().post("/auth/password/reset", asked)] * 6)
    assert seen(answers) == {200: 1, "token_used": 5}
    assert RecoveryCode.objects.filter(used_at__isnull=False).count() == 1


def test_many_requests_leave_one_open_link(api: Api, user: User, mailbox: Mailbox, race: Any) -> None:
    race([lambda: Api().post("/auth/password/forgot", {"email": EMAIL})] * 12)
    mailbox.all()
    assert Link.objects.filter(purpose=LinkPurpose.RESET).open().count() == 1
    assert api.post("/auth/password/reset", {"token": mailbox.token(), "new_password": NEW}).status_code == 200


@pytest.mark.parametrize("turn", range(4))
def test_e07_no_token_survives_a_reset_beside_refreshes(api: Api, user: User, race: Any, turn: int) -> None:
    bodies = [api.sign_in() for _turn in range(3)]
    token = asked_token(api)

    def refresh(raw: str) -> Any:
        return Api().post("/auth/refresh", {"refresh_token": raw})

    def reset() -> Any:
        return api.post("/auth/password/reset", {"token": token, "new_password": NEW})

    raws = [body["refresh_token"] for body in bodies]
    first, *answers = race([reset, *(lambda raw=raw: refresh(raw) for raw in raws * 2)])
    assert first.status_code == 200
    assert live() == 0
    survivors = [*raws, *(one.json()["refresh_token"] for one in answers if one.status_code == 200)]
    assert {refresh(raw).json()["code"] for raw in survivors} == {"session_revoked"}


@pytest.mark.parametrize("turn", range(4))
def test_no_sign_in_by_the_old_password_survives_a_reset(api: Api, user: User, race: Any, turn: int) -> None:
    trusted = api.sign_in(trust_device=True)["trust_token"]
    challenge = api.challenge()
    code = api.mailbox.code()
    token = asked_token(api)

    def reset() -> Any:
        return api.post("/auth/password/reset", {"token": token, "new_password": NEW})

    enter = lambda: Api().login(trust_token=trusted)  # noqa: E731 - one of the calls below
    half = lambda: Api().login()  # noqa: E731
    answers = race([enter, half, reset, enter, lambda: Api().answer(challenge, code), half])
    assert answers[2].status_code == 200
    assert not [one for one in answers if one.status_code >= 500]
    assert live() == 0
    assert not Challenge.objects.live(timezone.now(), 5).exists()
    assert not Device.objects.trusted(timezone.now()).exists()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_password_replaced_while_it_was_compared_opens_nothing(
    api: Api, user: User, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    """The reset commits after the old password was found right, and before its session or its challenge is written."""
    known = api.sign_in(trust_device=True)["trust_token"] if trusted else None
    token = asked_token(api)
    compare = hashing.verify

    def compare_slowly(password: str, encoded: str | None) -> tuple[bool, str | None]:
        found = compare(password, encoded)
        monkeypatch.setattr(hashing, "verify", compare)
        resets.reset_password(token=token, new_password=NEW, client=HERE)
        return found

    monkeypatch.setattr(hashing, "verify", compare_slowly)
    answer = api.login(trust_token=known) if known else api.login()
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert live() == 0 and not Challenge.objects.live(timezone.now(), 5).exists()
    assert trail()[-1] == ("authn_login_fail", "bad_credentials")


def test_an_answer_on_its_way_comes_too_late_for_a_reset(api: Api, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has read the clock and taken its attempt; then the reset commits."""
    challenge = api.challenge()
    code = api.mailbox.code()
    token = asked_token(api)
    decide = sign_in.may_enter

    def decide_slowly(**asked: Any) -> Any:
        monkeypatch.setattr(sign_in, "may_enter", decide)
        resets.reset_password(token=token, new_password=NEW, client=HERE)
        return decide(**asked)

    monkeypatch.setattr(sign_in, "may_enter", decide_slowly)
    answer = api.answer(challenge, code)
    assert (answer.status_code, answer.json()["code"]) == (410, "challenge_expired")
    assert live() == 0


def test_of_two_changes_by_one_password_one_wins(api: Api, user: User, race: Any) -> None:
    bodies = [api.sign_in(), api.sign_in()]
    wanted = ["a long and quiet river", "another long quiet river"]

    def change(body: dict[str, Any], new: str) -> Any:
        asked = {"current_password": PASSWORD, "new_password": new, "revoke_other_sessions": False}
        return Api().post("/me/password", asked, **bearer(body))

    pairs = list(zip(bodies, wanted, strict=True))
    answers = race([lambda body=body, new=new: change(body, new) for body, new in pairs])
    assert seen(answers) == {200: 1, "invalid_credentials": 1}
    winner = next(new for new, answer in zip(wanted, answers, strict=True) if answer.status_code == 200)
    assert hashing.verify(winner, User.objects.get().password)[0]


def test_a_change_whose_session_was_ended_meanwhile_changes_nothing(
    api: Api, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, token = api.sign_in(), asked_token(api)
    make = hashing.hash_new_password

    def make_slowly(password: str) -> str:
        monkeypatch.setattr(hashing, "hash_new_password", make)
        resets.reset_password(token=token, new_password=NEW, client=HERE)
        return make(password)

    monkeypatch.setattr(hashing, "hash_new_password", make_slowly)
    asked = {"current_password": PASSWORD, "new_password": "the attacker's long password"}
    answer = api.post("/me/password", asked, **bearer(body))
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
    assert hashing.verify(NEW, User.objects.get().password)[0]
    assert trail()[-1] == ("authn_password_change", "session_ended")
