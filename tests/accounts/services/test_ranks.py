"""A role that changes: what ends, what goes on, what is recorded, and how somebody who becomes staff gets in."""

import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Challenge, LinkPurpose, Mail, Status, TotpDevice, User
from accounts.roles import Role
from accounts.services import enrolment, gate, lifecycle, ranks
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    code_of,
    give_app,
    mark,
    problem,
    shown_by,
    trail,
)

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]
CLIENT = Client.local("test")
NEW = "another horse battery staple"


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def boss(db: None) -> User:
    return UserFactory(role=Role.SUPER_ADMIN)


def change(target: User, boss: User, role: Role | str, reason: str = "New duties") -> User:
    return ranks.change_role(target=target, by=boss, role=role, reason=reason, client=CLIENT)


def refusal(target: User, boss: User, role: Role | str) -> str:
    with pytest.raises(Problem) as caught:
        change(target, boss, role)
    return caught.value.code


def sign_in(api: Api, user: User) -> dict[str, Any]:
    if not TotpDevice.objects.filter(user=user, confirmed=True).exists():
        return api.sign_in(user.email)
    answer = api.answer(api.challenge(user.email), code_of(user))
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        (Role.GUEST, Role.USER, False),
        (Role.USER, Role.GUEST, True),
        (Role.USER, Role.MODERATOR, True),
        (Role.GUEST, Role.SUPER_ADMIN, True),
        (Role.MODERATOR, Role.ADMIN, False),
        (Role.ADMIN, Role.SUPER_ADMIN, False),
        (Role.ADMIN, Role.MODERATOR, True),
        (Role.SUPER_ADMIN, Role.ADMIN, True),
        (Role.MODERATOR, Role.USER, True),
    ],
)
def test_e06_what_a_change_of_role_does_to_sessions(
    api: Api, boss: User, before: Role, after: Role, ends: bool
) -> None:
    """E06: a session that goes on carries the new role at its next request and at its next refresh."""
    user = UserFactory(role=before, app=before not in (Role.GUEST, Role.USER))
    body = sign_in(api, user)
    change(user, boss, after)
    seen = api.get("/auth/session", authorization=f"Bearer {body['access_token']}")
    fresh = api.post("/auth/refresh", {"refresh_token": body["refresh_token"]})
    if ends:
        problem("session_revoked", 401, seen)
        problem("session_revoked", 401, fresh)
        assert Session.objects.get(user=user).revoked_reason == "role_changed"
    else:
        assert seen.json()["user"]["role"] == after
        again = api.get("/auth/session", authorization=f"Bearer {fresh.json()['access_token']}")
        assert again.json()["user"]["role"] == after
    row = Event.objects.get(action="authz_change")
    assert row.details["sessions_ended"] == int(ends)


def test_i13_a_change_of_role_is_recorded_with_what_it_gained_and_lost(boss: User) -> None:
    """Before and after, and the permissions between them."""
    user = UserFactory(role=Role.MODERATOR, app=True)
    change(user, boss, Role.USER, "Left the team")
    row = Event.objects.get(action="authz_change")
    assert (row.event_type, row.user_id, row.actor_id, row.success) == ("ADMIN", str(user.pk), str(boss.pk), True)
    assert row.details == {
        "reason": "Left the team",
        "before": "moderator",
        "after": "user",
        "gained": [],
        "lost": ["audit.read_below", "users.read", "users.sessions.read"],
        "sessions_ended": 0,
    }
    change(user, boss, Role.MODERATOR)
    again = Event.objects.filter(action="authz_change").latest("pk").details
    assert (again["gained"], again["lost"]) == (["audit.read_below", "users.read", "users.sessions.read"], [])


def test_what_a_change_of_role_cannot_be(boss: User) -> None:
    since = mark()
    assert refusal(UserFactory(), boss, Role.USER) == "conflict"
    assert refusal(UserFactory(deleted=True), boss, Role.GUEST) == "conflict"
    assert refusal(UserFactory(disabled=True), boss, Role.ADMIN) == "conflict"
    assert trail(since) == [("authz_change", "conflict")] * 3
    for unknown in ("", "root", "Super_Admin", "super_admin\n"):
        assert refusal(UserFactory(), boss, unknown) == "validation_failed"


def test_a_disabled_account_can_be_given_less(boss: User) -> None:
    user = UserFactory(role=Role.ADMIN, app=True, disabled=True)
    change(user, boss, Role.USER)
    lowered = User.objects.get(pk=user.pk)
    assert (lowered.role, lowered.is_staff, lowered.status) == ("user", False, "disabled")


def test_a_half_done_sign_in_of_before_opens_nothing_for_new_staff(api: Api, boss: User) -> None:
    user = UserFactory(email=EMAIL)
    challenge = api.challenge()
    code = Mailbox().code()
    change(user, boss, Role.ADMIN)
    problem("challenge_expired", 410, api.answer(challenge, code))
    assert not Session.objects.filter(user=user).exists()


