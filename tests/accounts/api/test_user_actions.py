"""What staff do to accounts over the API: roles, disabling, lockouts, passwords, factors, invitations."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Challenge, Link, LinkPurpose, Mail, RecoveryCode, TotpDevice, User
from accounts.roles import Role
from audit.models import Event
from sessions_app.models import Session
from tests.accounts.staff import Signed, open_session, person, signed
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    UserFactory,
    bearer,
    code_of,
    give_app,
    mark,
    problem,
    refused_fields,
    trail,
)

pytestmark = [pytest.mark.api, pytest.mark.django_db]

REASON = {"reason": "They asked for it"}
NEW = "another horse battery staple"
ACTIONS = ("disable", "enable", "unlock", "force-password-reset", "reset-factors")


@pytest.fixture
def admin(db: None) -> Signed:
    return signed(Role.ADMIN)


def row(since: int) -> Any:
    """Return the staff row that came last."""
    return Event.objects.filter(pk__gt=since, event_type="ADMIN").latest("pk")


def test_i13_a_role_is_changed_with_a_reason(admin: Signed) -> None:
    jane, since = person(), mark()
    session = open_session(jane)
    answer = admin.patch(f"/users/{jane.pk}/role", REASON | {"role": "moderator"})
    assert (answer.status_code, answer.json()["role"]) == (200, "moderator")
    assert "users.read" in answer.json()["permissions"]
    session.refresh_from_db()
    assert session.revoked_reason == "role_changed"
    told = row(since)
    assert (told.action, told.user_id, told.actor_id) == ("authz_change", str(jane.pk), str(admin.user.pk))
    assert (told.details["before"], told.details["after"]) == ("user", "moderator")
    assert told.details["reason"] == REASON["reason"]
    assert told.details["gained"] == ["audit.read_below", "users.read", "users.sessions.read"]


def test_i04_what_a_change_of_role_is_refused_for(admin: Signed) -> None:
    jane, path = person(), "/users/{}/role"
    for role in ("admin", "super_admin"):
        problem("role_not_allowed", 403, admin.patch(path.format(jane.pk), REASON | {"role": role}))
    problem("role_not_allowed", 403, admin.patch(path.format(person(Role.ADMIN).pk), REASON | {"role": "user"}))
    problem("self_action_forbidden", 403, admin.patch(path.format(admin.user.pk), REASON | {"role": "user"}))
    problem("conflict", 409, admin.patch(path.format(jane.pk), REASON | {"role": "user"}))
    assert refused_fields(admin.patch(path.format(jane.pk), {"role": "root"})) == {
        "#/role": "invalid_choice", "#/reason": "required",
    }  # fmt: skip
    assert refused_fields(admin.patch(path.format(jane.pk), REASON | {"role": 4})) == {"#/role": "invalid"}


def test_i04_the_last_super_admin_stays(db: None) -> None:
    boss, other = signed(Role.SUPER_ADMIN), person(Role.SUPER_ADMIN, disabled=True)
    admin = signed(Role.ADMIN)
    problem("role_not_allowed", 403, admin.delete(f"/users/{boss.user.pk}", REASON))
    second = signed(Role.SUPER_ADMIN)
    assert boss.patch(f"/users/{second.user.pk}/role", REASON | {"role": "admin"}).status_code == 200
    problem("session_revoked", 401, second.get("/users"))
    assert boss.post(f"/users/{other.pk}/enable", REASON).status_code == 200
    assert boss.patch(f"/users/{other.pk}/role", REASON | {"role": "user"}).status_code == 200
    assert User.objects.filter(role=Role.SUPER_ADMIN, is_active=True).count() == 1


def test_disabling_and_enabling(admin: Signed) -> None:
    jane, since = person(), mark()
    session = open_session(jane)
    body = admin.post(f"/users/{jane.pk}/disable", {"reason": "Spam\nfrom here"}).json()
    assert (body["status"], body["disabled"]["reason"], body["disabled"]["by"]) == (
        "disabled", "Spam\nfrom here", str(admin.user.pk),
    )  # fmt: skip
    session.refresh_from_db()
    assert session.revoked_reason == "disabled"
    assert (row(since).action, row(since).details["before"], row(since).details["after"]) == (
        "user_disabled", "active", "disabled",
    )  # fmt: skip
    problem("conflict", 409, admin.post(f"/users/{jane.pk}/disable", REASON))
    body = admin.post(f"/users/{jane.pk}/enable", REASON).json()
    assert (body["status"], body["disabled"]) == ("active", None)
    problem("conflict", 409, admin.post(f"/users/{jane.pk}/enable", REASON))


def test_a_lockout_is_lifted(admin: Signed) -> None:
    jane = person(email=EMAIL)
    problem("conflict", 409, admin.post(f"/users/{jane.pk}/unlock", REASON))
    for _try in range(11):
        admin.login(EMAIL, "wrong, every time")
    assert admin.get(f"/users/{jane.pk}").json()["locked_until"] is not None
    body = admin.post(f"/users/{jane.pk}/unlock", REASON).json()
    assert (body["locked_until"], body["failed_sign_ins"]) == (None, 0)


def test_a_forced_reset_ends_the_password_and_mails_a_link(admin: Signed) -> None:
    jane = UserFactory(email=EMAIL)
    api = Api()
    body = api.sign_in()
    api.post("/auth/password/forgot", {"email": EMAIL})
    early, since = api.mailbox.token(), mark()
    answer = admin.post(f"/users/{jane.pk}/force-password-reset", REASON)
    assert answer.status_code == 200 and answer.json()["status"] == "active"
    problem("session_revoked", 401, api.get("/me", **bearer(body)))
    assert Session.objects.get(user=jane).revoked_reason == "password_reset"
    problem("invalid_credentials", 401, api.login())
    told = row(since)
    assert (told.action, told.actor_id, told.details) == (
        "user_password_reset_forced",
        str(admin.user.pk),
        {**REASON, "before": "set", "after": "none", "sessions_ended": 1},
    )
    mail = api.mailbox.newest()
    assert "put your password out of force" in mail
    problem("token_invalid", 400, api.post("/auth/password/reset", {"token": early, "new_password": NEW}))
    reset = api.post("/auth/password/reset", {"token": api.mailbox.token(), "new_password": NEW})
    assert reset.status_code == 200
    assert api.login(password=NEW).json()["status"] == "otp_required"


def test_a_forced_reset_asks_for_an_app_as_any_reset_does(admin: Signed) -> None:
    jane, api = UserFactory(email=EMAIL, app=True), Api()
    admin.post(f"/users/{jane.pk}/force-password-reset", REASON)
    asked = {"token": api.mailbox.token(), "new_password": NEW}
    problem("factor_required", 403, api.post("/auth/password/reset", asked))
    assert api.post("/auth/password/reset", asked | {"code": code_of(jane)}).status_code == 200


@pytest.mark.parametrize("facts", [{"unverified": True}, {"disabled": True}, {"deleted": True}])
def test_a_reset_is_forced_on_active_accounts_alone(admin: Signed, facts: dict[str, Any]) -> None:
    jane, since = person(**facts), mark()
    problem("conflict", 409, admin.post(f"/users/{jane.pk}/force-password-reset", REASON))
    assert trail(since) == [("user_password_reset_forced", "conflict")]
    assert not Mail.objects.filter(user=jane).exists()


def test_factors_are_taken_away_for_good(admin: Signed) -> None:
    jane = UserFactory(email=EMAIL, app=True)
    api = Api()
    body = api.answer(api.challenge(), code_of(jane), method="totp").json()
    half, since = api.challenge(), mark()
    answer = admin.post(f"/users/{jane.pk}/reset-factors", REASON)
    assert [one["type"] for one in answer.json()["factors"]] == ["email"]
    problem("session_revoked", 401, api.get("/me", **bearer(body)))
    assert Session.objects.get(user=jane).revoked_reason == "factors_changed"
    told = row(since)
    assert (told.action, told.details) == (
        "user_factors_reset", {**REASON, "before": ["totp", "recovery"], "after": [], "sessions_ended": 1},
    )  # fmt: skip
    assert not TotpDevice.objects.filter(user=jane).exists() and not RecoveryCode.objects.filter(user=jane).exists()
    problem("challenge_expired", 410, api.answer(half, "123456", method="totp"))
    assert "From now on we mail you a code" in api.mailbox.newest()
    assert api.sign_in()["user"]["email"] == EMAIL
    problem("conflict", 409, admin.post(f"/users/{jane.pk}/reset-factors", REASON))


def test_staff_whose_factors_were_taken_enrol_anew(db: None) -> None:
    boss, api = signed(Role.SUPER_ADMIN), Api()
    mod = UserFactory(role=Role.MODERATOR, email=EMAIL, app=True)
    assert boss.post(f"/users/{mod.pk}/reset-factors", REASON).json()["factors"] == []
    assert set(Mail.objects.filter(user=mod).values_list("template", flat=True)) == {"factors_reset", "staff_enrolment"}
    assert Link.objects.filter(user=mod, purpose=LinkPurpose.ENROL, open_key__isnull=False).count() == 1
    problem("factor_required", 403, api.login())
    texts = [str(mail.body) for mail in api.mailbox.all(EMAIL)]
    assert any("Another mail has a link" in text for text in texts)
    off = UserFactory(role=Role.MODERATOR, disabled=True, password="!")
    give_app(off)
    assert boss.post(f"/users/{off.pk}/reset-factors", REASON).status_code == 200
    assert set(Mail.objects.filter(user=off).values_list("template", flat=True)) == {"factors_reset"}


@pytest.mark.parametrize("name", ACTIONS)
def test_i13_each_asks_for_a_reason_and_for_nothing_else(admin: Signed, name: str) -> None:
    jane, since = person(), mark()
    path = f"/users/{jane.pk}/{name}"
    for given, code in [({}, "required"), ({"reason": " "}, "blank"), ({"reason": 7}, "invalid")]:
        assert refused_fields(admin.post(path, given)) == {"#/reason": code}
    assert refused_fields(admin.post(path, {"reason": "x" * 501})) == {"#/reason": "max_length"}
    assert refused_fields(admin.post(path, {"reason": "a\u202eb"})) == {"#/reason": "invalid"}
    assert refused_fields(admin.post(path, REASON | {"status": "active"})) == {"#/status": "unknown_field"}
    assert refused_fields(admin.post(f"{path}?reason=x", {})) == {"?reason": "unknown_field"}
    assert trail(since) == []


@pytest.mark.parametrize("name", [*ACTIONS, "role"])
def test_each_asks_for_a_fresh_proof_and_the_role_first(admin: Signed, name: str) -> None:
    jane, moderator, guest = person(), signed(Role.MODERATOR), signed(Role.GUEST)
    path, method = f"/users/{jane.pk}/{name}", "PATCH" if name == "role" else "POST"
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        problem("reauthentication_required", 403, admin.send(method, path, REASON))
        problem("role_not_allowed", 403, moderator.send(method, path, REASON))
        problem("permission_denied", 403, guest.send(method, path, REASON))
    problem("method_not_allowed", 405, admin.get(path))


def test_somebody_is_invited_and_sets_a_password(admin: Signed) -> None:
    since, api = mark(), Api()
    answer = admin.post("/users", {"email": "Jane@Example.com", "display_name": "Jane"})
    body = answer.json()
    assert answer.status_code == 201
    assert (body["email"], body["role"], body["status"], body["display_name"]) == (
        "Jane@Example.com", "user", "inactive", "Jane",
    )  # fmt: skip
    told = Event.objects.get(pk__gt=since, action="user_created")
    assert (told.user_id, told.actor_id, told.details) == (body["id"], str(admin.user.pk), {"role": "user"})
    assert "made an account for you" in api.mailbox.newest("Jane@Example.com")
    problem("invalid_credentials", 401, api.login(EMAIL, "anything at all"))
    with time_machine.travel(timezone.now() + timedelta(hours=71), tick=False):
        done = api.post("/auth/password/reset", {"token": api.mailbox.token("Jane@Example.com"), "new_password": NEW})
    assert done.status_code == 200
    jane = User.objects.get(pk=body["id"])
    assert (jane.status, jane.email_verified, jane.role) == ("active", True, "user")
    assert api.login(EMAIL, NEW).json()["status"] == "otp_required"


def test_d19_an_invitation_works_once_and_its_role_is_fixed(admin: Signed) -> None:
    """D19: single use, within 72 hours; a new one ends the one before."""
    api = Api()
    admin.post("/users", {"email": EMAIL})
    first = api.mailbox.token()
    assert admin.post("/users", {"email": EMAIL}).status_code == 201
    second = api.mailbox.token()
    assert first != second
    problem("token_invalid", 400, api.post("/auth/password/reset", {"token": first, "new_password": NEW}))
    refused = api.post("/auth/password/reset", {"token": second, "new_password": NEW, "role": "admin"})
    assert refused_fields(refused) == {"#/role": "unknown_field"}
    with time_machine.travel(timezone.now() + timedelta(hours=73), tick=False):
        problem("token_expired", 400, api.post("/auth/password/reset", {"token": second, "new_password": NEW}))
    assert api.post("/auth/password/reset", {"token": second, "new_password": NEW}).status_code == 200
    problem("token_used", 400, api.post("/auth/password/reset", {"token": second, "new_password": NEW}))
    problem("conflict", 409, admin.post("/users", {"email": EMAIL}))


def test_staff_are_invited_to_set_up_an_app(admin: Signed) -> None:
    api = Api()
    assert admin.post("/users", {"email": EMAIL, "role": "moderator"}).json()["role"] == "moderator"
    assert "/account/enrol/" in api.mailbox.newest()
    for role in ("admin", "super_admin"):
        problem("role_not_allowed", 403, admin.post("/users", {"email": "other@example.com", "role": role}))
    assert not User.objects.filter(email="other@example.com").exists()
    assert ("authz_fail", "not_permitted") in trail()
    assert signed(Role.SUPER_ADMIN).post("/users", {"email": "o@example.com", "role": "admin"}).status_code == 201


@pytest.mark.parametrize("facts", [{}, {"unverified": True}, {"disabled": True}, {"deleted": True}])
def test_an_address_with_an_account_is_a_conflict(admin: Signed, facts: dict[str, Any]) -> None:
    """Also one that somebody signed up with and never proved: nobody's account becomes another's by an invitation."""
    jane, since = person(email=EMAIL, **facts), mark()
    before = User.objects.values().get(pk=jane.pk)
    problem("conflict", 409, admin.post("/users", {"email": EMAIL.upper(), "role": "moderator", "display_name": "X"}))
    assert User.objects.values().get(pk=jane.pk) == before
    assert trail(since) == [("user_created", "already_registered")]
    assert not Mail.objects.exists()


def test_an_invitation_to_a_higher_role_is_renewed_by_nobody_below(admin: Signed) -> None:
    boss = signed(Role.SUPER_ADMIN)
    boss.post("/users", {"email": EMAIL, "role": "admin"})
    for role in ("user", "moderator"):
        problem("conflict", 409, admin.post("/users", {"email": EMAIL, "role": role}))
    assert User.objects.get(email=EMAIL).role == "admin"
    assert boss.post("/users", {"email": EMAIL, "role": "admin", "display_name": "Jo"}).json()["display_name"] == "Jo"


def test_h01_an_invitation_holds_three_fields(admin: Signed) -> None:
    tried = {"password": PASSWORD, "status": "active", "email_verified": True, "is_staff": True, "reason": "x"}
    answer = admin.post("/users", {"email": EMAIL} | tried)
    assert refused_fields(answer) == {f"#/{name}": "unknown_field" for name in tried}
    assert refused_fields(admin.post("/users", {"email": "x", "role": "root"})) == {
        "#/email": "invalid", "#/role": "invalid_choice",
    }  # fmt: skip
    assert refused_fields(admin.post("/users?limit=1", {"email": EMAIL})) == {"?limit": "unknown_field"}
    assert not User.objects.filter(email=EMAIL).exists() and not Challenge.objects.exists()


def test_every_operation_names_its_answers(db: None) -> None:
    schema = Api().get("/schema?format=json", accept="application/vnd.oai.openapi+json").content
    paths = {path: found for path, found in json.loads(schema)["paths"].items() if "/users/{" in path}
    asked = {
        (path.partition("}")[2], method): set(operation["responses"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in {"get", "post", "patch", "delete"}
    }
    common = {"400", "401", "403", "404", "405", "406", "429", "500", "503"}
    assert asked[("", "get")] == common | {"200"}
    assert asked[("", "delete")] == common | {"204", "409", "413", "415"}
    for name in ACTIONS:
        assert asked[(f"/{name}", "post")] == common | {"200", "409", "413", "415"}
    assert asked[("/role", "patch")] == common | {"200", "409", "413", "415"}
