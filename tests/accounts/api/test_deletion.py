"""/me/deletion: giving up one's account, and keeping it after all."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Link, LinkPurpose, Mail, Status, User
from accounts.roles import Role
from accounts.services import lifecycle
from audit.models import Event
from gatehouse.client import Client
from sessions_app.models import Session
from tests.accounts.leaving import GRACE, ask, erase_due, fresh, keep, leaving
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    bearer,
    give_app,
    mark,
    moment,
    problem,
    refused_fields,
    trail,
)

SECOND = timedelta(seconds=1)
CLIENT = Client.local("test")


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


def undo(token: Any) -> Any:
    return Api(user_agent="curl/8").post("/auth/deletion/undo", {"token": token})


def test_asking_says_when_and_changes_nothing_yet(api: Api, user: User) -> None:
    body = api.sign_in()
    since = mark()
    answer = ask(api, body)
    assert answer.status_code == 202
    assert set(answer.json()) == {"erases_at"}
    at = fresh(user).erase_at
    assert at is not None and abs(at - timezone.now() - GRACE) < timedelta(minutes=1)
    assert abs(moment(answer.json()["erases_at"]) - at) < SECOND
    assert trail(since) == [("user_deletion_requested",)]
    row = Event.objects.get(action="user_deletion_requested")
    assert (row.event_type, row.user_id, row.actor_id) == ("USER_MANAGEMENT", str(user.pk), str(user.pk))
    assert (row.email, row.session_id, set(row.details)) == (None, body["session"]["id"], {"erase_at"})
    assert fresh(user).status == Status.ACTIVE
    assert api.get("/auth/session", **bearer(body)).status_code == 200
    assert api.post("/auth/refresh", {"refresh_token": body["refresh_token"]}).status_code == 200
    assert Api().sign_in()["status"] == "authenticated"


def test_the_mail_says_until_when_and_carries_the_link(api: Api, user: User, mailbox: Mailbox) -> None:
    body = api.sign_in()
    at = moment(ask(api, body).json()["erases_at"])
    mail = mailbox.all(EMAIL)[-1]
    assert mail.subject == "Your Gatehouse account will be erased"
    text = str(mail.body)
    assert f"Nothing happens before {at:%-d %B %Y, %H:%M} UTC" in text
    assert f"\nhttp://testserver/account/delete/undo/{mailbox.token()}\n" in text
    assert "\nhttp://testserver/account/password/reset\n" in text
    assert "192.0.2.7" in text


def test_asking_twice_moves_nothing_and_mails_once(api: Api, user: User, mailbox: Mailbox) -> None:
    body = api.sign_in()
    first = ask(api, body).json()
    since = mark()
    with time_machine.travel(timezone.now() + timedelta(seconds=90), tick=False):
        assert ask(api, body).json() == first
    assert trail(since) == []
    assert mailbox.subjects(EMAIL).count("Your Gatehouse account will be erased") == 1


def test_v753_it_wants_a_fresh_proof_of_identity(api: Api, user: User) -> None:
    body = api.sign_in()
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=5, seconds=1))
    problem("reauthentication_required", 403, ask(api, body))
    problem("reauthentication_required", 403, keep(api, body))
    problem("not_authenticated", 401, api.post("/me/deletion"))
    problem("access_invalid", 401, api.post("/me/deletion", authorization="Bearer x.y.z"))
    assert fresh(user).erase_at is None
    api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(body))
    assert ask(api, body).status_code == 202


def test_v753_where_an_app_is_set_up_the_proof_is_made_with_it(api: Api, user: User) -> None:
    body = api.sign_in()
    recovery = give_app(user)
    assert problem("factor_required", 403, ask(api, body)) == {"methods": ["totp", "recovery"]}
    assert fresh(user).erase_at is None
    proof = {"password": PASSWORD, "method": "recovery", "code": recovery[0]}
    assert api.post("/auth/reauthenticate", proof, **bearer(body)).status_code == 200
    assert ask(api, body).status_code == 202
    give_app(user)
    assert keep(api, body).status_code == 204


def test_a_body_with_anything_in_it_is_refused(api: Api, user: User) -> None:
    body = api.sign_in()
    assert refused_fields(ask(api, body, reason="bored")) == {"#/reason": "unknown_field"}
    for method in ("GET", "PUT", "PATCH"):
        problem("method_not_allowed", 405, api.send(method, "/me/deletion", None, **bearer(body)))
    assert fresh(user).erase_at is None


def test_undoing_keeps_the_account_and_closes_the_link(api: Api, user: User, mailbox: Mailbox) -> None:
    body = api.sign_in()
    ask(api, body)
    token = mailbox.token()
    since = mark()
    answer = keep(api, body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert fresh(user).erase_at is None
    assert trail(since) == [("user_deletion_undone",)]
    assert mailbox.all(EMAIL)[-1].subject == "Your Gatehouse account stays"
    problem("token_invalid", 400, undo(token))
    assert trail(since)[1:] == [("user_deletion_undone", "token_superseded")]
    assert erase_due(timedelta(days=400)) == 0
    assert api.sign_in()["status"] == "authenticated"


def test_undoing_what_nobody_asked_for_does_nothing(api: Api, user: User) -> None:
    body = api.sign_in()
    since = mark()
    assert keep(api, body).status_code == 204
    assert trail(since) == [] and not Mail.objects.filter(template="deletion_undone").exists()


def test_asked_undone_and_asked_again_begins_anew(api: Api, user: User, mailbox: Mailbox) -> None:
    body = api.sign_in()
    ask(api, body)
    first = mailbox.token()
    keep(api, body)
    ask(api, body)
    second = mailbox.token()
    assert first != second
    problem("token_invalid", 400, undo(first))
    assert fresh(user).erase_at is not None
    assert undo(second).json() == {"status": "done"}


def test_it_is_too_late_once_the_account_is_due(api: Api, user: User, mailbox: Mailbox) -> None:
    leaving()
    token = mailbox.token()
    at = fresh(user).erase_at
    assert at is not None
    with time_machine.travel(at - SECOND, tick=False):
        body = Api().sign_in()
    since = mark()
    with time_machine.travel(at, tick=False):
        assert problem("conflict", 409, keep(api, body)) == {}
        problem("token_expired", 400, undo(token))
    assert trail(since) == [("user_deletion_undone", "conflict"), ("user_deletion_undone", "token_expired")]
    assert fresh(user).erase_at == at


def test_d03_the_link_works_until_the_last_second_without_signing_in(user: User, mailbox: Mailbox) -> None:
    leaving()
    token = mailbox.token()
    at = fresh(user).erase_at
    assert at is not None
    with time_machine.travel(at - timedelta(milliseconds=1), tick=False):
        assert undo(token).json() == {"status": "done"}
    row = Event.objects.get(action="user_deletion_undone")
    assert (row.actor_type, row.user_id, row.success) == ("anonymous", str(user.pk), True)
    assert fresh(user).erase_at is None
    assert Session.objects.filter(user=user).count() == 1  # nobody was signed in, or out


def test_d01_a_link_works_once(user: User, mailbox: Mailbox) -> None:
    leaving()
    token = mailbox.token()
    assert undo(token).status_code == 200
    leaving()  # again: the used link does not undo the second one
    problem("token_used", 400, undo(token))
    assert fresh(user).erase_at is not None


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.swapcase(), lambda t: "x" * 43])
def test_d04_a_token_that_was_cut_or_made_up_is_refused(user: User, mailbox: Mailbox, spoil: Any) -> None:
    leaving()
    problem("token_invalid", 400, undo(spoil(mailbox.token())))
    assert fresh(user).erase_at is not None
    assert trail()[-1] == ("user_deletion_undone", "token_invalid")


def test_d06_a_link_of_another_purpose_does_not_undo_and_this_one_does_nothing_else(
    api: Api, user: User, mailbox: Mailbox
) -> None:
    leaving()
    mine = mailbox.token()
    api.post("/auth/password/forgot", {"email": EMAIL})
    other = mailbox.token()
    problem("token_invalid", 400, undo(other))
    new = {"new_password": "a long and quiet river"}
    problem("token_invalid", 400, api.post("/auth/password/reset", {"token": mine} | new))
    for path in ("/auth/verify-email", "/auth/disavow"):
        problem("token_invalid", 400, api.post(path, {"token": mine}))
    assert undo(mine).status_code == 200


def test_a_new_password_does_not_close_the_link(api: Api, user: User, mailbox: Mailbox) -> None:
    """Whoever came in by a stolen password, and asked, must not be able to take the owner's way back."""
    body = api.sign_in()
    ask(api, body)
    token = mailbox.token()
    change = {"current_password": PASSWORD, "new_password": "a long and quiet river"}
    assert api.post("/me/password", change, **bearer(body)).status_code == 200
    api.post("/auth/password/forgot", {"email": EMAIL})
    reset = {"token": mailbox.token(), "new_password": "another long and quiet river"}
    assert api.post("/auth/password/reset", reset).status_code == 200
    assert undo(token).status_code == 200


