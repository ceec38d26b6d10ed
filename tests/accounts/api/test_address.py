"""Changing the address over the API: asked for by whoever proved who they are, taken by the link to the new one."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Challenge, Link, LinkPurpose, Mail, Status, User
from accounts.services import address_links, disavowal
from audit.models import Event
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.problems import Problem
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

NEW = "new@example.org"
OTHER = "mallory@example.net"
ACCEPTED = {"status": "accepted"}
DONE = {"status": "done"}
HERE = Client.local("test")


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def signed_in(api: Api, user: User) -> dict[str, Any]:
    return api.sign_in()


@pytest.fixture
def asked(api: Api, signed_in: dict[str, Any]) -> dict[str, Any]:
    """A sign-in that asked for NEW."""
    assert ask(api, signed_in).status_code == 202
    return signed_in


@pytest.fixture
def token(asked: dict[str, Any], mailbox: Mailbox) -> str:
    return mailbox.token(NEW)


def ask(api: Api, body: dict[str, Any], email: Any = NEW) -> Any:
    return api.post("/me/email", {"new_email": email}, **bearer(body))


def cancel(api: Api, body: dict[str, Any]) -> Any:
    return api.send("DELETE", "/me/email/pending", **bearer(body))


def confirm(token: Any) -> Any:
    return Api().post("/me/email/confirm", {"token": token})


def facts(answer: Any) -> tuple[Any, ...]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "RateLimit")}
    return answer.status_code, answer.content, headers


# -- asking


def test_the_new_address_gets_a_link_and_the_old_one_a_notice_and_stays_in_force(
    api: Api, asked: dict[str, Any], mailbox: Mailbox, user: User
) -> None:
    mailbox.all()
    assert mailbox.subjects(NEW) == ["Confirm your new email address for Gatehouse"]
    notice = mailbox.newest(EMAIL)
    assert mailbox.subjects(EMAIL)[-1] == "Your Gatehouse address is to be changed"
    assert "n•••@e•••.org" in notice and NEW not in notice and "192.0.2.7" in notice
    assert "http://testserver/account/email/undo/" in notice
    assert "http://testserver/account/email/confirm/" in mailbox.newest(NEW) and EMAIL not in mailbox.newest(NEW)
    assert User.objects.get().email == EMAIL
    assert api.get("/auth/session", **bearer(asked)).json()["user"]["email"] == EMAIL
    link = Link.objects.get(purpose=LinkPurpose.ADDRESS)
    assert (link.email, link.expires_at - link.created_at) == (NEW, timedelta(hours=24))


def test_asking_is_recorded_with_masked_addresses(asked: dict[str, Any], mailbox: Mailbox, user: User) -> None:
    mailbox.all()
    assert trail()[-2:] == [("user_email_change_requested",), ("user_email_change_answered",)]
    requested, answered = Event.objects.order_by("pk").filter(action__startswith="user_email_change")
    assert (requested.user_id, requested.actor_id, requested.session_id) == (
        str(user.pk),
        str(user.pk),
        asked["session"]["id"],
    )
    assert requested.details == {"before": "j•••@e•••.com", "after": "n•••@e•••.org"}
    assert (answered.actor_type, answered.details) == ("system", {"outcome": "link"})


@pytest.mark.parametrize("trait", [{}, {"unverified": True}, {"disabled": True}, {"deleted": True}, {"staff": True}])
def test_b06_every_address_is_answered_alike_by_as_many_statements(
    api: Api, signed_in: dict[str, Any], trait: dict[str, bool]
) -> None:
    """Changes nothing of the other account, and sends nothing by itself."""
    other = UserFactory(email=OTHER, **trait)
    ask(api, signed_in, "warm@example.org")
    before = User.objects.values().get(pk=other.pk)
    sent = len(mail.outbox)
    seen = []
    for email in (OTHER, NEW):
        with CaptureQueriesContext(connection) as asked:
            seen.append((*facts(ask(api, signed_in, email)), len(asked)))
    assert seen[0] == seen[1]
    assert (seen[0][0], seen[0][1]) == (202, b'{"status":"accepted"}')
    assert seen[0][2]["Cache-Control"] == "no-store" and "address_account" in seen[0][2]["RateLimit-Policy"]
    assert len(mail.outbox) == sent
    assert User.objects.values().get(pk=other.pk) == before


@pytest.mark.parametrize(
    ("trait", "subjects", "outcome"),
    [
        ({}, ["Somebody wanted to use your address at Gatehouse"], "taken"),
        ({"disabled": True}, ["Somebody wanted to use your address at Gatehouse"], "taken"),
        ({"deleted": True}, [], "nothing"),
        ({"staff": True, "unverified": True}, [], "nothing"),
        ({"unverified": True}, ["Confirm your new email address for Gatehouse"], "link"),
    ],
)
def test_b06_the_owner_of_a_taken_address_is_told_and_no_link_leaves(
    api: Api, signed_in: dict[str, Any], mailbox: Mailbox, trait: dict[str, bool], subjects: list[str], outcome: str
) -> None:
    UserFactory(email=OTHER, **trait)
    ask(api, signed_in, OTHER.upper())
    assert [one.subject for one in mailbox.all() if one.to[0].lower() == OTHER] == subjects
    assert Event.objects.latest("id").details == {"outcome": outcome}
    assert not any(EMAIL in str(one.body) for one in mailbox.all() if one.to[0].lower() == OTHER)


def test_v2_2_3_the_address_in_force_is_no_new_one(api: Api, signed_in: dict[str, Any]) -> None:
    for spelling in (EMAIL, EMAIL.upper(), "ｊａｎｅ@example.com"):
        assert refused_fields(ask(api, signed_in, spelling)) == {"#/new_email": "invalid"}
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).exists()
    assert not Mail.objects.filter(template__startswith="address").exists()


@pytest.mark.parametrize(
    "email", ["", "no address", "a@b", "a" * 65 + "@example.com", "x@example.com\r\nBcc: y@z.test"]
)
def test_h08_the_new_address_is_held_to_the_rules_of_a_sign_up(api: Api, signed_in: dict[str, Any], email: str) -> None:
    assert set(refused_fields(ask(api, signed_in, email))) == {"#/new_email"}


def test_v7_5_1_asking_and_cancelling_take_a_fresh_proof(api: Api, signed_in: dict[str, Any]) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
        problem("reauthentication_required", 403, ask(api, signed_in))
        problem("reauthentication_required", 403, cancel(api, signed_in))
        api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(signed_in))
        assert ask(api, signed_in).status_code == 202
        assert cancel(api, signed_in).status_code == 204
    problem("not_authenticated", 401, api.post("/me/email", {"new_email": NEW}))
    problem("not_authenticated", 401, api.send("DELETE", "/me/email/pending"))


def test_c18_where_an_app_is_set_up_the_proof_takes_it(api: Api, user: User, signed_in: dict[str, Any]) -> None:
    """Neither a fresh sign-in that asked for no app, nor the password alone, is enough."""
    recovery = give_app(user)
    owed = {"methods": ["totp", "recovery"]}
    assert problem("factor_required", 403, ask(api, signed_in)) == owed
    assert api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(signed_in)).status_code == 200
    assert problem("factor_required", 403, ask(api, signed_in)) == owed
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).exists()
    proof = {"password": PASSWORD, "method": "recovery", "code": recovery[0]}
    assert api.post("/auth/reauthenticate", proof, **bearer(signed_in)).status_code == 200
    assert ask(api, signed_in).status_code == 202


def test_staff_change_theirs_with_their_app(api: Api, mailbox: Mailbox) -> None:
    boss = UserFactory(email=EMAIL, staff=True, app=True)
    body = api.answer(api.challenge(), code_of(boss)).json()
    assert ask(api, body).status_code == 202
    assert confirm(mailbox.token(NEW)).json() == DONE
    assert User.objects.get().email == NEW


def test_whoever_became_staff_without_an_app_changes_nothing_by_an_older_link(token: str, user: User) -> None:
    User.objects.filter(pk=user.pk).update(role="admin", is_staff=True)
    problem("token_invalid", 400, confirm(token))
    assert User.objects.get().email == EMAIL


def test_an_account_may_ask_five_times_an_hour(api: Api, signed_in: dict[str, Any]) -> None:
    answers = [ask(api, signed_in, f"n{turn}@example.org") for turn in range(6)]
    assert [one.status_code for one in answers] == [202] * limits.LIMITS["address_account"].number + [429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_one_address_is_mailed_three_times_an_hour_whoever_asks(api: Api, db: None, mailbox: Mailbox) -> None:
    for number in range(4):
        UserFactory(email=f"person{number}@example.net")
        body = api.sign_in(f"person{number}@example.net")
        assert ask(api, body).json() == ACCEPTED
    assert len(mailbox.all(NEW)) == limits.LIMITS["address_new"].number == 3
    assert Event.objects.latest("id").details == {"outcome": "nothing"}


def test_d07_d15_a_newer_request_replaces_the_older_and_each_link_proves_its_own_address(
    api: Api, token: str, signed_in: dict[str, Any], mailbox: Mailbox
) -> None:
    ask(api, signed_in, "newer@example.org")
    problem("token_invalid", 400, confirm(token))
    assert trail()[-1] == ("user_email_changed", "token_superseded")
    assert confirm(mailbox.token("newer@example.org")).json() == DONE
    assert User.objects.get().email == "newer@example.org"


# -- cancelling


def test_a_cancelled_change_never_takes_effect(api: Api, token: str, asked: dict[str, Any], mailbox: Mailbox) -> None:
    undo = mailbox.token(EMAIL)
    since = mark()
    answer = cancel(api, asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert trail(since) == [("user_email_change_cancelled",)]
    assert Event.objects.latest("id").details == {"by_link": False}
    problem("token_invalid", 400, confirm(token))
    with pytest.raises(Problem, match="token_invalid"):
        address_links.undo(token=undo, client=HERE)
    assert cancel(api, asked).status_code == 204
    assert User.objects.get().email == EMAIL


def test_a_request_cancelled_before_the_worker_came_mails_nobody(
    api: Api, asked: dict[str, Any], mailbox: Mailbox
) -> None:
    cancel(api, asked)
    assert mailbox.all(NEW) == []
    assert Mail.objects.get(template="address_request").state == "dropped"


# -- taking effect


def test_the_link_puts_the_new_address_in_force_and_ends_what_the_old_one_opened(
    api: Api, asked: dict[str, Any], mailbox: Mailbox, user: User
) -> None:
    """V6.3.7, V7.4.3: sessions, trust, half-done sign-ins and other links end; both addresses are told."""
    second = Api().sign_in(trust_device=True)
    half_done = api.challenge()
    code = mailbox.code()
    api.post("/auth/password/forgot", {"email": EMAIL})
    reset = mailbox.token(EMAIL)
    since = mark()
    answer = confirm(mailbox.token(NEW))
    assert (answer.status_code, answer.json(), answer.cookies) == (200, DONE, {})
    assert [row[0] for row in trail(since)] == [
        "authn_device_forgotten",
        "session_revoked",
        "session_revoked",
        "user_email_changed",
    ]
    event = Event.objects.get(action="user_email_changed")
    assert event.details == {"before": "j•••@e•••.com", "after": "n•••@e•••.org", "sessions_ended": 2}
    assert (event.user_id, event.email) == (str(user.pk), NEW)
    held = User.objects.get()
    assert (held.email, held.email_key, held.status) == (NEW, NEW, Status.ACTIVE)
    assert held.email_verified_at is not None and held.email_verified_at > user.email_verified_at
    assert set(Session.objects.values_list("revoked_reason", flat=True)) == {"address_changed"}
    for body in (asked, second):
        problem("session_revoked", 401, api.get("/auth/session", **bearer(body)))
        problem("session_revoked", 401, api.post("/auth/refresh", {"refresh_token": body["refresh_token"]}))
    problem("challenge_expired", 410, api.answer(half_done, code))
    assert not Device.objects.trusted(timezone.now()).exists()
    assert [one.purpose for one in Link.objects.open().exclude(purpose=LinkPurpose.DISAVOW)] == ["address_undo"]
    gone = api.post("/auth/password/reset", {"token": reset, "new_password": "a long and quiet river"})
    problem("token_invalid", 400, gone)
    mailbox.all()
    assert mailbox.subjects(NEW)[-1] == "This is your Gatehouse address now"
    assert mailbox.subjects(EMAIL)[-1] == "Your Gatehouse address was changed"
    left = mailbox.newest(EMAIL)
    assert "n•••@e•••.org" in left and NEW not in left and "/account/email/undo/" in left
    problem("invalid_credentials", 401, api.login())
    assert api.login(NEW, trust_token=second["trust_token"]).json()["status"] == "otp_required"
    assert Challenge.objects.filter(email=NEW).exists()


def test_d16_a_reset_asked_for_before_and_mailed_after_goes_nowhere(api: Api, token: str, mailbox: Mailbox) -> None:
    api.post("/auth/password/forgot", {"email": EMAIL})
    confirm(token)
    mailbox.all()
    assert not Link.objects.filter(purpose=LinkPurpose.RESET).exists()


def test_counts_of_the_old_address_stay_with_it(api: Api, token: str, mailbox: Mailbox) -> None:
    for _turn in range(12):
        api.login(password="wrong wrong wrong")
    problem("account_locked", 429, api.login())
    assert confirm(token).json() == DONE
    problem("account_locked", 429, api.login())
    assert api.login(NEW).json()["status"] == "otp_required"


def test_d01_a_link_works_once(token: str) -> None:
    assert confirm(token).status_code == 200
    since = mark()
    problem("token_used", 400, confirm(token))
    assert trail(since) == [("user_email_changed", "token_used")]


def test_d03_a_link_ends_after_a_day(api: Api, signed_in: dict[str, Any], mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        ask(api, signed_in)
        token = mailbox.token(NEW)
        clock.shift(timedelta(hours=24))
        problem("token_expired", 400, confirm(token))
        assert trail()[-1] == ("user_email_changed", "token_expired")
        clock.shift(timedelta(seconds=-1))
        assert confirm(token).json() == DONE


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), str.swapcase, lambda t: t[:-1]])
def test_d04_a_token_with_one_change_is_none(token: str, change: Any) -> None:
    problem("token_invalid", 400, confirm(change(token)))
    assert (User.objects.get().email, trail()[-1]) == (EMAIL, ("user_email_changed", "token_invalid"))


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "required"), ({"token": ""}, "blank"), ({"token": None}, "null"), ({"token": ["x"]}, "invalid")],
)
def test_d05_a_token_is_a_text(api: Api, body: Any, code: str) -> None:
    assert refused_fields(api.post("/me/email/confirm", body)) == {"#/token": code}


def test_d06_links_of_other_purposes_change_nothing_and_this_one_proves_nothing_else(
    api: Api, token: str, mailbox: Mailbox
) -> None:
    undo = mailbox.token(EMAIL)
    api.post("/auth/password/forgot", {"email": EMAIL})
    reset = mailbox.token(EMAIL)
    Api().register(OTHER)
    for wrong in (undo, reset, mailbox.token(OTHER)):
        problem("token_invalid", 400, confirm(wrong))
    for path in ("/auth/verify-email", "/auth/disavow"):
        problem("token_invalid", 400, api.post(path, {"token": token}))
    problem("token_invalid", 400, api.post("/auth/password/reset", {"token": token, "new_password": "a quiet river x"}))
    assert User.objects.get(email_key=EMAIL).email == EMAIL
    assert confirm(token).json() == DONE


@pytest.mark.parametrize("status", [Status.DISABLED, Status.DELETED, Status.INACTIVE])
def test_d08_an_account_that_is_not_active_keeps_its_address(token: str, user: User, status: Status) -> None:
    user.set_status(status)
    user.save()
    problem("token_invalid", 400, confirm(token))
    assert (User.objects.get().email, trail()[-1]) == (EMAIL, ("user_email_changed", "not_permitted"))


def test_d08_d14_a_new_password_voids_what_was_asked_for_under_the_old_one(api: Api, token: str) -> None:
    api.post("/auth/password/forgot", {"email": EMAIL})
    asked = {"token": api.mailbox.token(EMAIL), "new_password": "a long and quiet river"}
    assert api.post("/auth/password/reset", asked).status_code == 200
    problem("token_invalid", 400, confirm(token))
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS_UNDO).open().exists()


def test_disavowing_the_sign_in_that_asked_voids_what_it_asked_for(api: Api, user: User, mailbox: Mailbox) -> None:
    api.sign_in()
    thief = Api(user_agent="Wget/1.21")
    body = thief.sign_in()
    disavow = mailbox.token()
    ask(thief, body)
    token = mailbox.token(NEW)
    assert api.post("/auth/disavow", {"token": disavow}).status_code == 200
    problem("token_invalid", 400, confirm(token))


def test_so_does_reporting_it_among_the_activity(api: Api, user: User, mailbox: Mailbox) -> None:
    thief = Api(user_agent="Wget/1.21")
    ask(thief, thief.sign_in())
    token = mailbox.token(NEW)
    api.sign_in()
    current = Session.objects.newest_first().select_related("user")[0]
    disavowal.disavow_own(user=user, session=current, session_id=None, client=HERE)
    problem("token_invalid", 400, confirm(token))


def test_the_owner_finds_it_among_the_activity(api: Api, token: str, mailbox: Mailbox) -> None:
    confirm(token)
    body = api.answer(api.challenge(NEW), mailbox.code(NEW)).json()
    told = [item["text"] for item in api.get("/me/activity", **bearer(body)).json()["results"]]
    assert "Email address changed" in told and "A change of the email address was asked for" in told


def test_d09_the_links_name_no_host_but_ours(
    api: Api, signed_in: dict[str, Any], mailbox: Mailbox, settings: Any
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"FRONTEND_URL": "https://app.example.com"}
    api.post("/me/email", {"new_email": NEW}, x_forwarded_host="evil.test", **bearer(signed_in))
    assert "https://app.example.com/account/email/confirm/" in mailbox.newest(NEW)
    assert "http://testserver/account/email/undo/" in mailbox.newest(EMAIL)  # the API has nothing that undoes
    assert not any("evil.test" in str(one.message()) for one in mailbox.all())


def test_an_address_that_somebody_got_meanwhile_is_a_conflict_and_nothing_changes(
    token: str, user: User, asked: dict[str, Any], api: Api
) -> None:
    other = UserFactory(email=NEW)
    rows = Mail.objects.count()
    since = mark()
    refused = confirm(token)
    problem("conflict", 409, refused)
    assert refused.json()["detail"] == "Another account has this address by now. Yours stays as it was."
    assert trail(since) == [("user_email_changed", "conflict")]
    assert (User.objects.get(pk=user.pk).email, User.objects.get(pk=other.pk).email) == (EMAIL, NEW)
    assert Mail.objects.count() == rows
    assert api.get("/auth/session", **bearer(asked)).status_code == 200
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS).open().exists()


def test_d14_a_sign_up_that_nobody_proved_makes_way_for_the_proof(token: str, api: Api, user: User) -> None:
    Api().register(NEW, "a stranger's long password")
    squatter = User.objects.get(email_key=NEW)
    since = mark()
    assert confirm(token).json() == DONE
    assert trail(since)[0] == ("user_registration_expired",)
    assert list(User.objects.values_list("pk", "email")) == [(user.pk, NEW)]
    assert not Mail.objects.filter(user_id=squatter.pk).exists()


def test_what_the_database_holds_of_a_link_opens_nothing(token: str) -> None:
    link = Link.objects.get(purpose=LinkPurpose.ADDRESS)
    assert token not in str(Link.objects.values().get(pk=link.pk)) + str(list(Mail.objects.values()))
    for stored in (link.token_hash, link.open_key, str(link.pk)):
        problem("token_invalid", 400, confirm(stored))


def test_tokens_that_are_tried_are_limited(api: Api, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.03}
    for _try in range(3):
        problem("token_invalid", 400, confirm("x" * 43))
    assert int(confirm("x" * 43)["Retry-After"]) > 0


def test_j08_a_fault_half_way_undoes_everything(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: Any, **_named: Any) -> None:
        raise RuntimeError("no mail")

    monkeypatch.setattr("accounts.mails.address_left", fail)
    assert confirm(token).status_code == 500
    assert User.objects.get().email == EMAIL
    assert Session.objects.live(timezone.now()).count() == 1
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS).open().exists()
