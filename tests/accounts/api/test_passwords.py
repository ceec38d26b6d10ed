"""Forgetting, resetting and changing a password over the API, with its mails and its records."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.models import Challenge, Link, LinkPurpose, Mail, Status, TotpDevice, User
from accounts.services import lifecycle
from audit.models import Event
from gatehouse import limits
from gatehouse.client import Client
from sessions_app.models import Device, Session
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    bearer,
    code_of,
    give_app,
    mark,
    problem,
    refused_fields,
    trail,
)

NEW = "a long and quiet river"
ACCEPTED = {"status": "accepted"}
WEAK = {
    "short1!A": "password_too_short",
    "x" * 129: "password_too_long",
    "Password123!": "password_too_common",
    "736459018273645": "password_entirely_numeric",
    "jane@example.com": "password_too_similar",
}


@pytest.fixture
def user(api: Api) -> Any:
    return UserFactory(email=EMAIL)


def forgot(api: Api, email: str = EMAIL, **more: str) -> Any:
    return api.post("/auth/password/forgot", {"email": email}, **more)


def reset(api: Api, token: Any, password: Any = NEW, **more: Any) -> Any:
    return api.post("/auth/password/reset", {"token": token, "new_password": password} | more)


def asked_token(api: Api) -> str:
    assert forgot(api).status_code == 202
    return api.mailbox.token()


def change(api: Api, headers: dict[str, str], current: str = PASSWORD, new: str = NEW, **more: Any) -> Any:
    return api.post("/me/password", {"current_password": current, "new_password": new} | more, **headers)


def facts(answer: Any) -> tuple[Any, ...]:
    """Return what a client can see of an answer, without what is new in every one."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "RateLimit")}
    return answer.status_code, answer.content, headers


# -- forgot


@pytest.mark.parametrize("trait", [{}, {"unverified": True}, {"disabled": True}, {"deleted": True}, {"staff": True}])
def test_b04_a_request_answers_alike_for_every_address_and_sends_nothing_by_itself(
    api: Api, trait: dict[str, bool], django_assert_num_queries: Any
) -> None:
    """B04, B10, D17: known and unknown addresses are answered with the same bytes by as many statements."""
    UserFactory(email=EMAIL, **trait)
    forgot(api, "somebody.else@example.com")  # what is asked once a process is out of the way
    with django_assert_num_queries(9):  # three are for the key of a new address in the trail
        known = forgot(api)
    with django_assert_num_queries(9):
        unknown = forgot(api, "nobody@example.com")
    assert facts(known) == facts(unknown)
    assert (known.status_code, known.json()) == (202, ACCEPTED)
    assert known["Cache-Control"] == "no-store" and "resend_ip" in known["RateLimit-Policy"]
    assert mail.outbox == [] and not Link.objects.exists()
    assert trail()[-2:] == [("authn_password_reset_requested",)] * 2
    assert Event.objects.latest("id").user_id is None


def test_an_account_is_mailed_a_link_of_one_hour_with_who_asked(api: Api, user: Any, mailbox: Mailbox) -> None:
    forgot(api, "JANE@example.com", ip="203.0.113.9")
    token = mailbox.token()
    [sent] = mailbox.all(EMAIL)
    assert sent.subject == "Set a new password for Gatehouse"
    assert "203.0.113.9" in str(sent.body)
    link = Link.objects.get()
    assert (link.purpose, link.expires_at - link.created_at) == (LinkPurpose.RESET, timedelta(hours=1))
    assert token not in str(Link.objects.values().get()) + str(list(Mail.objects.values()))
    assert trail()[-1] == ("authn_password_reset_answered",)
    event = Event.objects.latest("id")
    assert (event.user_id, event.actor_type, event.details) == (str(user.pk), "system", {"outcome": "link"})