def test_an_account_that_staff_disabled_is_still_kept_by_the_link_and_stays_disabled(
    user: User, mailbox: Mailbox
) -> None:
    leaving()
    token = mailbox.token()
    boss = UserFactory(role=Role.SUPER_ADMIN)
    lifecycle.disable(target=user, by=boss, reason="because", client=CLIENT)
    assert fresh(user).erase_at is not None
    assert undo(token).status_code == 200
    assert (fresh(user).status, fresh(user).erase_at) == (Status.DISABLED, None)


def test_what_staff_deleted_no_link_keeps_and_the_earlier_moment_holds(user: User, mailbox: Mailbox) -> None:
    leaving()
    token, at = mailbox.token(), fresh(user).erase_at
    boss = UserFactory(role=Role.SUPER_ADMIN)
    with time_machine.travel(timezone.now() + timedelta(days=3), tick=False):
        lifecycle.delete(target=user, by=boss, reason="because", client=CLIENT)
    assert fresh(user).erase_at == at
    problem("token_invalid", 400, undo(token))
    assert fresh(user).status == Status.DELETED


def test_an_ended_session_asks_for_nothing(api: Api, user: User) -> None:
    body = api.sign_in()
    api.post("/auth/logout", {"refresh_token": body["refresh_token"]})
    problem("session_revoked", 401, ask(api, body))
    assert fresh(user).erase_at is None


def test_i04_the_last_super_admin_cannot_go(api: Api, db: None) -> None:
    boss = UserFactory(email=EMAIL, role=Role.SUPER_ADMIN, app=True)
    body = api.answer(api.challenge(), boss.recovery[0], method="recovery").json()
    since = mark()
    problem("conflict", 409, ask(api, body))
    assert trail(since) == [("user_deletion_requested", "conflict")]
    assert fresh(boss).erase_at is None and not Link.objects.filter(purpose=LinkPurpose.UNDO_DELETION).exists()
    UserFactory(role=Role.SUPER_ADMIN)
    assert ask(api, body).status_code == 202
