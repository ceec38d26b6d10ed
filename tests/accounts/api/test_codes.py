from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Challenge, RecoveryCode, TotpDevice, User
from accounts.services import lifecycle
from audit.models import Event
from gatehouse.client import Client
from sessions_app.models import Door, Session
from tests.factories import (
    EMAIL,
    Api,
    Mailbox,
    UserFactory,
    code_of,
    give_app,
    mark,
    moment,
    problem,
    refused_fields,
    trail,
)

NOBODYS = "019aa000-0000-7000-8000-000000000000"


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def clock() -> Iterator[Any]:
    """The time, standing still until a test moves it."""
    with time_machine.travel(datetime(2027, 3, 1, 12, tzinfo=timezone.get_current_timezone()), tick=False) as hands:
        yield hands


def wrong(code: str) -> str:
    """Return a code that differs from *code* in its last digit."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def test_c01_five_wrong_codes_end_the_challenge(api: Api, mailbox: Mailbox, user: User) -> None:
    challenge, since = api.challenge(), mark()
    code = mailbox.code()
    for remaining in (4, 3, 2, 1, 0):
        refused = api.answer(challenge, wrong(code))
        assert problem("otp_invalid", 400, refused) == {"attempts_remaining": remaining}
    assert problem("challenge_expired", 410, api.answer(challenge, code)) == {}
    assert problem("challenge_expired", 410, api.post("/auth/otp/send", {"challenge_id": challenge})) == {}
    fails = [("authn_code_fail", "code_wrong")] * 4
    ended = [("authn_code_fail_max", "code_exhausted"), ("authn_code_fail", "code_wrong")]
    assert trail(since)[:6] == [*fails, *ended]
    assert trail(since)[6:] == [("authn_code_fail", "challenge_expired"), ("authn_code_sent", "challenge_expired")]
    assert {row.user_id for row in Event.objects.filter(pk__gt=since)} == {str(user.pk)}
    assert not Session.objects.exists()


def test_c02_a_right_code_is_good_once(api: Api, mailbox: Mailbox, user: User) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    assert api.answer(challenge, code).status_code == 200
    since = mark()
    assert problem("challenge_expired", 410, api.answer(challenge, code)) == {}
    assert trail(since) == [("authn_code_fail", "code_replayed")]
    assert Session.objects.count() == 1


def test_c04_only_the_newest_code_counts_and_no_resend_refills_the_attempts(
    api: Api, mailbox: Mailbox, user: User, clock: Any
) -> None:
    challenge = api.challenge()
    older = mailbox.code()
    problem("otp_invalid", 400, api.answer(challenge, wrong(older)))
    clock.shift(timedelta(seconds=60))
    since = mark()
    sent = api.post("/auth/otp/send", {"challenge_id": challenge})
    assert sent.status_code == 202 and set(sent.json()) == {"status", "expires_at", "resend_after"}
    assert (sent.json()["status"], sent.json()["resend_after"]) == ("accepted", 60)
    assert moment(sent.json()["expires_at"]) == timezone.now() + timedelta(minutes=10)
    assert trail(since) == [("authn_code_sent",)]
    newer = mailbox.code()
    assert newer != older
    assert problem("otp_invalid", 400, api.answer(challenge, older)) == {"attempts_remaining": 3}
    assert api.answer(challenge, newer).status_code == 200


def test_c07_a_code_is_too_old_after_ten_minutes_and_the_challenge_over_after_thirty(
    api: Api, mailbox: Mailbox, user: User, clock: Any
) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    clock.shift(timedelta(minutes=10, seconds=-1))
    assert api.answer(challenge, code).status_code == 200
    challenge = api.challenge()
    code = mailbox.code()
    clock.shift(timedelta(minutes=10))
    since = mark()
    assert problem("otp_expired", 400, api.answer(challenge, code)) == {}
    assert trail(since) == [("authn_code_fail", "code_expired")]
    late = api.challenge()
    clock.shift(timedelta(minutes=30))
    problem("challenge_expired", 410, api.answer(late, "123456"))
    problem("challenge_expired", 410, api.post("/auth/otp/send", {"challenge_id": late}))


def test_c08_a_code_that_was_too_old_or_used_stays_so_where_the_clock_is_set_back(
    api: Api, mailbox: Mailbox, user: User, clock: Any
) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    clock.shift(timedelta(minutes=10))
    problem("otp_expired", 400, api.answer(challenge, code))
    clock.shift(timedelta(minutes=-10))
    problem("otp_expired", 400, api.answer(challenge, code))
    clock.shift(timedelta(minutes=1))
    assert api.post("/auth/otp/send", {"challenge_id": challenge}).status_code == 202
    newer = mailbox.code()
    assert api.answer(challenge, newer).status_code == 200
    clock.shift(timedelta(seconds=-30))
    problem("challenge_expired", 410, api.answer(challenge, newer))


def test_a_mail_that_would_come_too_late_is_not_sent(api: Api, mailbox: Mailbox, user: User, clock: Any) -> None:
    api.challenge()
    clock.shift(timedelta(minutes=10))
    since = mark()
    assert mailbox.all() == []
    assert trail(since) == [("sys_mail_failed", "mail_expired")]


def test_c09_another_code_may_be_asked_for_after_a_minute_five_times_in_all(
    api: Api, mailbox: Mailbox, user: User, clock: Any
) -> None:
    challenge = api.challenge()
    asked = {"challenge_id": challenge}
    clock.shift(timedelta(seconds=59))
    refused = api.post("/auth/otp/send", asked)
    assert problem("rate_limited", 429, refused) == {} and refused["Retry-After"] == "1"
    for _turn in range(4):
        clock.shift(timedelta(seconds=61))
        assert api.post("/auth/otp/send", asked).status_code == 202
    clock.shift(timedelta(seconds=61))
    refused = api.post("/auth/otp/send", asked)
    problem("rate_limited", 429, refused)
    assert int(refused["Retry-After"]) > 60  # the rest of the challenge
    assert Challenge.objects.get().sends == 5
    assert api.answer(challenge, mailbox.code()).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda c: f" {c} ",
        lambda c: f"{c[:3]} {c[3:]}",
        lambda c: f"{c[:3]}-{c[3:]}",
        lambda c: f"{c[:3]}–{c[3:]}",
        lambda c: f"{c}\n",
        lambda c: c.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
    ],
)
def test_c10_spaces_hyphens_and_full_width_digits_do_not_matter(
    api: Api, mailbox: Mailbox, user: User, change: Any
) -> None:
    challenge = api.challenge()
    assert api.answer(challenge, change(mailbox.code())).status_code == 200


@pytest.mark.parametrize("change", [lambda c: c[:5], lambda c: c + "0", lambda c: "x" + c[1:], lambda c: c * 3])
def test_c10_another_length_is_a_wrong_code(api: Api, mailbox: Mailbox, user: User, change: Any) -> None:
    refused = api.answer(api.challenge(), change(mailbox.code()))
    assert problem("otp_invalid", 400, refused) == {"attempts_remaining": 4}


@pytest.mark.parametrize("change", [int, lambda c: [c], lambda c: {"code": c}, lambda c: c + "\x00", lambda c: "०१२३४५",
                                    lambda c: "", lambda c: "-", lambda c: None])  # fmt: skip
def test_c10_what_is_no_code_uses_up_no_attempt(api: Api, mailbox: Mailbox, user: User, change: Any) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    assert set(refused_fields(api.answer(challenge, change(code)))) == {"#/code"}
    assert Challenge.objects.get().attempts == 0


def test_c12_what_the_database_holds_is_no_code(api: Api, user: User) -> None:
    challenge = api.challenge()
    assert api.answer(challenge, Challenge.objects.get().code_hash).status_code == 400
    assert not Session.objects.exists()


def test_c06_a_code_opens_its_own_challenge_only(api: Api, mailbox: Mailbox, user: User) -> None:
    UserFactory(email="other@example.com")
    first, second = api.challenge(), api.challenge()
    mine = [str(one.body)[:6] for one in mailbox.all(EMAIL)]
    theirs = api.challenge("other@example.com")
    assert mine[0] != mine[1]
    for challenge, code in ((theirs, mine[0]), (first, mine[1]), (second, mine[0])):
        assert problem("otp_invalid", 400, api.answer(challenge, code)) == {"attempts_remaining": 4}


@pytest.mark.parametrize("challenge", [NOBODYS, "1", "x" * 64, "../../etc/passwd", "' OR 1=1 --"])
def test_b07_an_unknown_challenge_is_like_one_that_is_over(api: Api, user: User, challenge: str) -> None:
    over = api.challenge()
    Challenge.objects.update(expires_at=timezone.now())
    one, other = api.answer(challenge, "123456"), api.answer(over, "123456")
    assert problem("challenge_expired", 410, one) == problem("challenge_expired", 410, other) == {}
    assert one.content.replace(one["X-Request-ID"].encode(), b"") == other.content.replace(
        other["X-Request-ID"].encode(), b""
    )
    assert trail()[-2:] == [("authn_code_fail", "challenge_expired")] * 2
    problem("challenge_expired", 410, api.post("/auth/otp/send", {"challenge_id": challenge}))


@pytest.mark.parametrize("door", [Door.PAGE, Door.STAFF])
def test_a_challenge_is_answered_at_its_own_door(api: Api, mailbox: Mailbox, user: User, door: Door) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    Challenge.objects.update(door=door)
    problem("challenge_expired", 410, api.answer(challenge, code))
    Challenge.objects.update(door=Door.API)
    assert api.answer(challenge, code).status_code == 200


def test_a_method_that_was_not_offered_is_refused(api: Api, mailbox: Mailbox, user: User) -> None:
    challenge = api.challenge()
    for method in ("totp", "recovery"):
        assert refused_fields(api.answer(challenge, "123456", method=method)) == {"#/method": "invalid_choice"}
    assert Challenge.objects.get().attempts == 0
    assert api.answer(challenge, mailbox.code(), method="email").status_code == 200


def test_a_disabled_account_gets_no_further_with_a_code_it_already_has(api: Api, mailbox: Mailbox, user: User) -> None:
    admin = UserFactory(role="super_admin")
    challenge = api.challenge()
    code = mailbox.code()
    lifecycle.disable(target=user, by=admin, reason="lost laptop", client=Client.local("test"))
    problem("challenge_expired", 410, api.answer(challenge, code))
    problem("challenge_expired", 410, api.post("/auth/otp/send", {"challenge_id": challenge}))
    assert not Session.objects.exists()


@pytest.mark.parametrize("status", ["disabled", "deleted", "inactive"])
def test_whatever_changed_the_status_no_code_is_sent_or_taken_any_more(
    api: Api, mailbox: Mailbox, user: User, status: str
) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    Challenge.objects.update(last_sent_at=None)
    User.objects.filter(pk=user.pk).update(status=status, is_active=False)
    problem("challenge_expired", 410, api.post("/auth/otp/send", {"challenge_id": challenge}))
    problem("challenge_expired", 410, api.answer(challenge, code))
    assert not Session.objects.exists()


def test_c11_twenty_wrong_codes_a_day_over_all_challenges(api: Api, mailbox: Mailbox, user: User, clock: Any) -> None:
    for _turn in range(4):
        challenge = api.challenge()
        for _attempt in range(5):
            problem("otp_invalid", 400, api.answer(challenge, "000000"))
        clock.shift(timedelta(minutes=20))
    challenge = api.challenge()
    code, since = mailbox.code(), mark()
    refused = api.answer(challenge, code)
    problem("rate_limited", 429, refused)
    assert trail(since) == [("authn_code_fail", "rate_limited")]
    assert 22 * 3600 < int(refused["Retry-After"]) < 24 * 3600
    assert not Session.objects.exists()
    clock.shift(timedelta(hours=23))
    assert api.answer(api.challenge(), mailbox.code()).status_code == 200


def test_right_codes_do_not_count_against_the_day(api: Api, user: User, clock: Any) -> None:
    for _turn in range(25):
        api.sign_in()
        clock.shift(timedelta(minutes=5))


def test_a_code_that_comes_twice_does_not_count_as_wrong(api: Api, mailbox: Mailbox, user: User) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    for _turn in range(30):
        api.answer(challenge, code)
    assert api.answer(api.challenge(), mailbox.code()).status_code == 200


class TestApp:
    def test_c15_a_code_of_the_app_is_good_once_and_no_earlier_one_after_it(self, api: Api, clock: Any) -> None:
        user = UserFactory(email=EMAIL, app=True)
        before, now, after = (code_of(user, steps) for steps in (-1, 0, 1))
        assert api.answer(api.challenge(), now).status_code == 200
        for code in (now, before):
            assert problem("otp_invalid", 400, api.answer(api.challenge(), code)) == {"attempts_remaining": 4}
        assert api.answer(api.challenge(), after, method="totp").status_code == 200

    @pytest.mark.parametrize("steps", [-3, -2, 2, 3])
    def test_c15_two_steps_away_is_too_far(self, api: Api, clock: Any, steps: int) -> None:
        user = UserFactory(email=EMAIL, app=True)
        problem("otp_invalid", 400, api.answer(api.challenge(), code_of(user, steps)))

    def test_c17_a_recovery_code_is_good_once_and_its_owner_is_told(self, api: Api, mailbox: Mailbox) -> None:
        user = UserFactory(email=EMAIL, app=True)
        code = user.recovery[3].upper().replace("-", " ")
        since = mark()
        answer = api.answer(api.challenge(), code, method="recovery")
        assert answer.json()["session"]["factors"] == ["password", "recovery"]
        assert ("authn_recovery_code_used",) in trail(since)
        assert mailbox.subjects(EMAIL) and "9" in mailbox.newest()
        again = api.answer(api.challenge(), code, method="recovery")
        assert problem("otp_invalid", 400, again) == {"attempts_remaining": 4}
        assert RecoveryCode.objects.filter(used_at__isnull=False).count() == 1

    def test_attempts_are_counted_over_all_methods(self, api: Api) -> None:
        user = UserFactory(email=EMAIL, app=True)
        challenge = api.challenge()
        for remaining, method in zip((4, 3, 2, 1, 0), ("totp", "recovery") * 3, strict=False):
            refused = api.answer(challenge, "000000", method=method)
            assert problem("otp_invalid", 400, refused) == {"attempts_remaining": remaining}
        problem("challenge_expired", 410, api.answer(challenge, code_of(user)))

    def test_another_persons_recovery_code_is_wrong(self, api: Api) -> None:
        UserFactory(email=EMAIL, app=True)
        other = UserFactory(app=True)
        problem("otp_invalid", 400, api.answer(api.challenge(), other.recovery[0], method="recovery"))
        stored = RecoveryCode.objects.first()
        assert stored is not None
        assert api.answer(api.challenge(), stored.code_hash, method="recovery").status_code == 400

    def test_a_secret_from_another_row_opens_nothing(self, api: Api) -> None:
        user, other = UserFactory(email=EMAIL, app=True), UserFactory(app=True)
        code = code_of(other)
        TotpDevice.objects.filter(user=user).update(secret=TotpDevice.objects.get(user=other).secret)
        problem("otp_invalid", 400, api.answer(api.challenge(), code))

    def test_an_app_set_up_meanwhile_ends_a_challenge_by_mail(self, api: Api, mailbox: Mailbox, user: User) -> None:
        challenge = api.challenge()
        code = mailbox.code()
        give_app(user)
        problem("challenge_expired", 410, api.answer(challenge, code))