def test_an_address_without_an_account_is_told_so_once_a_day(api: Api, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _turn in range(3):
            forgot(api, "nobody@example.com")
            assert mailbox.subjects("nobody@example.com") == ["No account at Gatehouse with this address"]
            clock.shift(timedelta(hours=7))
        clock.shift(timedelta(hours=4))
        forgot(api, "NOBODY@example.com")
        assert len(mailbox.all()) == 2
    outcomes = Event.objects.filter(action="authn_password_reset_answered").order_by("pk")
    assert [row.details["outcome"] for row in outcomes] == ["no_account", "nothing", "nothing", "no_account"]
    assert "/account/signup" in mailbox.newest("nobody@example.com")


@pytest.mark.parametrize("trait", [{"disabled": True}, {"deleted": True}, {"staff": True, "unverified": True}])
def test_d13_who_staff_keep_out_is_mailed_nothing(api: Api, mailbox: Mailbox, trait: dict[str, bool]) -> None:
    UserFactory(email=EMAIL, **trait)
    forgot(api)
    assert mailbox.all() == [] and not Link.objects.exists()
    assert Event.objects.latest("id").details == {"outcome": "nothing"}


def test_d17_a_flood_for_one_address_mails_three_links_an_hour_and_answers_alike(
    api: Api, user: Any, mailbox: Mailbox
) -> None:
    answers = [forgot(api, email, ip=f"192.0.2.{n}") for n, email in enumerate([EMAIL, "JANE@example.com"] * 3)]
    assert {(one.status_code, one.content) for one in answers} == {(202, b'{"status":"accepted"}')}
    mailbox.all()
    assert Mail.objects.filter(template="password_reset").count() == limits.LIMITS["reset_address"].number == 3
    assert trail().count(("authn_password_reset_requested", "rate_limited")) == 3
    assert reset(api, mailbox.token()).status_code == 200  # the newest of them works all the same


def test_d17_a_flood_from_one_ip_is_told_so(api: Api) -> None:
    for number in range(limits.LIMITS["resend_ip"].number):
        assert forgot(api, f"person{number}@example.com").status_code == 202
    assert int(forgot(api)["Retry-After"]) > 0
    problem("rate_limited", 429, forgot(api))


@pytest.mark.parametrize("host", ["evil.test", "testserver.evil.test"])
def test_d09_no_header_gets_into_the_link(api: Api, user: Any, mailbox: Mailbox, host: str) -> None:
    forgot(api, x_forwarded_host=host, forwarded=f"host={host}", origin=f"http://{host}")
    forgot(api, host=host)
    assert all("evil.test" not in str(one.message()) for one in mailbox.all())
    assert mailbox.token()


# -- reset


def test_a_reset_sets_the_password_ends_everything_and_signs_nobody_in(api: Api, user: Any, mailbox: Mailbox) -> None:
    """D12, E07: sessions, refresh tokens, half-done sign-ins, trust and other links of the account are dead."""
    first, second = api.sign_in(trust_device=True), Api().sign_in()
    half_done = api.challenge()
    code = mailbox.code()
    token = asked_token(api)
    since = mark()
    answer = reset(api, token)
    assert (answer.status_code, answer.json(), answer.cookies) == (200, {"status": "done"}, {})
    assert ("authn_password_reset",) in trail(since)
    event = Event.objects.get(action="authn_password_reset")
    assert (event.user_id, event.actor_id, event.details) == (str(user.pk), str(user.pk), {"sessions_ended": 2})
    assert set(Session.objects.values_list("revoked_reason", flat=True)) == {"password_reset"}
    for body in (first, second):
        problem("session_revoked", 401, api.post("/auth/refresh", {"refresh_token": body["refresh_token"]}))
        problem("session_revoked", 401, api.get("/auth/session", **bearer(body)))
    problem("challenge_expired", 410, api.answer(half_done, code))
    assert not Device.objects.filter(trusted_until__isnull=False).exists()
    assert not Link.objects.open().exclude(purpose=LinkPurpose.DISAVOW).exists()
    problem("invalid_credentials", 401, api.login())
    assert api.login(password=NEW, trust_token=first["trust_token"]).json()["status"] == "otp_required"
    assert mailbox.subjects(EMAIL)[-2] == "Your Gatehouse password was changed"
    changed = str(mailbox.all(EMAIL)[-2].body)
    assert "192.0.2.7" in changed and "http://testserver/account/password/reset" in changed.splitlines()


def test_d01_a_link_is_good_once(api: Api, user: Any) -> None:
    token = asked_token(api)
    assert reset(api, token).status_code == 200
    since = mark()
    assert problem("token_used", 400, reset(api, token, "another long quiet river")) == {}
    assert trail(since) == [("authn_password_reset", "token_used")]
    assert Event.objects.latest("id").user_id == str(user.pk)
    assert api.login(password=NEW).json()["status"] == "otp_required"


def test_d03_a_link_ends_at_its_hour(api: Api, user: Any) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        token = asked_token(api)
        clock.shift(timedelta(hours=1))
        assert problem("token_expired", 400, reset(api, token)) == {}
        assert trail()[-1] == ("authn_password_reset", "token_expired")
        clock.shift(timedelta(seconds=-1))
        assert reset(api, token).status_code == 200


@pytest.mark.parametrize("changed", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), str.swapcase, lambda t: t[:-1]])
def test_d04_a_token_with_one_change_is_none(api: Api, user: Any, changed: Any) -> None:
    problem("token_invalid", 400, reset(api, changed(asked_token(api))))
    assert trail()[-1] == ("authn_password_reset", "token_invalid")
    assert Link.objects.open().count() == 1


