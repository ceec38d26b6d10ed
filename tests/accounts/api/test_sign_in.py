from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.hashers import Argon2id
from accounts.models import Challenge, Mail, User
from audit.models import Event
from sessions_app.models import Device, Session
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    code_of,
    mark,
    moment,
    problem,
    trail,
)

WRONG = "not the password at all"
STRANGER = "nobody@example.com"
TRAITS = ("unverified", "disabled", "deleted", "invited", "staff")
MONTH = 30 * 24 * 3600
COOKIE = {"x_auth_transport": "cookie", "origin": "http://testserver"}
OPENED = [("authn_device_added",), ("session_created",), ("authn_login_success",)]


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


def facts(answer: Any) -> tuple[Any, ...]:
    """Return what a client can see of an answer, without the request's own id."""
    body = dict(answer.json())
    body.pop("request_id", None)
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "RateLimit")}
    headers.pop("Retry-After", None)
    headers.pop("Content-Length", None)
    return answer.status_code, body, headers, sorted(answer.cookies)


def test_the_whole_sign_in_by_bearer(api: Api, mailbox: Mailbox, user: User) -> None:
    first = api.login("Jane@EXAMPLE.com ", device_name="Jane's laptop")
    assert first.status_code == 200
    body = first.json()
    challenge = body.pop("challenge")
    assert body == {"status": "otp_required"}
    assert set(challenge) == {"id", "method", "methods", "expires_at", "resend_after"}
    assert challenge["methods"] == [{"type": "email", "hint": "j•••@e•••.com"}]
    assert (challenge["method"], challenge["resend_after"]) == ("email", 60)
    assert timedelta(minutes=29) < moment(challenge["expires_at"]) - timezone.now() <= timedelta(minutes=30)
    assert first.cookies == {} and not Session.objects.exists()
    assert trail() == [("authn_password_accepted",)]

    code = mailbox.code()
    assert code not in str(mailbox.all(EMAIL)[-1].subject)
    second = api.answer(challenge["id"], code)
    assert second.status_code == 200 and second.cookies == {}
    assert second["Cache-Control"] == "no-store"
    body = second.json()
    assert set(body) == {"status", "access_token", "token_type", "expires_in", "refresh_token", "session", "user"}
    assert (body["status"], body["token_type"], body["expires_in"]) == ("authenticated", "Bearer", 900)
    session = Session.objects.get()
    assert body["session"] == {
        "id": str(session.pk),
        "current": True,
        "device": {"name": "curl", "kind": "app"},
        "ip": "192.0.2.7",
        "transport": "bearer",
        "factors": ["password", "email"],
        "created_at": body["session"]["created_at"],
        "last_used_at": body["session"]["created_at"],
        "expires_at": body["session"]["expires_at"],
    }
    user.refresh_from_db()
    assert body["user"] == {
        "id": str(user.pk),
        "email": EMAIL,
        "email_verified": True,
        "display_name": "Jane Roe",
        "role": "user",
        "status": "active",
        "created_at": body["user"]["created_at"],
        "last_login_at": body["user"]["last_login_at"],
        "password_changed_at": body["user"]["password_changed_at"],
        "consent": {"version": "1", "given_at": body["user"]["consent"]["given_at"]},
    }
    assert abs(moment(body["user"]["last_login_at"]) - timezone.now()) < timedelta(seconds=20)
    assert trail() == [("authn_password_accepted",), *OPENED]
    assert {event.user_id for event in Event.objects.all()} == {str(user.pk)}
    assert api.get("/auth/session", authorization=f"Bearer {body['access_token']}").status_code == 200


def test_by_cookie_the_refresh_token_is_in_no_body(api: Api, mailbox: Mailbox, user: User) -> None:
    challenge = api.post("/auth/login", {"email": EMAIL, "password": PASSWORD}, **COOKIE).json()["challenge"]["id"]
    asked = {"challenge_id": challenge, "code": mailbox.code(), "trust_device": True}
    answer = api.post("/auth/otp/verify", asked, **COOKIE)
    body = answer.json()
    assert set(body) == {"status", "access_token", "token_type", "expires_in", "session", "user"}
    assert body["session"]["transport"] == "cookie"
    assert set(answer.cookies) == {"refresh", "device"}
    for cookie in answer.cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
        assert cookie.value not in answer.content.decode()
    assert trail()[1:] == [OPENED[0], ("authn_device_trusted",), *OPENED[1:]]


