"""I04, SECURITY.md: who may do what to whom, role by role, through the services that staff use."""

from itertools import product
from typing import Any

import pytest

from accounts.models import Mail, Status, User
from accounts.roles import RANK, Role, can_give_role, can_manage
from accounts.services import authority, lifecycle, ranks
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from tests.factories import UserFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
CLIENT = Client.local("test")
EVERY = tuple(Role)
PAIRS = list(product(EVERY, EVERY))

# Written out, not computed: whom each role may manage, and which roles it may give.
BELOW_ADMIN = {Role.MODERATOR, Role.USER, Role.GUEST}
MANAGES = {Role.SUPER_ADMIN: set(EVERY), Role.ADMIN: BELOW_ADMIN}
GIVES = {Role.SUPER_ADMIN: set(EVERY), Role.ADMIN: BELOW_ADMIN}


def outcome(call: Any, **given: Any) -> str:
    """Return the code of the refusal, or "done"."""
    try:
        call(reason="because", client=CLIENT, **given)
    except Problem as problem:
        return problem.code
    return "done"


@pytest.mark.parametrize(("actor", "role"), PAIRS)
def test_i04_which_roles_may_be_given(actor: Role, role: Role) -> None:
    assert can_give_role(UserFactory.build(role=actor), role) is (role in GIVES.get(actor, set()))


@pytest.mark.parametrize(("actor", "target"), PAIRS)
def test_i04_every_role_meets_every_other(actor: Role, target: Role) -> None:
    """Disabling, deleting, ending sessions and giving each role, by each of five roles to each of five."""
    boss = UserFactory(role=actor)
    allowed = target in MANAGES.get(actor, set())
    for act in (lifecycle.disable, lifecycle.delete, lifecycle.end_sessions):
        person = UserFactory(role=target)
        assert outcome(act, target=person, by=boss) == ("done" if allowed else "role_not_allowed"), act
    for role in EVERY:
        person = UserFactory(role=target)
        said = outcome(ranks.change_role, target=person, by=boss, role=role)
        after = User.objects.get(pk=person.pk)
        if not allowed or role not in GIVES[actor]:
            assert (said, after.role) == ("role_not_allowed", target), role
        elif role == target:
            assert (said, after.role) == ("conflict", target), role
        else:
            assert (said, after.role, after.is_staff) == ("done", role, RANK[role] >= 2), role


@pytest.mark.parametrize("actor", EVERY)
def test_i04_nobody_acts_on_himself(actor: Role) -> None:
    UserFactory(role=Role.SUPER_ADMIN)
    myself = UserFactory(role=actor)
    for role in EVERY:
        assert outcome(ranks.change_role, target=myself, by=myself, role=role) == "self_action_forbidden"
    for act in (lifecycle.disable, lifecycle.enable, lifecycle.delete, lifecycle.end_sessions):
        assert outcome(act, target=myself, by=myself) == "self_action_forbidden"
    unchanged = User.objects.get(pk=myself.pk)
    assert (unchanged.role, unchanged.status) == (actor, Status.ACTIVE)
    assert set(Event.objects.values_list("action", "failure_reason")) == {("authz_fail", "self_action")}


def test_i04_a_refusal_says_what_was_wanted() -> None:
    admin, person = UserFactory(role=Role.ADMIN), UserFactory()
    assert outcome(ranks.change_role, target=person, by=admin, role="super_admin") == "role_not_allowed"
    row = Event.objects.get()
    assert (row.action, row.success, row.user_id, row.actor_id) == ("authz_fail", False, str(person.pk), str(admin.pk))
    assert (row.resource, row.details["permission"]) == ("role:super_admin", "users.role")
    assert not Mail.objects.exists()


def test_i04_who_asks_is_read_anew() -> None:
    """A request that believes its actor to be what they were a moment ago does nothing more in their name."""
    person = UserFactory()
    for change in ({"role": "user", "is_staff": False}, {"status": "disabled", "is_active": False}):
        stale = UserFactory(role=Role.ADMIN)
        User.objects.filter(pk=stale.pk).update(**change)
        assert outcome(lifecycle.delete, target=person, by=stale) == "role_not_allowed"
        assert outcome(ranks.change_role, target=person, by=stale, role=Role.GUEST) == "role_not_allowed"


def test_i04_whom_it_meets_is_read_anew() -> None:
    admin, stale = UserFactory(role=Role.ADMIN), UserFactory()
    User.objects.filter(pk=stale.pk).update(role="super_admin", is_staff=True)
    assert outcome(lifecycle.delete, target=stale, by=admin) == "role_not_allowed"


@pytest.mark.parametrize("act", ["disable", "delete", "demote"])
def test_i04_the_last_super_admin_stays_one(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """The other one, who asks, loses that role between the first look and the lock."""
    boss, last = UserFactory(role=Role.SUPER_ADMIN), UserFactory(role=Role.SUPER_ADMIN)
    look = authority._super_admins

    def overtaken() -> Any:
        found = look()
        User.objects.filter(pk=boss.pk).update(role="admin")
        return found

    monkeypatch.setattr(authority, "_super_admins", overtaken)
    match act:
        case "demote":
            said = outcome(ranks.change_role, target=last, by=boss, role=Role.ADMIN)
        case _other:
            said = outcome(getattr(lifecycle, act), target=last, by=boss)
    unchanged = User.objects.get(pk=last.pk)
    assert (said, unchanged.role, unchanged.status) == ("conflict", Role.SUPER_ADMIN, Status.ACTIVE)
    assert Event.objects.get().failure_reason == "conflict"


def test_somebody_who_was_erased_meanwhile_is_not_found() -> None:
    admin, gone = UserFactory(role=Role.ADMIN), UserFactory()
    User.objects.filter(pk=gone.pk).delete()
    assert outcome(lifecycle.disable, target=gone, by=admin) == "not_found"


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "a\u202eb"])
def test_i13_nothing_is_done_without_a_reason(reason: str) -> None:
    boss, person = UserFactory(role=Role.SUPER_ADMIN), UserFactory()
    for call in (
        lambda: lifecycle.delete(target=person, by=boss, reason=reason, client=CLIENT),
        lambda: ranks.change_role(target=person, by=boss, role=Role.GUEST, reason=reason, client=CLIENT),
    ):
        with pytest.raises(Problem) as refused:
            call()
        assert [error.field for error in refused.value.errors] == ["reason"]
    unchanged = User.objects.get(pk=person.pk)
    assert (unchanged.role, unchanged.status) == (Role.USER, Status.ACTIVE)


def test_i04_the_rule_of_managing_is_that_of_the_table() -> None:
    """A moderator stands above users, and may read them, but holds no permission to change anybody."""
    moderator, person = UserFactory(role=Role.MODERATOR), UserFactory()
    assert can_manage(moderator, person)
    assert not can_manage(moderator, moderator)
    assert not can_manage(UserFactory(role=Role.SUPER_ADMIN, disabled=True), person)
    assert outcome(lifecycle.delete, target=person, by=moderator) == "role_not_allowed"
