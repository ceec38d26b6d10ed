"""One permission for one person, for a time: given and taken back by a super admin over the API (F38)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Grant, User
from accounts.roles import MATRIX, Role
from accounts.services import ranks
from audit.models import Event
from gatehouse.client import Client
from tests.accounts.staff import Signed, person, signed
from tests.factories import EMAIL, mark, moment, problem, refused_fields, trail

pytestmark = [pytest.mark.api, pytest.mark.django_db]

REASON = {"reason": "Stands in for a week"}
UNLOCK = REASON | {"permission": "users.unlock"}


@pytest.fixture
def boss(db: None) -> Signed:
    return signed(Role.SUPER_ADMIN)


def path(user: Any) -> str:
    return f"/users/{user.pk}/permissions"


def now(user: Any) -> User:
    return User.objects.get(pk=user.pk)


def test_f38_a_permission_counts_from_the_next_request_on_until_it_is_taken_back(boss: Signed) -> None:
    moderator, jane, since = signed(Role.MODERATOR), person(email=EMAIL), mark()
    for _try in range(11):
        boss.login(EMAIL, "wrong, every time")
    unlock = f"/users/{jane.pk}/unlock"
    problem("role_not_allowed", 403, moderator.post(unlock, REASON))
    answer = boss.post(path(moderator.user), UNLOCK)
    body = answer.json()
    assert answer.status_code == 201
    assert (body["permission"], body["reason"], body["created_by"]) == (
        "users.unlock", REASON["reason"], str(boss.user.pk),
    )  # fmt: skip
    assert moment(body["expires_at"]) - moment(body["created_at"]) == timedelta(days=30)
    assert "users.unlock" in boss.get(f"/users/{moderator.user.pk}").json()["permissions"]
    assert now(moderator.user).has_perm("users.unlock", jane)
    assert moderator.post(unlock, REASON).json()["email"] == "j•••@e•••.com"
    assert boss.delete(path(moderator.user), UNLOCK | {"reason": "The week is over"}).status_code == 204
    problem("role_not_allowed", 403, moderator.post(unlock, REASON))
    assert not now(moderator.user).has_perm("users.unlock")
    rows = Event.objects.filter(pk__gt=since, action__startswith="authz_permission").order_by("pk")
    assert [(row.action, row.event_type, row.user_id, row.actor_id, row.resource) for row in rows] == [
        (f"authz_permission_{done}", "ADMIN", str(moderator.user.pk), str(boss.user.pk), "permission:users.unlock")
        for done in ("granted", "revoked")
    ]
    assert [(row.details["gained"], row.details["lost"], row.details["reason"]) for row in rows] == [
        (["users.unlock"], [], REASON["reason"]),
        ([], ["users.unlock"], "The week is over"),
    ]


def test_what_is_over_counts_no_more(boss: Signed) -> None:
    moderator = person(Role.MODERATOR)
    end = (timezone.now() + timedelta(hours=2)).isoformat()
    assert boss.post(path(moderator), UNLOCK | {"expires_at": end}).status_code == 201
    assert now(moderator).may("users.unlock") and "users.unlock" in now(moderator).permissions
    with time_machine.travel(timezone.now() + timedelta(hours=2, seconds=1), tick=False):
        assert not now(moderator).may("users.unlock") and not now(moderator).has_perm("users.unlock")
        assert "users.unlock" not in now(moderator).permissions
    assert now(moderator).may("users.unlock")


def test_i04_no_grant_changes_a_rank(boss: Signed) -> None:
    """A moderator who may change roles gives those below its own, to those below it, and to nobody else."""
    moderator = signed(Role.MODERATOR)
    for permission in ("users.role", "users.disable"):
        boss.post(path(moderator.user), UNLOCK | {"permission": permission})
    role = "/users/{}/role"
    jane, other = person(), person(Role.MODERATOR)
    problem("role_not_allowed", 403, moderator.patch(role.format(jane.pk), REASON | {"role": "moderator"}))
    assert moderator.patch(role.format(jane.pk), REASON | {"role": "guest"}).json()["role"] == "guest"
    problem("not_found", 404, moderator.post(f"/users/{other.pk}/disable", REASON))
    problem("self_action_forbidden", 403, moderator.post(f"/users/{moderator.user.pk}/disable", REASON))


def test_what_is_given_to_whom(boss: Signed) -> None:
    jane, guest, since = person(), person(Role.GUEST), mark()
    problem("conflict", 409, boss.post(path(jane), UNLOCK))
    problem("conflict", 409, boss.post(path(person(Role.ADMIN)), UNLOCK))
    problem("conflict", 409, boss.post(path(person(Role.MODERATOR, disabled=True)), UNLOCK))
    problem("self_action_forbidden", 403, boss.post(path(boss.user), UNLOCK))
    assert boss.post(path(guest), UNLOCK | {"permission": "account.change"}).status_code == 201
    assert now(guest).may("account.change")
    problem("conflict", 409, boss.post(path(guest), UNLOCK | {"permission": "account.change"}))
    problem("conflict", 409, boss.delete(path(jane), UNLOCK))
    assert ("authz_permission_granted", "conflict") in trail(since)
    assert ("authz_permission_revoked", "conflict") in trail(since)
    assert Grant.objects.count() == 1


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MODERATOR, Role.USER])
def test_nobody_else_gives_or_takes_one(boss: Signed, role: Role) -> None:
    somebody, target = signed(role), person(Role.MODERATOR)
    boss.post(path(target), UNLOCK)
    code = "permission_denied" if role == Role.USER else "role_not_allowed"
    problem(code, 403, somebody.post(path(target), UNLOCK))
    problem(code, 403, somebody.delete(path(target), UNLOCK))
    assert Grant.objects.in_force(timezone.now()).count() == 1


def test_the_shape_of_what_is_sent(boss: Signed) -> None:
    target = person(Role.MODERATOR)
    for given, refused in [
        ({}, {"#/permission": "required", "#/reason": "required"}),
        (UNLOCK | {"permission": "users.grant"}, {"#/permission": "invalid_choice"}),
        (UNLOCK | {"permission": "no.such"}, {"#/permission": "invalid_choice"}),
        (UNLOCK | {"expires_at": "soon"}, {"#/expires_at": "invalid"}),
        (UNLOCK | {"expires_at": "2020-01-01T00:00:00Z"}, {"#/expires_at": "invalid"}),
        (UNLOCK | {"expires_at": "2126-01-01T00:00:00Z"}, {"#/expires_at": "invalid"}),
        (UNLOCK | {"role": "admin"}, {"#/role": "unknown_field"}),
    ]:
        assert refused_fields(boss.post(path(target), given)) == refused, given
    assert refused_fields(boss.delete(path(target))) == {"#/permission": "required", "#/reason": "required"}
    assert boss.post(path(target), UNLOCK).status_code == 201
    assert boss.delete(f"{path(target)}?permission=users.unlock&reason=Over").status_code == 204
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        problem("reauthentication_required", 403, boss.post(path(target), UNLOCK))


def test_a_lower_role_ends_what_was_given(boss: Signed) -> None:
    """What was given to a moderator is not there again when the person becomes one again."""
    moderator = person(Role.MODERATOR)
    boss.post(path(moderator), UNLOCK)
    since = mark()
    assert boss.patch(f"/users/{moderator.pk}/role", REASON | {"role": "user"}).status_code == 200
    assert trail(since) == [("authz_permission_revoked",), ("authz_change",)]
    ranks.change_role(
        target=now(moderator), by=boss.user, role=Role.MODERATOR, reason="Back", client=Client.local("test")
    )
    assert not now(moderator).may("users.unlock")


def test_a_row_that_a_demotion_forgot_would_count_for_nothing(boss: Signed) -> None:
    """Whatever stands in the table: what is for staff is held by staff."""
    jane = person()
    facts = {"created_at": timezone.now(), "expires_at": timezone.now() + timedelta(days=1), "created_by": "x"}
    Grant.objects.create(user=jane, permission="users.read", reason="x", **facts)
    assert not jane.may("users.read") and jane.permissions == MATRIX[Role.USER]
    problem("permission_denied", 403, Signed(jane).get("/users"))
    assert "users.read" not in boss.get(f"/users/{jane.pk}").json()["permissions"]


def test_what_is_over_is_cleaned_up_later(boss: Signed) -> None:
    boss.post(path(person(Role.MODERATOR)), UNLOCK)
    with time_machine.travel(timezone.now() + timedelta(days=59), tick=False):
        call_command("cleanup", "--only", "grants", verbosity=0)
        assert Grant.objects.count() == 1
    with time_machine.travel(timezone.now() + timedelta(days=61), tick=False):
        call_command("cleanup", "--only", "grants", verbosity=0)
        assert Grant.objects.count() == 0