def test_v335_no_cookie_is_longer_than_4096_bytes(api: Api, mailbox: Mailbox, db: None) -> None:
    longest = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 59}.example"
    UserFactory(email=longest, display_name="Ünïcode " * 12)
    asked = {"email": longest, "password": PASSWORD, "device_name": "漢" * 200}
    challenge = api.post("/auth/login", asked, **COOKIE).json()["challenge"]["id"]
    given = {"challenge_id": challenge, "code": mailbox.code(longest), "trust_device": True}
    answer = api.post("/auth/otp/verify", given, **COOKIE)
    assert answer.cookies
    for name, cookie in answer.cookies.items():
        assert len(f"__Host-{name}") + len(cookie.value.encode()) <= 4096


def test_on_https_the_cookies_are_bound_to_the_host(api: Api, mailbox: Mailbox, user: User, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"BASE_URL": "https://id.example.org"}
    settings.ALLOWED_HOSTS = ["*"]
    cookie = COOKIE | {"origin": "https://id.example.org"}
    challenge = api.post("/auth/login", {"email": EMAIL, "password": PASSWORD}, **cookie).json()["challenge"]["id"]
    answer = api.post("/auth/otp/verify", {"challenge_id": challenge, "code": mailbox.code()}, **cookie)
    assert set(answer.cookies) == {"__Host-refresh", "__Host-device"}
    assert all(one["secure"] for one in answer.cookies.values())


@pytest.mark.parametrize(
    ("headers", "transport"),
    [
        ({}, "bearer"),
        ({"origin": "http://testserver"}, "cookie"),
        ({"sec_fetch_site": "same-origin"}, "cookie"),
        ({"sec_fetch_site": "same-origin", "x_auth_transport": "bearer"}, "bearer"),
        ({"x_auth_transport": "cookie"}, "cookie"),
    ],
)
def test_the_header_or_the_browser_chooses_the_transport(
    api: Api, mailbox: Mailbox, user: User, headers: dict[str, str], transport: str
) -> None:
    asked = {"challenge_id": api.challenge(), "code": mailbox.code()}
    assert api.post("/auth/otp/verify", asked, **headers).json()["session"]["transport"] == transport


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null", "x_auth_transport": "cookie"},
        {"origin": "http://testserver.evil.test"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_another_site_signs_nobody_in(api: Api, mailbox: Mailbox, user: User, headers: dict[str, str]) -> None:
    challenge, since = api.challenge(), mark()
    asked = {"challenge_id": challenge, "code": mailbox.code()}
    problem("origin_not_allowed", 403, api.post("/auth/otp/verify", asked, **headers))
    problem("origin_not_allowed", 403, api.post("/auth/login", {"email": EMAIL, "password": PASSWORD}, **headers))
    assert trail(since) == [("authz_fail", "origin")] * 2
    assert not Session.objects.exists()
    assert api.answer(challenge, asked["code"]).status_code == 200  # the code was not used up


def test_a_foreign_origin_is_told_before_the_body_is_looked_at(api: Api) -> None:
    for path in ("/auth/login", "/auth/otp/verify"):
        problem("origin_not_allowed", 403, api.post(path, {"nonsense": 1}, origin="http://evil.test"))


@pytest.mark.parametrize("trait", [None, {}, {"unverified": True}, {"disabled": True}, {"deleted": True},
                                   {"invited": True}, {"staff": True}])  # fmt: skip
def test_a10_b01_a_wrong_password_is_the_same_for_everybody(api: Api, trait: dict[str, bool] | None) -> None:
    if trait is not None:
        UserFactory(email=EMAIL, **trait)
    other = api.login(STRANGER, WRONG)
    since = mark()
    answer = api.login(EMAIL, WRONG)
    assert facts(answer) == facts(other)
    assert problem("invalid_credentials", 401, answer) == {}
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_credentials"'
    reason = {None: "unknown_account", "{'deleted': True}": "deleted"}
    wanted = "unknown_account" if trait is None else reason.get(str(trait), "bad_credentials")
    assert trail(since) == [("authn_login_fail", wanted)]
    event = Event.objects.latest("id")
    assert (event.email, event.actor_type, event.session_id) == (EMAIL, "anonymous", None)
    assert not Challenge.objects.exists() and not Mail.objects.exists()


def test_b02_a_wrong_password_costs_one_hash_and_as_many_statements_whoever_it_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def counted(work: Any) -> Any:
        def count(*given: Any) -> Any:
            hashed.append(work.__name__)
            return work(*given)

        return count

    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2id, name, counted(getattr(Argon2id, name)))
    traits: dict[str, dict[str, bool]] = {"active": {}, **{name: {name: True} for name in TRAITS}}
    for name, trait in traits.items():
        UserFactory(email=f"{name}@example.com", **trait)
    seen = {}
    for name in [*traits, "nobody"]:
        hashed.clear()
        with CaptureQueriesContext(connection) as queries:
            api.login(f"{name}@example.com", WRONG)
        seen[name] = (len(hashed), len(queries))
    assert len(set(seen.values())) == 1, seen
    assert seen["nobody"][0] == 1


