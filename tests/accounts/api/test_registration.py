from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.models import Consent, Link, Mail, Status, User
from audit.models import Event
from sessions_app.models import Session
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    mark,
    problem,
    refused_fields,
    trail,
)

REQUESTED = {"status": "verification_required"}


def facts(answer: Any) -> tuple[Any, ...]:
    """Return what a client can see of an answer, without what is new in every one."""
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    limits = [part.partition(";t=")[0] for part in headers.pop("RateLimit").split(", ")]
    return answer.status_code, answer.content, headers, [part.partition(";r=")[0] for part in limits]


def test_a_sign_up_leaves_an_account_that_waits_for_its_address_to_be_proved(api: Api, mailbox: Mailbox) -> None:
    answer = api.register(" Jane@Example.com ", display_name="Jane Roe")
    assert (answer.status_code, answer.json()) == (202, REQUESTED)
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert (
        answer["RateLimit-Policy"] == '"register_address";q=5;w=3600, "register_ip";q=20;w=3600, "wide_ip";q=600;w=60, '
        '"role_anonymous";q=100000;w=60'
    )
    user = User.objects.get()
    assert (user.email, user.email_key, user.display_name) == ("Jane@Example.com", EMAIL, "Jane Roe")
    assert (user.status, user.role, user.is_active, user.is_staff) == (Status.INACTIVE, "user", False, False)
    assert user.password.startswith("argon2$argon2id$") and user.terms_version == "1"
    consent = Consent.objects.get()
    assert (consent.user, consent.version, consent.granted, consent.ip) == (user, "1", True, "192.0.2.7")
    assert mail.outbox == []  # the request sends nothing
    assert mailbox.subjects() and mail.outbox[0].to == ["Jane@Example.com"]
    assert trail() == [("user_registered",)]
    event = Event.objects.get()
    assert (event.user_id, event.actor_type, event.details) == (str(user.pk), "anonymous", {"terms_version": "1"})
    assert event.request_id == answer["X-Request-ID"]


def test_the_link_proves_the_address_once(api: Api, mailbox: Mailbox) -> None:
    api.register()
    token = mailbox.token()
    answer = api.post("/auth/verify-email", {"token": token})
    assert (answer.status_code, answer.json()) == (200, {"status": "verified"})
    user = User.objects.get()
    assert (user.status, user.is_active, user.email_verified) == (Status.ACTIVE, True, True)
    assert trail() == [("user_registered",), ("user_email_verified",)]
    again = api.post("/auth/verify-email", {"token": token})
    assert problem("token_used", 400, again) == {}
    assert trail()[2:] == [("user_email_verified", "token_used")]
    assert not Session.objects.exists()  # nobody is signed in by a link


def test_looking_at_the_link_does_not_use_it(api: Api, mailbox: Mailbox) -> None:
    api.register()
    token = mailbox.token()
    for _turn in range(2):
        problem("method_not_allowed", 405, api.get("/auth/verify-email"))
        assert api.browser.get(f"/account/verify/{token}").status_code in (200, 302)
        assert api.browser.head(f"/account/verify/{token}").status_code in (200, 302)
    assert api.verify().status_code == 200


def test_a_link_ends_at_its_time(api: Api, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        api.register()
        token = mailbox.token()
        clock.shift(timedelta(hours=24))
        assert problem("token_expired", 400, api.post("/auth/verify-email", {"token": token})) == {}
        assert trail()[1:] == [("user_email_verified", "token_expired")]
        clock.shift(timedelta(seconds=-1))
        assert api.post("/auth/verify-email", {"token": token}).status_code == 200


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), str.swapcase, lambda t: t + "A"])
def test_a_token_with_one_change_is_none(api: Api, mailbox: Mailbox, change: Any) -> None:
    api.register()
    assert problem("token_invalid", 400, api.post("/auth/verify-email", {"token": change(mailbox.token())})) == {}
    assert trail()[1:] == [("user_email_verified", "token_invalid")]
    assert User.objects.get().status == Status.INACTIVE


def test_what_the_database_holds_of_a_link_opens_nothing(api: Api) -> None:
    api.register()
    link = Link.objects.get()
    for known in (link.token_hash, link.open_key, str(link.pk)):
        assert problem("token_invalid", 400, api.post("/auth/verify-email", {"token": known})) == {}


def test_an_older_link_is_worth_nothing_once_a_newer_one_was_sent(api: Api, mailbox: Mailbox) -> None:
    api.register()
    older = mailbox.token()
    assert api.post("/auth/verify-email/resend", {"email": EMAIL}).status_code == 202
    newer = mailbox.token()
    assert older != newer
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": older}))
    assert trail()[-1] == ("user_email_verified", "token_superseded")
    assert api.post("/auth/verify-email", {"token": newer}).status_code == 200


