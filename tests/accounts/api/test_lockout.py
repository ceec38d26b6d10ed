from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.utils import timezone

from accounts import lockout
from accounts.models import User
from accounts.services import lifecycle
from audit.models import Event
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.problems import Problem
from tests.factories import EMAIL, Api, Mailbox, UserFactory, mark, problem, trail

WRONG = "not the password at all"
UNKNOWN = "nobody@example.com"


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


def tries(api: Api, email: str, number: int, **more: Any) -> list[int]:
    return [api.login(email, WRONG, **more).status_code for _turn in range(number)]


@pytest.mark.parametrize("email", [EMAIL, UNKNOWN])
def test_a01_a05_ten_wrong_passwords_from_one_network_lock_known_and_unknown_alike(
    api: Api, mailbox: Mailbox, user: User, email: str
) -> None:
    assert tries(api, email, 12) == [401] * 10 + [429] * 2
    since = mark()
    refused = api.login(email)  # the right password, where there is one
    assert problem("account_locked", 429, refused) == {}
    assert 800 < int(refused["Retry-After"]) <= 900
    assert trail()[10:] == [("authn_login_fail_max", "locked"), *[("authn_login_lock", "locked")] * 2]
    assert trail(since) == [("authn_login_lock", "locked")]
    assert [event.user_id for event in Event.objects.all()] == [str(user.pk) if email == EMAIL else None] * 13
    assert len(mailbox.all(EMAIL)) == (1 if email == EMAIL else 0)  # told once
    assert mailbox.all(UNKNOWN) == []