@pytest.mark.parametrize("given", ["", " ", "!", PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), PASSWORD + "\x00"])
def test_nothing_near_the_password_is_the_password(api: Api, user: User, given: str) -> None:
    UserFactory(email="invited@example.com", invited=True)
    for email in (EMAIL, "invited@example.com"):
        assert api.login(email, given).status_code in (400, 401)
    assert not Challenge.objects.exists()


def test_the_stored_hash_is_no_password(api: Api, user: User) -> None:
    problem("invalid_credentials", 401, api.login(password=user.password))


def test_an_unverified_address_is_told_and_mailed_after_the_right_password_only(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL, unverified=True)
    problem("invalid_credentials", 401, api.login(password=WRONG))
    assert mailbox.all() == []
    since = mark()
    answer = api.login()
    assert (answer.status_code, answer.json()) == (200, {"status": "email_unverified"})
    assert trail(since) == [("authn_login_fail", "unverified")]
    assert not Session.objects.exists() and not Challenge.objects.exists()
    assert api.verify().status_code == 200
    assert api.login().json()["status"] == "otp_required"


def test_an_unverified_address_is_not_flooded_with_links(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL, unverified=True)
    for _turn in range(12):
        assert api.login().json() == {"status": "email_unverified"}
        mailbox.all()
    assert len(mailbox.all(EMAIL)) == 5


def test_a_disabled_account_is_told_after_the_right_password_only(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL, disabled=True)
    problem("invalid_credentials", 401, api.login(password=WRONG))
    since = mark()
    assert problem("account_disabled", 403, api.login()) == {}
    assert trail(since) == [("authn_login_fail", "disabled")]
    assert mailbox.all() == []


def test_staff_without_an_app_are_told_what_is_missing(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL, staff=True)
    since = mark()
    assert problem("factor_required", 403, api.login()) == {"methods": ["totp"]}
    assert trail(since) == [("authn_login_fail", "factor_missing")]
    assert mailbox.all() == [] and not Challenge.objects.exists()


def test_invited_staff_do_not_sign_in_before_they_enrolled(api: Api) -> None:
    UserFactory(email=EMAIL, staff=True, unverified=True)
    problem("invalid_credentials", 401, api.login())