def test_d06_a_link_of_another_purpose_resets_nothing(api: Api, mailbox: Mailbox) -> None:
    api.register()
    verifying = mailbox.token()
    problem("token_invalid", 400, reset(api, verifying))
    resetting = asked_token(api)
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": resetting}))
    assert Link.objects.open().count() == 2


def test_d07_an_older_link_is_worth_nothing_once_a_newer_was_sent(api: Api, user: Any) -> None:
    older = asked_token(api)
    newer = asked_token(api)
    problem("token_invalid", 400, reset(api, older))
    assert trail()[-1] == ("authn_password_reset", "token_superseded")
    assert reset(api, newer).status_code == 200


def test_d08_a_change_of_the_password_ends_the_link(api: Api, user: Any) -> None:
    signed_in = bearer(api.sign_in())
    token = asked_token(api)
    assert change(api, signed_in).status_code == 200
    problem("token_invalid", 400, reset(api, token, "another long quiet river"))


def test_d08_d13_a_disabled_account_stays_disabled(api: Api, user: Any) -> None:
    token = asked_token(api)
    boss = UserFactory(role="super_admin")
    lifecycle.disable(target=user, by=boss, reason="stolen", client=Client.local("test"))
    problem("token_invalid", 400, reset(api, token))
    assert User.objects.get(pk=user.pk).status == Status.DISABLED


def test_d16_a_link_of_an_address_that_was_left_resets_nothing(api: Api, user: Any) -> None:
    token = asked_token(api)
    user.email = "jane@elsewhere.example"
    user.save()
    problem("token_invalid", 400, reset(api, token))
    assert trail()[-1] == ("authn_password_reset", "not_permitted")


@pytest.mark.parametrize(("password", "code"), WEAK.items())
def test_d18_a_refused_password_does_not_burn_the_link(api: Api, user: Any, password: str, code: str) -> None:
    token = asked_token(api)
    since = mark()
    refused = reset(api, token, password)
    errors = problem("validation_failed", 400, refused)["errors"]
    assert code in {error["code"] for error in errors} and {error["pointer"] for error in errors} == {"#/new_password"}
    assert trail(since) == [("authn_password_reset", "weak_password")]
    assert reset(api, token).status_code == 200


def test_d18_the_old_password_is_no_new_one(api: Api, user: Any) -> None:
    token = asked_token(api)
    assert refused_fields(reset(api, token, PASSWORD)) == {"#/new_password": "password_reused"}
    assert trail()[-1] == ("authn_password_reset", "reused_password")
    assert reset(api, token).status_code == 200


def test_d13_d14_a_reset_proves_the_mailbox_and_voids_what_a_stranger_set_up(api: Api, mailbox: Mailbox) -> None:
    api.register(password="the stranger's long password")
    strangers = mailbox.token()
    stranger = User.objects.get()
    give_app(stranger)  # no door lets an unproved account set one up; were there one, it would be void
    token = asked_token(api)
    assert reset(api, token).status_code == 200
    user = User.objects.get()
    assert (user.status, user.email_verified) == (Status.ACTIVE, True)
    assert not TotpDevice.objects.exists()
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": strangers}))
    problem("invalid_credentials", 401, api.login(password="the stranger's long password"))
    assert api.login(password=NEW).json()["challenge"]["method"] == "email"
    assert ("user_email_verified",) in trail()