def test_a02_twenty_from_anywhere_lock_the_address(api: Api, user: User) -> None:
    statuses = [api.login(EMAIL, WRONG, ip=f"198.51.100.{number}").status_code for number in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    refused = api.login(ip="203.0.113.9")
    problem("account_locked", 429, refused)
    assert 3500 < int(refused["Retry-After"]) <= 3600


def test_a03_one_network_tries_a_hundred_passwords_an_hour_over_all_addresses(api: Api) -> None:
    statuses = [api.login(f"person{number}@example.com", WRONG).status_code for number in range(105)]
    assert statuses == [401] * 100 + [429] * 5
    assert trail()[100:] == [("excess_rate_limit_exceeded", "rate_limited")]
    for number in range(100, 105):  # the refused ones used up nobody's tries
        usage = limits.peek("login_address", f"person{number}@example.com")
        assert usage is None or usage.hits == 0
    assert api.login("person0@example.com", WRONG, ip="198.51.100.1").status_code == 401


def test_a03_knocking_at_a_locked_address_uses_up_the_tries_of_its_network(api: Api, user: User) -> None:
    codes = [api.login(EMAIL, WRONG).json()["code"] for _turn in range(105)]
    assert codes == ["invalid_credentials"] * 10 + ["account_locked"] * 90 + ["rate_limited"] * 5
    problem("rate_limited", 429, api.login("somebody.else@example.com"))


def test_an_answer_tells_of_the_network_s_tries_and_never_of_an_address_s(api: Api, user: User) -> None:
    for left, answer in enumerate([api.login(EMAIL, WRONG), api.login(), api.login(EMAIL, WRONG)], start=1):
        assert (
            answer["RateLimit-Policy"]
            == '"login_ip";q=100;w=3600, "wide_ip";q=600;w=60, "role_anonymous";q=100000;w=60'
        )
        assert answer["RateLimit"].startswith(f'"login_ip";r={100 - left};t=')  # a right password is counted, too
    tries(api, EMAIL, 9)
    locked = api.login()
    problem("account_locked", 429, locked)
    assert locked["RateLimit"].startswith('"login_ip";r=87;t=') and "address" not in locked["RateLimit"]


def test_a04_the_owner_gets_in_from_a_trusted_device_while_others_are_locked_out(api: Api, user: User) -> None:
    token = api.sign_in(trust_device=True)["trust_token"]
    for number in range(25):
        api.login(EMAIL, WRONG, ip=f"198.51.100.{number}")
    problem("account_locked", 429, api.login())
    assert api.login(trust_token=token).json()["status"] == "authenticated"
    assert tries(api, EMAIL, 12, trust_token=token) == [401] * 10 + [429] * 2
    problem("account_locked", 429, api.login(trust_token=token))


def test_a06_a_lockout_ends_at_its_time_for_its_own_address_only(api: Api, user: User) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tries(api, EMAIL, 11)
        tries(api, UNKNOWN, 9)
        clock.shift(timedelta(minutes=15, seconds=-1))
        problem("account_locked", 429, api.login())
        assert tries(api, UNKNOWN, 2) == [401, 429]
        clock.shift(timedelta(seconds=2))
        assert api.login().json()["status"] == "otp_required"


def test_a07_a_right_password_gives_back_only_its_own_try(api: Api, user: User) -> None:
    tries(api, EMAIL, 9)
    for _turn in range(3):
        assert api.login().json()["status"] == "otp_required"
    assert tries(api, EMAIL, 2) == [401, 429]


def test_a07_signing_in_to_ones_own_account_clears_nobody_elses_count(api: Api, user: User) -> None:
    UserFactory(email="attacker@example.com")
    tries(api, EMAIL, 9)
    api.sign_in("attacker@example.com")
    assert tries(api, EMAIL, 2) == [401, 429]


def test_a07_a_whole_sign_in_clears_the_network_but_not_the_address(api: Api, user: User) -> None:
    tries(api, EMAIL, 9)
    api.sign_in()
    assert tries(api, EMAIL, 11)[-2:] == [401, 429]
    assert lockout.failed_sign_ins(email_key=EMAIL) == 10


def test_a_right_password_leaves_nothing_for_staff_to_lift(api: Api, mailbox: Mailbox, user: User) -> None:
    api.sign_in()
    staff = UserFactory(email="staff@example.com", staff=True)
    since, told = mark(), len(mailbox.all())
    with pytest.raises(Problem, match="conflict"):
        lifecycle.unlock(target=user, by=staff, reason="a test", client=Client.local("test"))
    assert trail(since) == [("user_unlocked", "conflict")]
    assert len(mailbox.all()) == told


@pytest.mark.parametrize(
    "spelling", ["JANE@EXAMPLE.COM", " jane@example.com ", "ｊａｎｅ@example.com", "jane@EXAMPLE.com"]
)
def test_a09_spellings_share_one_count(api: Api, user: User, spelling: str) -> None:
    tries(api, EMAIL, 10)
    problem("account_locked", 429, api.login(spelling))


def test_k05_an_ipv6_network_is_one_client(api: Api, user: User) -> None:
    statuses = [api.login(EMAIL, WRONG, ip=f"2001:db8:1:2::{number:x}").status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert api.login(ip="2001:db8:1:3::1").json()["status"] == "otp_required"


@pytest.mark.parametrize("header", ["x_forwarded_for", "x_real_ip", "forwarded", "cf_connecting_ip", "true_client_ip"])
def test_k01_no_header_moves_a_count(api: Api, user: User, header: str) -> None:
    statuses = [
        api.post("/auth/login", {"email": EMAIL, "password": WRONG}, **{header: f"198.51.100.{number}"}).status_code
        for number in range(11)
    ]
    assert statuses == [401] * 10 + [429]


def test_neither_user_agent_nor_cookie_moves_a_count(api: Api, user: User) -> None:
    statuses = [Api(user_agent=f"agent {number}").login(EMAIL, WRONG).status_code for number in range(11)]
    assert statuses == [401] * 10 + [429]


def test_staff_see_failures_under_a_pseudonym_and_can_lift_a_lockout(api: Api, user: User) -> None:
    tries(api, EMAIL, 11)
    assert lockout.failed_sign_ins(email_key=EMAIL) == 10
    held = AccessAttempt.objects.values().first()
    assert held is not None
    assert EMAIL not in str(held) and WRONG not in str(held)
    lockout.lift(email_key=EMAIL)
    assert api.login().json()["status"] == "otp_required"


def test_a_password_that_is_too_long_is_counted_too(api: Api, user: User) -> None:
    assert [api.login(EMAIL, "x" * 200).status_code for _turn in range(11)] == [401] * 10 + [429]


def test_a_refusal_for_its_shape_is_not_counted(api: Api, user: User) -> None:
    for _turn in range(15):
        assert api.login(EMAIL, "").status_code == 400
    assert api.login().status_code == 200
