"""What is decided while a password is read holds only until the session opens; and what a browser was given before."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts import passwords
from accounts.models import Challenge, User
from accounts.services import answers
from gatehouse import limits
from sessions_app.models import Session
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, mark, problem, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

COOKIE = {"x_auth_transport": "cookie", "origin": "http://testserver"}
THIEF = "203.0.113.9"


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


def through_browser(api: Api, email: str) -> Any:
    """Sign in with the mailed code as a script of our own site does, and return the last answer."""
    challenge = api.post("/auth/login", {"email": email, "password": PASSWORD}, **COOKIE).json()["challenge"]["id"]
    return api.post("/auth/otp/verify", {"challenge_id": challenge, "code": Mailbox().code(email)}, **COOKIE)


def forget_all(bearer: str) -> None:
    assert Api().send("DELETE", "/me/devices", authorization=bearer).status_code == 204


def end_others(bearer: str) -> None:
    assert Api().post("/sessions/revoke-all", {}, authorization=bearer).status_code == 200


@pytest.mark.parametrize("withdraw", [forget_all, end_others])
def test_c20_trust_withdrawn_while_the_password_is_read_stands_in_for_no_code(
    api: Api, user: User, monkeypatch: pytest.MonkeyPatch, withdraw: Callable[[str], None]
) -> None:
    trusted = api.sign_in(trust_device=True)["trust_token"]
    owner = Api(user_agent="Wget/1.21").sign_in()
    verify = passwords.verify

    def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(passwords, "verify", verify)
        withdraw(f"Bearer {owner['access_token']}")
        return verify(*given)

    monkeypatch.setattr(passwords, "verify", overtaken)
    sessions = Session.objects.count()
    answer = api.login(trust_token=trusted).json()
    assert (answer["status"], answer["challenge"]["method"]) == ("otp_required", "email")
    assert Session.objects.count() == sessions


def test_c20_whoever_used_a_browser_before_holds_no_token_that_knows_the_next_account(
    api: Api, user: User, settings: Any
) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"OTP_POLICY": "new_device"}
    UserFactory(email="mallory@example.com")
    copied = through_browser(api, "mallory@example.com").cookies["device"].value
    through_browser(api, EMAIL)
    thief = Api()
    thief.browser.cookies["device"] = copied
    asked = {"email": EMAIL, "password": PASSWORD}
    assert thief.post("/auth/login", asked, ip=THIEF, **COOKIE).json()["status"] == "otp_required"
    for email in (EMAIL, "mallory@example.com"):  # the browser that both used knows both
        asked = {"email": email, "password": PASSWORD}
        assert api.post("/auth/login", asked, **COOKIE).json()["status"] == "authenticated"


def test_l19_a_challenge_that_is_erased_while_its_answer_is_counted_is_over(
    api: Api, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = api.challenge()
    reserve = answers._reserve

    def overtaken(*given: Any) -> None:
        reserve(*given)
        Challenge.objects.all().delete()

    monkeypatch.setattr(answers, "_reserve", overtaken)
    since = mark()
    problem("challenge_expired", 410, api.answer(challenge, Mailbox().code()))
    assert trail(since) == [("authn_code_fail", "challenge_expired")]
    usage = limits.peek("code_account", str(user.pk))
    assert usage is not None and usage.hits == 0