def test_a_reset_lets_its_owner_in_where_sign_in_was_stopped(api: Api, user: Any) -> None:
    for _try in range(limits.LIMITS["login_address_ip"].number):
        api.login(password="wrong wrong wrong")
    problem("account_locked", 429, api.login())
    assert reset(api, asked_token(api)).status_code == 200
    assert api.login(password=NEW).json()["status"] == "otp_required"


def test_d20_no_step_of_a_sign_in_stands_in_for_the_link(api: Api, user: Any, mailbox: Mailbox) -> None:
    """Lesson 1 (CVE-2026-18963): codes, challenges, other tokens and what the database holds are no link."""
    body = api.sign_in()
    challenge = api.challenge()
    code = mailbox.code()
    asked_token(api)
    link = Link.objects.get(purpose=LinkPurpose.RESET)
    held = (link.token_hash, link.open_key, str(link.pk), challenge, code, body["refresh_token"], body["access_token"])
    for known in (*held, user.password, str(user.pk), EMAIL):
        problem("token_invalid", 400, reset(api, known))
    assert User.objects.get().password == user.password


# -- reset with an authenticator app


@pytest.fixture
def guarded(api: Api) -> Any:
    return UserFactory(email=EMAIL, app=True)


def test_the_app_s_code_is_asked_for_and_a_missing_or_wrong_one_burns_nothing(api: Api, guarded: Any) -> None:
    """Lessons 1, 42: the mailbox alone resets no password where an app is set up."""
    token = asked_token(api)
    since = mark()
    assert problem("factor_required", 403, reset(api, token)) == {"methods": ["totp", "recovery"]}
    left = limits.LIMITS["code_account"].number - 1
    assert problem("otp_invalid", 400, reset(api, token, code="000000")) == {"attempts_remaining": left}
    assert trail(since) == [("authn_password_reset", "factor_missing"), ("authn_password_reset", "code_wrong")]
    assert User.objects.get().password == guarded.password
    code = code_of(guarded)
    assert reset(api, token, code=code).status_code == 200
    assert limits.peek("code_account", str(guarded.pk)).hits == 1  # only the wrong one counts
    challenge = api.challenge(password=NEW)
    problem("otp_invalid", 400, api.answer(challenge, code))  # used up with the reset


def test_a_recovery_code_stands_in_for_the_app_once(api: Api, guarded: Any, mailbox: Mailbox) -> None:
    token = asked_token(api)
    recovery = guarded.recovery[0]
    problem("otp_invalid", 400, reset(api, token, code=recovery))  # it is no code of the app
    problem("otp_invalid", 400, reset(api, token, code=code_of(guarded), method="recovery"))
    assert reset(api, token, code=recovery, method="recovery").status_code == 200
    assert "A recovery code of your Gatehouse account was used" in mailbox.subjects(EMAIL)
    assert ("authn_recovery_code_used",) in trail()
    assert TotpDevice.objects.filter(confirmed=True).exists()  # lesson 42: it replaces the second factor for once only


def test_a_code_that_came_with_the_old_password_is_not_used_up(api: Api, guarded: Any) -> None:
    token, code = asked_token(api), code_of(guarded)
    assert refused_fields(reset(api, token, PASSWORD, code=code)) == {"#/new_password": "password_reused"}
    assert limits.peek("code_account", str(guarded.pk)).hits == 0
    assert reset(api, token, code=code).status_code == 200


def test_a_reset_without_the_code_does_not_tell_the_old_password(api: Api, guarded: Any) -> None:
    token = asked_token(api)
    problem("otp_invalid", 400, reset(api, token, PASSWORD, code="000000"))


def test_wrong_codes_of_resets_and_sign_ins_count_together(api: Api, guarded: Any, mailbox: Mailbox) -> None:
    token = asked_token(api)
    for _try in range(limits.LIMITS["code_account"].number):
        problem("otp_invalid", 400, reset(api, token, code="000000"))
    for _try in range(2):
        problem("rate_limited", 429, reset(api, token, code=code_of(guarded)))
    assert trail()[-1] == ("authn_password_reset", "rate_limited")
    problem("rate_limited", 429, api.answer(api.challenge(), code_of(guarded)))
    assert Mail.objects.filter(template="locked").count() == 1


def test_c05_a_mailed_code_is_none_of_the_app(api: Api, guarded: Any, settings: Any) -> None:
    token = asked_token(api)
    refused = reset(api, token, code="123456", method="email")
    assert refused_fields(refused) == {"#/method": "invalid_choice"}


