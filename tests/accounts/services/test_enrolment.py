"""An invitation, a password, an app: every step with its record."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from accounts.models import Link, Mail, RecoveryCode, Status, TotpDevice, User
from accounts.roles import Role
from accounts.services import enrolment, ranks
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from tests.factories import EMAIL, PASSWORD, Api, UserFactory, bearer, mark, problem, shown_by, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
CLIENT = Client.local("test")


def invite(**more: Any) -> str:
    asked = {"email": EMAIL, "role": Role.ADMIN, "actor": Actor.command(), "client": CLIENT} | more
    return enrolment.invite_staff(**asked).url.rpartition("/")[2]


def refusal(call: Any, **given: Any) -> str:
    with pytest.raises(Problem) as caught:
        call(client=CLIENT, **given)
    return caught.value.code


def test_staff_enrol_step_by_step_and_each_step_is_recorded() -> None:
    token = invite()
    user = User.objects.get()
    assert (user.status, user.role, user.is_staff, user.has_usable_password() and bool(user.password)) == (
        Status.INACTIVE,
        "admin",
        True,
        False,
    )
    enrolment.set_password(token=token, password=PASSWORD, client=CLIENT)
    held, codes = enrolment.finish(token=token, code=shown_by(TotpDevice.objects.get()), client=CLIENT)
    assert (held.status, held.email_verified, len(codes), len(set(codes))) == (Status.ACTIVE, True, 10, 10)
    assert trail() == [
        ("user_created",),
        ("authn_factor_change",),
        ("authn_factor_change",),
        ("authn_factor_change",),
        ("authn_factor_change",),
        ("user_enrolled",),
    ]
    changes = Event.objects.filter(action="authn_factor_change").order_by("id")
    assert [(event.details["factor"], event.details["change"]) for event in changes] == [
        ("password", "set"),
        ("totp", "begun"),
        ("totp", "added"),
        ("recovery", "made"),
    ]
    assert Api().login().json()["challenge"]["method"] == "totp"
    assert refusal(enrolment.finish, token=token, code="000000") == "token_used"


def test_a_wrong_code_changes_nothing_and_is_recorded() -> None:
    token = invite()
    enrolment.set_password(token=token, password=PASSWORD, client=CLIENT)
    since = mark()
    assert refusal(enrolment.finish, token=token, code="000000") == "otp_invalid"
    assert trail(since) == [("user_enrolled", "code_wrong")]
    assert User.objects.get().status == Status.INACTIVE and not RecoveryCode.objects.exists()
    code = shown_by(TotpDevice.objects.get())
    assert enrolment.finish(token=token, code=code, client=CLIENT)[0].status == Status.ACTIVE


def test_no_step_comes_before_its_turn() -> None:
    token = invite()
    assert refusal(enrolment.finish, token=token, code="123456") == "token_invalid"
    assert refusal(enrolment.set_password, token="x" * 43, password=PASSWORD) == "token_invalid"
    assert refusal(enrolment.set_password, token=token, password="short") == "validation_failed"
    with time_machine.travel(timezone.now() + timedelta(hours=72)):
        assert refusal(enrolment.set_password, token=token, password=PASSWORD) == "token_expired"


def test_a_link_of_one_purpose_opens_nothing_else() -> None:
    token = invite()
    answer = Api().post("/auth/verify-email", {"token": token})
    assert answer.json()["code"] == "token_invalid"
    api = Api()
    api.register("other@example.com")
    assert refusal(enrolment.set_password, token=api.mailbox.token("other@example.com"), password=PASSWORD)


def test_the_password_of_an_enrolment_closes_a_link_that_resets_it() -> None:
    user, boss = UserFactory(email=EMAIL), UserFactory(role="super_admin")
    ranks.change_role(target=user, by=boss, role=Role.ADMIN, reason="She runs the desk.", client=CLIENT)
    api = Api()
    token = api.mailbox.token()
    api.post("/auth/password/forgot", {"email": EMAIL})
    assert api.mailbox.token() != token
    assert {link.purpose for link in Link.objects.open()} == {"enrol", "reset"}
    enrolment.set_password(token=token, password="a long and quiet river", client=CLIENT)
    assert {link.purpose for link in Link.objects.open()} == {"enrol"}


def test_v7_4_3_an_enrolment_of_an_account_in_use_ends_its_sessions() -> None:
    """A session that somebody opened before knows neither the password nor the app."""
    user, api = UserFactory(email=EMAIL), Api()
    body = api.sign_in()
    user.set_role(Role.MODERATOR)
    user.save()
    with transaction.atomic():
        enrolment.offer(user=user, client=CLIENT, now=timezone.now())
    token, before = api.mailbox.token(), Session.objects.get()
    assert before.revoked_at is None
    enrolment.set_password(token=token, password="a long and quiet river", client=CLIENT)
    before.refresh_from_db()
    assert before.revoked_reason == RevokeReason.PASSWORD_RESET
    problem("session_revoked", 401, api.get("/auth/session", **bearer(body)))
    Session.objects.update(revoked_at=None, revoked_reason="")  # one that was opened between the two steps
    enrolment.finish(token=token, code=shown_by(TotpDevice.objects.get()), client=CLIENT)
    before.refresh_from_db()
    assert before.revoked_reason == RevokeReason.FACTORS_CHANGED


@pytest.mark.parametrize("email", ["nonsense", "a@b", ""])
def test_an_invitation_needs_an_address(email: str) -> None:
    assert refusal(enrolment.invite_staff, email=email, role=Role.ADMIN, actor=Actor.command()) == "validation_failed"
    assert refusal(enrolment.invite_staff, email=EMAIL, role=Role.USER, actor=Actor.command()) == "validation_failed"
    assert not User.objects.exists()


def test_createadmin_prints_the_address_and_mails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("createadmin", EMAIL)
    out = capsys.readouterr().out
    token = out.strip().rpartition("/")[2]
    assert enrolment.peek(token).role == "super_admin"
    assert not Mail.objects.exists()
    event = Event.objects.get()
    assert (event.action, event.event_type, event.actor_type) == ("user_created", "ADMIN", "command")
    assert token not in str(Event.objects.values())


def test_createadmin_does_not_touch_an_account_in_use() -> None:
    UserFactory(email=EMAIL)
    with pytest.raises(CommandError, match="has an account"):
        call_command("createadmin", EMAIL)