@pytest.mark.parametrize("trait", [{}, {"disabled": True}, {"deleted": True}, {"staff": True}])
def test_b03_a_sign_up_for_an_address_that_has_an_account_answers_alike_and_changes_nothing(
    api: Api, mailbox: Mailbox, trait: dict[str, bool]
) -> None:
    user = UserFactory(email=EMAIL, **trait)
    held = User.objects.values().get()
    unknown = api.register("other@example.com")
    known = api.register("JANE@example.COM", "another good long password")
    assert facts(known) == facts(unknown)
    assert User.objects.filter(pk=user.pk).values().get() == held
    assert User.objects.count() == 2
    mails = mailbox.all(EMAIL)
    assert len(mails) == (0 if "deleted" in trait else 1)
    assert not any("verify/" in str(one.body) for one in mails)
    assert trail()[1:] == [("user_registered", "already_registered")]
    assert Event.objects.latest("id").user_id is None


def test_d14_a_second_sign_up_before_the_address_is_proved_replaces_password_and_link(
    api: Api, mailbox: Mailbox
) -> None:
    api.register(password="the stranger's long password", display_name="A stranger")
    strangers = mailbox.token()
    api.register(display_name="Jane")
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": strangers}))
    assert api.verify().status_code == 200
    assert User.objects.get().display_name == "Jane"
    problem("invalid_credentials", 401, api.login(password="the stranger's long password"))
    assert api.login().json()["status"] == "otp_required"


@pytest.mark.parametrize(
    ("email", "same"),
    [
        ("JANE@EXAMPLE.COM", True),
        ("ｊａｎｅ@example.com", True),
        ("jane@ｅｘａｍｐｌｅ.com", True),
        ("jаne@example.com", False),  # a Cyrillic а
        ("jane@example.org", False),
    ],
)
def test_h09_spellings_of_one_address_are_one_account(api: Api, email: str, same: bool) -> None:
    api.register()
    assert api.register(email).status_code == 202
    assert User.objects.count() == (1 if same else 2)


def test_h10_mail_goes_to_the_stored_address_never_to_a_spelling_that_somebody_typed(
    api: Api, mailbox: Mailbox
) -> None:
    UserFactory(email="jane@example.com")
    api.register("ｊａｎｅ@ｅｘａｍｐｌｅ.com")
    api.post("/auth/verify-email/resend", {"email": "ｊａｎｅ@example.com"})
    assert {address for one in mailbox.all() for address in one.to} == {"jane@example.com"}


@pytest.mark.parametrize("given", [False, None, "true", 1])
def test_nobody_signs_up_without_agreeing(api: Api, given: Any) -> None:
    answer = api.register(accept_terms=given)
    assert refused_fields(answer) == {"#/accept_terms": "null" if given is None else "invalid"}
    assert not User.objects.exists()


def test_sign_up_may_be_closed(api: Api, settings: Any) -> None:
    settings.ACCOUNTS = {"SIGNUP_OPEN": False}
    problem("permission_denied", 403, api.register())
    assert trail() == [("user_registered", "closed")]
    assert not User.objects.exists() and not Mail.objects.exists()


@pytest.mark.parametrize("field", ["role", "is_staff", "is_superuser", "is_active", "email_verified", "id", "status"])
def test_h01_nobody_gives_himself_rights(api: Api, field: str) -> None:
    assert refused_fields(api.register(**{field: "super_admin"})) == {f"#/{field}": "unknown_field"}
    assert not User.objects.exists()


POLICY_CASES = [
    ("balanced", "Sh0rt!", {"password_too_short"}),
    ("balanced", "Elevenchr1!", {"password_too_short"}),
    ("balanced", "Twelvechar1!", set()),
    ("balanced", "twelvecharac", {"password_no_upper", "password_no_digit", "password_no_symbol"}),
    ("balanced", "TWELVECHAR1!", {"password_no_lower"}),
    ("balanced", "fourteenchars4", {"password_no_upper", "password_no_symbol"}),
    ("balanced", "fifteen chars 5", set()),
    ("balanced", "847261935024718", {"password_entirely_numeric"}),
    ("balanced", "Password123!", {"password_too_common"}),
    ("balanced", "aaaaaaaaaaaaaaaa", {"password_too_common"}),
    ("balanced", "jane@example.com!1A", {"password_too_similar"}),
    ("balanced", "Gatehouse!2345A", {"password_too_similar"}),
    ("balanced", "x" * 129, {"password_too_long"}),
    ("balanced", "ab cd efgh " * 11 + "ijklmno", set()),  # 128
    ("classic", "Sh0rt!x", {"password_too_short"}),
    ("classic", "Eight8c!", set()),
    ("classic", "a long phrase without classes", {"password_no_upper", "password_no_digit"}),
    ("nist", "Fourteenchars!", {"password_too_short"}),
    ("nist", "fifteencharacte", set()),
    ("nist", "  spaces count  ", set()),
    ("nist", "пароль из слов ночью", set()),
]