def test_trust_of_before_is_gone_for_good(api: Api, boss: User) -> None:
    """Neither as staff, nor as a user again, does a device that was trusted before stand in for a code."""
    user = UserFactory(email=EMAIL)
    token = api.sign_in(trust_device=True)["trust_token"]
    change(user, boss, Role.MODERATOR)
    assert not Device.objects.filter(user=user, trusted_until__isnull=False).exists()
    change(user, boss, Role.USER)
    assert api.login(trust_token=token).json()["status"] == "otp_required"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_password_compared_before_the_change_opens_nothing_after_it(
    api: Api, boss: User, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    """The gate judged by the role of then: a trusted device, or a mailed code, was enough for it."""
    user = UserFactory(email=EMAIL)
    token = api.sign_in(trust_device=True)["trust_token"] if trusted else None
    judged = gate.may_enter

    def overtaken(**given: Any) -> Any:
        entry = judged(**given)
        change(user, boss, Role.ADMIN)
        return entry

    monkeypatch.setattr("accounts.services.sign_in.may_enter", overtaken)
    Challenge.objects.all().delete()
    more = {"trust_token": token} if token else {}
    problem("invalid_credentials", 401, api.login(**more))
    assert not Session.objects.filter(user=user, revoked_at=None).exists() and not Challenge.objects.exists()


def test_who_becomes_staff_without_an_app_enrols_by_the_mailed_link(api: Api, boss: User) -> None:
    user = UserFactory(email=EMAIL)
    change(user, boss, Role.MODERATOR)
    problem("factor_required", 403, api.login())
    found = re.search(r"/account/enrol/([\w-]{43})", Mailbox().newest())
    assert found
    assert enrolment.peek(found[1]).pk == user.pk
    assert enrolment.pending(found[1]) is None
    enrolment.set_password(token=found[1], password=NEW, client=CLIENT)
    problem("factor_required", 403, api.login(password=NEW))
    device = TotpDevice.objects.get(user=user)
    held, codes = enrolment.finish(token=found[1], code=shown_by(device), client=CLIENT)
    assert (held.status, held.role, len(codes)) == (Status.ACTIVE, Role.MODERATOR, 10)
    assert api.login(password=NEW).json()["challenge"]["method"] == "totp"
    problem("invalid_credentials", 401, api.login(password=PASSWORD))
    with pytest.raises(Problem, match="token_used"):
        enrolment.peek(found[1])
    assert list(Mail.objects.order_by("pk").values_list("template", flat=True)) == [
        "staff_enrolment",
        "password_changed",
        "factor_added",
    ]


def test_who_has_an_app_needs_no_link(api: Api, boss: User) -> None:
    user = UserFactory(email=EMAIL, app=True)
    change(user, boss, Role.ADMIN)
    assert not Mail.objects.exists() and not user.links.exists()
    assert api.login().json()["challenge"]["method"] == "totp"


def test_an_app_that_was_begun_before_is_not_offered_to_new_staff(boss: User) -> None:
    """Whoever sat in an open session has seen its key."""
    user = UserFactory()
    give_app(user)
    TotpDevice.objects.filter(user=user).update(confirmed=False, confirmed_at=None)
    change(user, boss, Role.ADMIN)
    assert not TotpDevice.objects.filter(user=user).exists()


def test_an_address_that_nobody_proved_becomes_staff_like_an_invitation(api: Api, boss: User) -> None:
    """What a stranger signed up with opens nothing: neither the password nor the link of then."""
    assert api.register(display_name="Mallory").status_code == 202
    stranger = api.mailbox.token()
    user = User.objects.get(email=EMAIL)
    change(user, boss, Role.ADMIN)
    after = User.objects.get(pk=user.pk)
    assert (after.password, after.display_name, after.status) == ("", "", Status.INACTIVE)
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": stranger}))
    assert enrolment.peek(api.mailbox.token()).pk == user.pk


def test_the_link_dies_with_the_role_and_with_the_account(boss: User) -> None:
    for end in (
        lambda user: change(user, boss, Role.USER),
        lambda user: lifecycle.disable(target=user, by=boss, reason="because", client=CLIENT),
        lambda user: lifecycle.delete(target=user, by=boss, reason="because", client=CLIENT),
    ):
        user = UserFactory()
        change(user, boss, Role.ADMIN)
        token, held = Mailbox().token(user.email), User.objects.get(pk=user.pk)
        assert enrolment.peek(token).pk == user.pk
        end(user)
        with pytest.raises(Problem, match="token_invalid"):
            enrolment.set_password(token=token, password=NEW, client=CLIENT)
        assert not user.links.filter(purpose=LinkPurpose.ENROL).open().exists()
        assert User.objects.get(pk=user.pk).password == held.password


def test_a_lost_enrolment_link_is_made_anew_for_the_same_role_only(
    boss: User, capsys: pytest.CaptureFixture[str]
) -> None:
    user = UserFactory(email=EMAIL)
    change(user, boss, Role.MODERATOR)
    first = Mailbox().token()
    with pytest.raises(CommandError, match="has an account"):
        call_command("createadmin", EMAIL, "--role", "super_admin")
    assert User.objects.get(pk=user.pk).role == "moderator"
    capsys.readouterr()
    call_command("createadmin", EMAIL, "--role", "moderator")
    second = capsys.readouterr().out.strip().rpartition("/")[2]
    assert enrolment.peek(second).pk == user.pk
    with pytest.raises(Problem, match="token_invalid"):
        enrolment.peek(first)
    give_app(user)
    with pytest.raises(Problem, match="token_invalid"):
        enrolment.peek(second)
    with pytest.raises(CommandError, match="has an account"):
        call_command("createadmin", EMAIL, "--role", "moderator")