@pytest.mark.parametrize("policy", ["always", "new_device", "opt_in"])
@pytest.mark.parametrize("staff", [False, True])
def test_with_an_app_no_mailed_code_is_taken(
    api: Api, mailbox: Mailbox, settings: Any, policy: str, staff: bool
) -> None:
    settings.ACCOUNTS = {"OTP_POLICY": policy, "ARGON2_MEMORY": 8}
    user = UserFactory(email=EMAIL, staff=staff, app=True)
    challenge = api.login().json()["challenge"]
    assert challenge["methods"] == [{"type": "totp", "hint": None}, {"type": "recovery", "hint": None}]
    assert (challenge["method"], challenge["resend_after"]) == ("totp", 0)
    sent = api.post("/auth/otp/send", {"challenge_id": challenge["id"]})
    assert (sent.status_code, sent.json()) == (202, {"status": "accepted", "expires_at": None, "resend_after": 0})
    assert mailbox.all() == []
    refused = api.post("/auth/otp/send", {"challenge_id": challenge["id"], "method": "email"})
    problem("validation_failed", 400, refused)
    answer = api.answer(challenge["id"], code_of(user))
    assert answer.json()["session"]["factors"] == ["password", "totp"]


@pytest.mark.parametrize(("policy", "first", "second"), [
    ("always", "otp_required", "otp_required"),
    ("new_device", "otp_required", "authenticated"),
    ("opt_in", "authenticated", "authenticated"),
])  # fmt: skip
def test_the_policy_says_when_a_code_is_asked_for(
    api: Api, mailbox: Mailbox, user: User, settings: Any, policy: str, first: str, second: str
) -> None:
    settings.ACCOUNTS = {"OTP_POLICY": policy, "ARGON2_MEMORY": 8}
    password = {"email": EMAIL, "password": PASSWORD}
    answer = api.post("/auth/login", password, **COOKIE)
    assert answer.json()["status"] == first
    if first == "otp_required":
        asked = {"challenge_id": answer.json()["challenge"]["id"], "code": mailbox.code()}
        assert api.post("/auth/otp/verify", asked, **COOKIE).status_code == 200
    assert api.post("/auth/login", password, **COOKIE).json()["status"] == second


def test_a_name_and_a_network_make_no_known_device(api: Api, mailbox: Mailbox, user: User, settings: Any) -> None:
    settings.ACCOUNTS = {"OTP_POLICY": "new_device", "ARGON2_MEMORY": 8}
    api.sign_in()
    assert api.login().json()["status"] == "otp_required"


def test_a_trusted_device_is_asked_for_no_code_while_it_is_trusted(api: Api, mailbox: Mailbox, user: User) -> None:
    token = api.sign_in(trust_device=True)["trust_token"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        since = mark()
        body = api.login(trust_token=token).json()
        assert body["status"] == "authenticated" and body["session"]["factors"] == ["password", "device"]
        assert trail(since) == [("session_created",), ("authn_login_success",)]
        problem("invalid_credentials", 401, api.login(password=WRONG, trust_token=token))
        assert api.login(trust_token=token[:-1] + "_").json()["status"] == "otp_required"
        clock.shift(timedelta(seconds=MONTH))
        assert api.login(trust_token=token).json()["status"] == "otp_required"


def test_the_trust_of_one_account_is_worth_nothing_to_another_nor_to_staff(api: Api, user: User) -> None:
    token = api.sign_in(trust_device=True)["trust_token"]
    UserFactory(email="other@example.com")
    assert api.login("other@example.com", trust_token=token).json()["status"] == "otp_required"
    staff = UserFactory(email="staff@example.com", staff=True, app=True)
    answer = api.answer(api.challenge("staff@example.com"), code_of(staff), trust_device=True)
    assert answer.status_code == 200 and "trust_token" not in answer.json()
    assert not Device.objects.filter(user=staff, trusted_until__isnull=False).exists()


def test_a_second_device_is_told_of_by_mail_the_first_is_not(api: Api, mailbox: Mailbox, user: User) -> None:
    api.sign_in()
    assert len(mailbox.subjects()) == 1  # the code
    phone = Api(user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile Safari/605")
    phone.sign_in()
    text = mailbox.newest()
    assert "192.0.2.7" in text
    assert trail()[-3:] == OPENED
