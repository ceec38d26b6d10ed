"""POST /auth/disavow: the link of the mail about a new device, used once, refused otherwise."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Challenge, Link, LinkPurpose, Mail, Status, User
from audit.models import Event
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, bearer, mark, problem, refused_fields, trail

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile Safari/605"
DONE = {"status": "done"}


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def stranger(api: Api, user: User) -> dict[str, Any]:
    """What a sign-in from a second device was answered, its mail the newest."""
    api.sign_in()
    return Api(user_agent=PHONE).sign_in()


@pytest.fixture
def token(stranger: dict[str, Any], mailbox: Mailbox) -> str:
    return mailbox.token()


def disavow(token: Any) -> Any:
    return Api(user_agent="curl/8").post("/auth/disavow", {"token": token})


def test_the_link_ends_that_session_and_leaves_the_owner_s_own(
    api: Api, user: User, stranger: dict[str, Any], token: str, mailbox: Mailbox
) -> None:
    since = mark()
    answer = disavow(token)
    assert (answer.status_code, answer.json()) == (200, DONE)
    assert trail(since) == [("session_revoked",), ("authn_device_removed",), ("authn_login_disavowed",)]
    problem("session_revoked", 401, api.get("/auth/session", **bearer(stranger)))
    problem("session_revoked", 401, api.post("/auth/refresh", {"refresh_token": stranger["refresh_token"]}))
    row = Session.objects.get(pk=stranger["session"]["id"])
    assert (row.revoked_reason, row.revoked_by) == ("disavowed", "")
    assert Session.objects.live(timezone.now()).count() == 1
    mailbox.all()
    assert Mail.objects.filter(template="password_reset", user=user).count() == 1
    assert [link.purpose for link in Link.objects.open()] == [LinkPurpose.RESET]


def test_the_one_who_says_so_is_recorded_as_nobody_signed_in(token: str, stranger: dict[str, Any]) -> None:
    since = mark()
    disavow(token)
    for event in Event.objects.filter(pk__gt=since):
        assert (event.actor_type, event.user_id) == ("anonymous", str(User.objects.get().pk))
    done = Event.objects.get(action="authn_login_disavowed")
    assert (done.session_id, done.details) == (stranger["session"]["id"], {"sessions_ended": 1})


def test_d01_a_link_works_once(token: str) -> None:
    assert disavow(token).status_code == 200
    since = mark()
    problem("token_used", 400, disavow(token))
    assert trail(since) == [("authn_login_disavowed", "token_used")]
    assert Mail.objects.filter(template="password_reset").count() == 1


def test_d03_a_link_ends_after_seven_days(token: str) -> None:
    late = timezone.now() + timedelta(days=7)
    with time_machine.travel(late, tick=False):
        since = mark()
        problem("token_expired", 400, disavow(token))
        assert trail(since) == [("authn_login_disavowed", "token_expired")]
    with time_machine.travel(late - timedelta(minutes=1), tick=False):
        assert disavow(token).json() == DONE


def test_the_life_of_the_link_is_a_setting(api: Api, user: User, mailbox: Mailbox, settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"DISAVOW_TTL": timedelta(hours=1)}
    api.sign_in()
    Api(user_agent=PHONE).sign_in()
    token = mailbox.token()
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=1), tick=False):
        problem("token_expired", 400, disavow(token))


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), str.swapcase, lambda t: t + "A"])
def test_d04_a_token_with_one_change_is_none(token: str, change: Any) -> None:
    problem("token_invalid", 400, disavow(change(token)))
    assert Session.objects.live(timezone.now()).count() == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"token": ""}, "blank"),
        ({"token": None}, "null"),
        ({"token": ["x"]}, "invalid"),
        ({"token": 1}, "invalid"),
    ],
)
def test_d05_a_token_is_a_text(api: Api, body: Any, code: str) -> None:
    assert refused_fields(api.post("/auth/disavow", body)) == {"#/token": code}
    fields = refused_fields(api.post("/auth/disavow", {"token": "x", "session_id": "y"}))
    assert fields == {"#/session_id": "unknown_field"}


def test_d06_a_link_of_another_purpose_disavows_nothing_and_this_one_proves_nothing(token: str, api: Api) -> None:
    Api().register("other@example.com")
    problem("token_invalid", 400, disavow(api.mailbox.token("other@example.com")))
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": token}))
    assert disavow(token).json() == DONE


def test_d07_links_of_several_sessions_are_open_side_by_side(api: Api, user: User, mailbox: Mailbox) -> None:
    api.sign_in()
    bodies, tokens = [], []
    for agent in (PHONE, "Wget/1.21", "HTTPie/3.2.1"):
        bodies.append(Api(user_agent=agent).sign_in())
        tokens.append(mailbox.token())
    for body, token in [*zip(bodies, tokens, strict=True)][::-1]:
        assert disavow(token).json() == DONE
        assert Session.objects.get(pk=body["session"]["id"]).revoked_reason == "disavowed"
    assert Session.objects.live(timezone.now()).count() == 1


@pytest.mark.parametrize("status", [Status.DISABLED, Status.DELETED, Status.INACTIVE])
def test_d08_an_account_that_is_not_active_stays_as_it_is(token: str, user: User, status: Status) -> None:
    user.set_status(status)
    user.save()
    before = Mail.objects.count()
    since = mark()
    problem("token_invalid", 400, disavow(token))
    assert trail(since) == [("authn_login_disavowed", "not_permitted")]
    assert (User.objects.get().status, Mail.objects.count()) == (status, before)
    assert Link.objects.filter(purpose=LinkPurpose.DISAVOW).open().exists(), "it is not used up either"


def test_d08_a_link_of_an_address_that_was_left_does_nothing(token: str, user: User) -> None:
    User.objects.filter(pk=user.pk).update(email="new@example.com", email_key="new@example.com")
    since = mark()
    problem("token_invalid", 400, disavow(token))
    assert trail(since) == [("authn_login_disavowed", "not_permitted")]
    assert not Mail.objects.filter(template="password_reset").exists()
    assert not Session.objects.filter(revoked_reason="disavowed").exists()


def test_d09_the_link_names_no_host_but_our_own(
    api: Api, user: User, mailbox: Mailbox, settings: Any, stranger: dict[str, Any]
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    evil = Api(user_agent="HTTPie/3.2.1", host="evil.test", x_forwarded_host="evil.test")
    evil.sign_in()
    assert "evil.test" not in mailbox.newest()
    assert "http://testserver/account/disavow/" in mailbox.newest()
    settings.GATEHOUSE = settings.GATEHOUSE | {"FRONTEND_URL": "https://app.example.com"}
    Api(user_agent="Wget/1.21").sign_in()
    assert "https://app.example.com/account/disavow/" in mailbox.newest()


def test_what_the_database_holds_of_a_link_opens_nothing(token: str) -> None:
    link = Link.objects.get(purpose=LinkPurpose.DISAVOW)
    assert token not in str(Link.objects.values().get(pk=link.pk)) + str(list(Mail.objects.values()))
    for stored in (link.token_hash, link.open_key, str(link.pk), str(link.session_id)):
        problem("token_invalid", 400, disavow(stored))


def test_a_session_that_has_ended_is_disavowed_all_the_same(
    api: Api, user: User, stranger: dict[str, Any], token: str
) -> None:
    assert api.post("/auth/logout", {"refresh_token": stranger["refresh_token"]}).status_code == 204
    since = mark()
    assert disavow(token).json() == DONE
    assert trail(since) == [("authn_device_removed",), ("authn_login_disavowed",)]
    assert Session.objects.get(pk=stranger["session"]["id"]).revoked_reason == "signed_out"
    assert Mail.objects.filter(template="password_reset").exists()


def test_later_sign_ins_from_that_device_end_with_it(stranger: dict[str, Any], token: str, mailbox: Mailbox) -> None:
    again = Api(user_agent=PHONE).sign_in()
    assert "is your" in mailbox.newest(), "a known device is not told of"
    disavow(token)
    for body in (stranger, again):
        assert Session.objects.get(pk=body["session"]["id"]).revoked_reason == "disavowed"


def test_forgetting_the_device_first_hides_no_session_of_it(stranger: dict[str, Any], token: str) -> None:
    thief = Api(user_agent=PHONE)
    second = thief.sign_in()
    assert thief.send("DELETE", "/me/devices", **bearer(second)).status_code == 204
    assert disavow(token).json() == DONE
    for body in (stranger, second):
        assert Session.objects.get(pk=body["session"]["id"]).revoked_reason == "disavowed"


def test_forgetting_every_device_does_not_make_the_next_one_the_first(
    api: Api, stranger: dict[str, Any], mailbox: Mailbox
) -> None:
    assert api.send("DELETE", "/me/devices", **bearer(stranger)).status_code == 204
    Api(user_agent="curl/9").sign_in()
    assert "New sign-in" in mailbox.newest()


def test_c20_all_trust_ends_with_it(api: Api, user: User, mailbox: Mailbox) -> None:
    own = api.sign_in(trust_device=True)["trust_token"]
    theirs = Api(user_agent=PHONE).sign_in(trust_device=True)["trust_token"]
    since = mark()
    assert disavow(mailbox.token()).json() == DONE
    assert ("authn_device_forgotten",) in trail(since)
    assert not Device.objects.trusted(timezone.now()).exists()
    for trust_token in (own, theirs):
        assert api.login(trust_token=trust_token).json()["status"] == "otp_required"


def test_a_half_done_sign_in_ends_with_it(api: Api, stranger: dict[str, Any], token: str, mailbox: Mailbox) -> None:
    challenge = api.challenge()
    code = mailbox.code()
    disavow(token)
    problem("challenge_expired", 410, api.answer(challenge, code))
    assert Challenge.objects.filter(pk=challenge, expires_at__lte=timezone.now()).exists()


def test_the_next_sign_in_from_there_is_new_and_told_of(token: str, mailbox: Mailbox) -> None:
    disavow(token)
    body = Api(user_agent=PHONE).sign_in()
    fresh = mailbox.token()
    assert "New sign-in" in mailbox.newest()
    assert disavow(fresh).json() == DONE
    assert Session.objects.get(pk=body["session"]["id"]).revoked_reason == "disavowed"


def test_tokens_that_are_tried_are_limited(api: Api, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.03}
    for _try in range(3):
        problem("token_invalid", 400, disavow("x" * 43))
    assert int(disavow("x" * 43)["Retry-After"]) > 0


def test_a_fault_half_way_undoes_everything(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_given: Any) -> None:
        raise RuntimeError("no mail")

    monkeypatch.setattr("accounts.services.undoing.queue_reset", fail)
    assert disavow(token).status_code == 500
    assert Session.objects.live(timezone.now()).count() == 2
    assert Link.objects.filter(purpose=LinkPurpose.DISAVOW).open().exists()