# -- change


def test_a_change_keeps_this_session_and_ends_the_others_and_all_trust(api: Api, user: Any, mailbox: Mailbox) -> None:
    """E07, C20, D12; ASVS 7.4.3."""
    here, there = api.sign_in(), Api().sign_in(trust_device=True)
    half_done = api.challenge()
    code = mailbox.code()
    since = mark()
    answer = change(api, bearer(here))
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    assert api.get("/auth/session", **bearer(here)).status_code == 200
    assert api.post("/auth/refresh", {"refresh_token": here["refresh_token"]}).status_code == 200
    problem("session_revoked", 401, api.post("/auth/refresh", {"refresh_token": there["refresh_token"]}))
    problem("session_revoked", 401, api.get("/auth/session", **bearer(there)))
    problem("challenge_expired", 410, api.answer(half_done, code))
    assert ("authn_password_change",) in trail(since)
    event = Event.objects.get(action="authn_password_change")
    assert (event.session_id, event.details) == (here["session"]["id"], {"sessions_ended": 1})
    assert Session.objects.get(pk=there["session"]["id"]).revoked_reason == "password_changed"
    answered = api.login(password=NEW, trust_token=there["trust_token"]).json()
    assert answered["status"] == "otp_required"
    assert "Your Gatehouse password was changed" in mailbox.subjects(EMAIL)
    assert User.objects.get().password_changed_at > user.password_changed_at


def test_other_sessions_go_on_where_that_is_wanted_but_trust_ends(api: Api, user: Any) -> None:
    here, there = api.sign_in(), Api().sign_in(trust_device=True)
    assert change(api, bearer(here), revoke_other_sessions=False).status_code == 200
    assert api.get("/auth/session", **bearer(there)).status_code == 200
    assert not Device.objects.filter(trusted_until__isnull=False).exists()


def test_a12_a_wrong_present_password_counts_like_one_to_confirm_who_it_is(api: Api, user: Any) -> None:
    headers = bearer(api.sign_in())
    since = mark()
    assert problem("invalid_credentials", 401, change(api, headers, "wrong wrong wrong")) == {}
    assert trail(since) == [("authn_reauthentication", "bad_credentials")]
    for _try in range(limits.LIMITS["reauth_account"].number - 1):
        api.post("/auth/reauthenticate", {"password": "wrong"}, **headers)
    problem("rate_limited", 429, change(api, headers))
    assert Mail.objects.filter(template="locked").count() == 1
    assert User.objects.get().password == user.password


@pytest.mark.parametrize(("password", "code"), [*WEAK.items(), (PASSWORD, "password_reused")])
def test_a_change_holds_the_new_password_to_the_policy(api: Api, user: Any, password: str, code: str) -> None:
    headers = bearer(api.sign_in())
    since = mark()
    errors = problem("validation_failed", 400, change(api, headers, new=password))["errors"]
    assert code in {error["code"] for error in errors} and {error["pointer"] for error in errors} == {"#/new_password"}
    reason = "reused_password" if code == "password_reused" else "weak_password"
    assert trail(since) == [("authn_password_change", reason)]
    assert limits.peek("reauth_account", str(user.pk)).hits == 0  # the present one was right
    assert change(api, headers).status_code == 200


def test_a_thief_who_changes_the_password_closes_no_link_that_disavows_the_sign_in(
    api: Api, user: Any, mailbox: Mailbox
) -> None:
    api.sign_in()
    thief = Api(**{"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"})
    stolen = bearer(thief.sign_in())
    disavowing = mailbox.token()
    assert change(thief, stolen).status_code == 200
    assert api.post("/auth/disavow", {"token": disavowing}).status_code == 200
    problem("session_revoked", 401, thief.get("/auth/session", **stolen))
    assert reset(api, mailbox.token(), "another long quiet river").status_code == 200
    problem("invalid_credentials", 401, thief.login(password=NEW))


def test_a_change_needs_a_live_session(api: Api, user: Any) -> None:
    problem("not_authenticated", 401, change(api, {}))
    body = api.sign_in()
    api.post("/auth/logout", {}, **bearer(body))
    problem("session_revoked", 401, change(api, bearer(body)))
    assert Challenge.objects.exists() and User.objects.get().password == user.password