@pytest.mark.parametrize(("policy", "password", "codes"), POLICY_CASES)
def test_h11_the_policy_says_which_rules_a_password_breaks(
    api: Api, settings: Any, policy: str, password: str, codes: set[str]
) -> None:
    settings.ACCOUNTS = {"PASSWORD_POLICY": policy, "ARGON2_MEMORY": 8}
    answer = api.register(password=password)
    if not codes:
        assert answer.status_code == 202, answer.content
        return
    errors = problem("validation_failed", 400, answer)["errors"]
    assert {error["code"] for error in errors} == codes
    assert {error["pointer"] for error in errors} == {"#/password"}
    assert trail() == [("user_registered", "weak_password")]
    assert not User.objects.exists() and not Mail.objects.exists()


def test_b05_asking_for_the_mail_again_answers_alike_for_every_address(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email="unverified@example.com", unverified=True)
    UserFactory(email="verified@example.com")
    UserFactory(email="disabled@example.com", disabled=True)
    UserFactory(email="deleted@example.com", deleted=True)
    people = ["unverified", "verified", "disabled", "deleted", "nobody"]
    queries = mark()
    answers = {name: facts(api.post("/auth/verify-email/resend", {"email": f"{name}@example.com"})) for name in people}
    assert len({str(answer) for answer in answers.values()}) == 1
    assert answers["nobody"][:2] == (202, b'{"status":"accepted"}')
    assert trail(queries) == [("user_verification_requested",)] * len(people)
    assert {tuple(event.details) for event in Event.objects.all()} == {()}
    came = {name: mailbox.all(f"{name}@example.com") for name in people}
    assert {name: len(mails) for name, mails in came.items()} == {
        "unverified": 1,
        "verified": 1,
        "disabled": 0,
        "deleted": 0,
        "nobody": 0,
    }
    assert "/verify/" in str(came["unverified"][0].body) and "/verify/" not in str(came["verified"][0].body)


def test_b09_one_address_is_mailed_five_times_an_hour_known_or_not(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL, unverified=True)
    for email in (EMAIL, "nobody@example.com"):
        for _turn in range(5):
            assert api.post("/auth/verify-email/resend", {"email": email}).status_code == 202
        refused = api.post("/auth/verify-email/resend", {"email": email.upper()})
        assert problem("rate_limited", 429, refused) == {}
        assert 3590 <= int(refused["Retry-After"]) <= 3600
        assert '"resend_address";r=0' in refused["RateLimit"]
    assert len(mailbox.all(EMAIL)) <= 5


def test_one_address_signs_up_five_times_an_hour_in_any_spelling(api: Api) -> None:
    for email in (EMAIL, EMAIL.upper(), " Jane@example.com", "ｊａｎｅ@example.com", EMAIL):
        assert api.register(email).status_code == 202
    since = mark()
    assert problem("rate_limited", 429, api.register("jAnE@example.com")) == {}
    api.register("jAnE@example.com")
    assert trail(since) == [("excess_rate_limit_exceeded", "rate_limited")]  # once a window
    assert api.register("other@example.com").status_code == 202


def test_d09_mails_carry_no_host_but_our_own(api: Api, mailbox: Mailbox, settings: Any) -> None:
    api.post(
        "/auth/register",
        {"email": EMAIL, "password": PASSWORD, "accept_terms": True},
        x_forwarded_host="evil.test",
        x_forwarded_proto="https",
    )
    assert "evil.test" not in mailbox.newest()
    settings.ALLOWED_HOSTS = ["testserver"]
    refused = api.post("/auth/verify-email/resend", {"email": EMAIL}, host="evil.test")
    assert refused.status_code == 400 and refused["Content-Type"] == "application/problem+json"
    assert b"evil.test" not in refused.content


def test_a_front_end_of_ones_own_gets_the_links(api: Api, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"FRONTEND_URL": "https://app.example.org"}
    api.register()
    lines = api.mailbox.newest().splitlines()
    assert [line for line in lines if line.startswith("https://app.example.org/account/verify/")]
