"""Many passwords, codes and ends of sessions at once."""

from collections import Counter
from typing import Any

import pytest

from accounts.models import Challenge, RecoveryCode, User
from accounts.services import lifecycle
from audit.models import Event
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, code_of, trail

WRONG = "not the password at all"
STAFF = Client.local("test")


@pytest.fixture
def user(transactional_db: None) -> User:
    return UserFactory(email=EMAIL)


def codes(answers: list[Any]) -> Counter[Any]:
    """Count the answers by status, refusals by code."""
    return Counter(one.json().get("code", one.status_code) for one in answers)


def test_c03_fifty_right_codes_open_one_session(api: Api, mailbox: Mailbox, user: User, race: Any) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    answers = race([lambda: Api().answer(challenge, code)] * 50)
    seen = codes(answers)
    assert seen[200] == 1 and set(seen) <= {200, "challenge_expired", "rate_limited"}, seen
    assert Session.objects.count() == 1 and Challenge.objects.get().consumed_at is not None
    assert trail().count(("authn_login_success",)) == trail().count(("session_created",)) == 1
    usage = limits.peek("code_account", str(user.pk))
    assert usage is None or usage.hits == 0  # no wrong code was among them
    assert api.answer(api.challenge(), mailbox.code()).status_code == 200


def test_fifty_wrong_codes_use_up_five_attempts(api: Api, mailbox: Mailbox, user: User, race: Any) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    answers = race([lambda: Api().answer(challenge, wrong)] * 50)
    seen = codes(answers)
    assert seen["otp_invalid"] == 5 and set(seen) <= {"otp_invalid", "challenge_expired", "rate_limited"}, seen
    left = sorted(one.json()["attempts_remaining"] for one in answers if one.json()["code"] == "otp_invalid")
    assert left[0] == 0
    assert Challenge.objects.get().attempts == 5
    assert trail().count(("authn_code_fail", "code_wrong")) == 5
    usage = limits.peek("code_account", str(user.pk))
    assert usage is not None and usage.hits == 5


def test_c17_one_recovery_code_in_many_challenges_opens_one_session(api: Api, race: Any) -> None:
    user = UserFactory(email=EMAIL, app=True)
    challenges = [api.challenge() for _turn in range(12)]
    calls = [lambda c=c: Api().answer(c, user.recovery[0], method="recovery") for c in challenges]
    assert codes(race(calls)) == {200: 1, "otp_invalid": 11}
    assert Session.objects.count() == RecoveryCode.objects.filter(used_at__isnull=False).count() == 1


def test_c17_one_code_of_the_app_in_many_challenges_opens_one_session(api: Api, race: Any) -> None:
    user = UserFactory(email=EMAIL, app=True)
    challenges = [api.challenge() for _turn in range(12)]
    code = code_of(user)
    answers = race([lambda c=c: Api().answer(c, code, method="totp") for c in challenges])
    assert codes(answers) == {200: 1, "otp_invalid": 11}
    assert Session.objects.count() == 1


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_a08_forty_wrong_passwords_at_once_are_read_ten_times(api: Api, user: User, race: Any, email: str) -> None:
    answers = race([lambda: Api().login(email, WRONG)] * 40)
    assert codes(answers) == {"invalid_credentials": 10, "account_locked": 30}
    seen = Counter(trail())
    assert seen[("authn_login_fail", "unknown_account" if email != EMAIL else "bad_credentials")] == 10
    assert seen[("authn_login_fail_max", "locked")] == 1
    assert seen[("authn_login_lock", "locked")] == 29


def test_a08_wrong_passwords_from_everywhere_are_read_twenty_times(api: Api, user: User, race: Any) -> None:
    answers = race([lambda n=n: Api().login(EMAIL, WRONG, ip=f"198.51.100.{n}") for n in range(40)])
    assert codes(answers) == {"invalid_credentials": 20, "account_locked": 20}


def test_a_resend_by_many_sends_one_code(api: Api, mailbox: Mailbox, user: User, race: Any) -> None:
    challenge = api.challenge()
    mailbox.all()
    Challenge.objects.update(last_sent_at=None)
    answers = race([lambda: Api().post("/auth/otp/send", {"challenge_id": challenge})] * 10)
    assert codes(answers) == {202: 1, "rate_limited": 9}
    assert Challenge.objects.get().sends == 2
    assert api.answer(challenge, mailbox.code()).status_code == 200


@pytest.mark.parametrize("turn", range(6))
def test_l19_no_session_lives_once_disabling_has_returned(
    api: Api, mailbox: Mailbox, user: User, race: Any, turn: int
) -> None:
    admin = UserFactory(role="super_admin")
    challenge = api.challenge()
    code = mailbox.code()

    def disable() -> Any:
        lifecycle.disable(target=user, by=admin, reason="because", client=STAFF)
        return list(Session.objects.filter(user=user, revoked_at__isnull=True))

    answer, left = race([lambda: Api().answer(challenge, code), disable])
    assert left == []
    assert not Session.objects.filter(user=user, revoked_at__isnull=True).exists()
    seen = answer.json().get("code", answer.status_code)
    assert seen in (200, "challenge_expired", "account_disabled"), answer.content
    if seen == 200:
        token = answer.json()["access_token"]
        assert api.get("/auth/session", authorization=f"Bearer {token}").status_code == 401
    else:
        assert not Session.objects.filter(user=user).exists()
        failed = Event.objects.filter(user_id=str(user.pk), success=False)
        assert failed.exists()  # the refusal is in the trail


def test_two_last_super_admins_cannot_disable_each_other(transactional_db: None, race: Any) -> None:
    first, second = UserFactory(role="super_admin"), UserFactory(role="super_admin")

    def disable(target: User, by: User) -> Any:
        try:
            return lifecycle.disable(target=target, by=by, reason="because", client=STAFF)
        except Problem as problem:
            return problem.code

    race([lambda: disable(first, second), lambda: disable(second, first)])
    assert User.objects.filter(role="super_admin", status="active").count() == 1


def test_many_at_once_sign_in_to_one_account(api: Api, mailbox: Mailbox, user: User, race: Any) -> None:
    challenges = [api.challenge() for _turn in range(6)]
    mailed = [str(one.body)[:6] for one in mailbox.all(EMAIL)]
    answers = race([lambda n=n: Api().answer(challenges[n], mailed[n]) for n in range(6)])
    assert codes(answers) == {200: 6}
    assert Session.objects.count() == 6
