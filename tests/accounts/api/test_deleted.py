"""What an account that staff deleted meets: it is answered like an address that nobody has."""

from typing import Any

import pytest

from accounts.models import Challenge, Link, Mail, User
from accounts.roles import Role
from accounts.services import lifecycle, sign_in
from accounts.services.sign_in import Arrival
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Device, Door, Session, Transport
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, mark, problem, trail

CLIENT = Client.local("test")
NEW = "another horse battery staple"


@pytest.fixture
def boss(db: None) -> User:
    return UserFactory(role=Role.SUPER_ADMIN)


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


def delete(user: User, boss: User) -> User:
    return lifecycle.delete(target=user, by=boss, reason="asked by phone", client=CLIENT)


def test_e06_sessions_end_at_the_next_request_and_at_the_next_refresh(api: Api, user: User, boss: User) -> None:
    body = api.sign_in(trust_device=True)
    delete(user, boss)
    for path in ("/auth/session", "/sessions", "/me/devices"):
        problem("session_revoked", 401, api.get(path, authorization=f"Bearer {body['access_token']}"))
    problem("session_revoked", 401, api.post("/auth/refresh", {"refresh_token": body["refresh_token"]}))
    assert Session.objects.get(user=user).revoked_reason == "deleted"
    assert not Device.objects.filter(user=user, trusted_until__isnull=False).exists()


def test_i13_it_is_recorded_and_its_owner_is_told(user: User, boss: User, api: Api) -> None:
    api.sign_in()
    delete(user, boss)
    gone = User.objects.get(pk=user.pk)
    assert (gone.status, gone.is_active, gone.email, gone.deleted_by) == ("deleted", False, EMAIL, str(boss.pk))
    assert gone.deleted_at is not None
    row = Event.objects.get(action="user_deleted")
    assert (row.event_type, row.user_id, row.actor_id, row.success) == ("ADMIN", str(user.pk), str(boss.pk), True)
    assert row.details == {"reason": "asked by phone", "before": "active", "after": "deleted", "sessions_ended": 1}
    mail = Mailbox().all(EMAIL)[-1]
    assert mail.subject == "Your Gatehouse account was deleted"
    assert "asked by phone" not in str(mail.body)


def facts(answer: Any) -> tuple[Any, ...]:
    """Return what somebody sees of *answer*, without what every answer draws anew."""
    body = answer.json() if answer.content else {}
    return answer.status_code, {name: value for name, value in body.items() if name != "request_id"}


@pytest.mark.parametrize("password", [PASSWORD, "wrong wrong wrong"])
def test_a10_signing_in_is_answered_like_for_an_unknown_address(
    api: Api, user: User, boss: User, password: str
) -> None:
    delete(user, boss)
    known, unknown = api.login(password=password), api.login("nobody@example.com", password=password)
    problem("invalid_credentials", 401, known)
    assert facts(known) == facts(unknown)
    assert Event.objects.filter(action="authn_login_fail").order_by("pk")[0].failure_reason == "deleted"
    assert not Challenge.objects.exists()


def test_staff_that_were_deleted_are_unknown_at_their_door(boss: User) -> None:
    user = UserFactory(role=Role.ADMIN, app=True)
    delete(user, boss)
    with pytest.raises(Problem, match="invalid_credentials"):
        sign_in.begin(email=user.email, password=PASSWORD, arrival=Arrival(Door.STAFF, Transport.COOKIE, CLIENT))


def test_signing_up_with_its_address_is_answered_alike_and_makes_nothing(api: Api, user: User, boss: User) -> None:
    delete(user, boss)
    since, mails = mark(), Mail.objects.count()
    assert facts(api.register()) == facts(api.register("nobody@example.com"))
    kept = User.objects.get(email=EMAIL)
    assert (kept.pk, kept.status, kept.password) == (user.pk, "deleted", user.password)
    assert trail(since)[0] == ("user_registered", "already_registered")
    assert list(Mail.objects.order_by("pk").values_list("to", flat=True))[mails:] == ["nobody@example.com"]


def test_links_of_before_are_dead_and_no_new_ones_are_mailed(api: Api, user: User, boss: User) -> None:
    api.post("/auth/password/forgot", {"email": EMAIL})
    token = api.mailbox.token()
    delete(user, boss)
    reset = api.post("/auth/password/reset", {"token": token, "new_password": NEW})
    problem("token_invalid", 400, reset)
    mails = len(api.mailbox.all(EMAIL))
    for path in ("/auth/password/forgot", "/auth/verify-email/resend"):
        asked, other = (api.post(path, {"email": email}) for email in (EMAIL, "nobody@example.com"))
        assert facts(asked) == facts(other)
    assert len(api.mailbox.all(EMAIL)) == mails
    assert not Link.objects.filter(user=user).open().exists()
    assert User.objects.get(pk=user.pk).password == user.password


def test_a_verification_link_of_before_opens_nothing(api: Api, boss: User) -> None:
    """Nor is the address told: whoever signed it up need not be its owner."""
    api.register()
    token = api.mailbox.token()
    mails = len(api.mailbox.all(EMAIL))
    delete(User.objects.get(email=EMAIL), boss)
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": token}))
    assert User.objects.get(email=EMAIL).status == "deleted"
    assert len(api.mailbox.all(EMAIL)) == mails


def test_a_half_done_sign_in_of_before_opens_nothing(api: Api, user: User, boss: User) -> None:
    challenge = api.challenge()
    code = api.mailbox.code()
    delete(user, boss)
    problem("challenge_expired", 410, api.answer(challenge, code))
    assert not Session.objects.filter(user=user).exists()


def test_nothing_that_staff_do_brings_it_back(user: User, boss: User) -> None:
    delete(user, boss)
    since = mark()
    for call in (lifecycle.delete, lifecycle.disable, lifecycle.enable, lifecycle.end_sessions):
        with pytest.raises(Problem, match="conflict"):
            call(target=user, by=boss, reason="because", client=CLIENT)
    assert User.objects.get(pk=user.pk).status == "deleted"
    actions = ("user_deleted", "user_disabled", "user_enabled", "authz_admin")
    assert trail(since) == [(action, "conflict") for action in actions]


def test_a_disabled_account_can_be_deleted(boss: User) -> None:
    user = UserFactory(disabled=True)
    delete(user, boss)
    assert Event.objects.get(action="user_deleted").details["before"] == "disabled"
