"""I04: of those who disable, delete or demote each other at once, one is left; and a role that races a sign-in."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.services import lifecycle, ranks
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, code_of

STAFF = Client.local("test")
Act = Callable[[User, User], Any]


def disable(target: User, by: User) -> Any:
    return lifecycle.disable(target=target, by=by, reason="because", client=STAFF)


def delete(target: User, by: User) -> Any:
    return lifecycle.delete(target=target, by=by, reason="because", client=STAFF)


def demote(target: User, by: User) -> Any:
    return ranks.change_role(target=target, by=by, role=Role.ADMIN, reason="because", client=STAFF)


ACTS = (disable, delete, demote)


def outcome(act: Act, target: User, by: User) -> str:
    try:
        act(target, by)
    except Problem as problem:
        return problem.code
    return "done"


def left() -> int:
    return User.objects.filter(role="super_admin", status="active").count()


@pytest.mark.parametrize("first", ACTS)
@pytest.mark.parametrize("second", ACTS)
def test_i04_the_last_two_super_admins_never_remove_each_other(
    transactional_db: None, race: Any, first: Act, second: Act
) -> None:
    one, two = UserFactory(role="super_admin"), UserFactory(role="super_admin")
    said = race([lambda: outcome(first, two, one), lambda: outcome(second, one, two)])
    assert sorted(said) in (["conflict", "done"], ["done", "role_not_allowed"]), said  # a late one was removed before
    assert left() == 1
    assert Event.objects.filter(success=False, failure_reason__in=("conflict", "not_permitted")).count() == 1


def test_i04_five_super_admins_at_war_leave_one(transactional_db: None, race: Any) -> None:
    """Whoever was removed first does nothing more: each is judged again once it holds the accounts."""
    people = [UserFactory(role="super_admin") for _one in range(5)]
    calls = [
        lambda act=ACTS[(i + j) % 3], by=people[i], target=people[j]: outcome(act, target, by)
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    said = race(calls)
    assert set(said) <= {"done", "conflict", "role_not_allowed"}, said
    assert left() >= 1
    assert said.count("done") >= 5 - left()
    given = [event.details["after"] for event in Event.objects.filter(success=True, action="authz_change")]
    assert given and "super_admin" not in given


def test_a_role_is_given_once_by_those_who_race(transactional_db: None, race: Any) -> None:
    boss, user = UserFactory(role="super_admin"), UserFactory()

    def promote() -> str:
        try:
            ranks.change_role(target=user, by=boss, role=Role.MODERATOR, reason="because", client=STAFF)
        except Problem as problem:
            return problem.code
        return "done"

    assert sorted(race([promote] * 6)) == ["conflict"] * 5 + ["done"]
    assert user.links.open().count() == 1


@pytest.mark.parametrize("act", ["delete", "promote"])
def test_l19_no_session_outlives_a_deletion_or_a_promotion_beside_its_sign_in(
    transactional_db: None, race: Any, act: str
) -> None:
    """The mailed code of before never leads to staff power, whoever is first."""
    boss, user, api = UserFactory(role="super_admin"), UserFactory(email=EMAIL), Api()
    challenge = api.challenge()
    code = Mailbox().code()

    def change() -> Any:
        if act == "delete":
            return delete(user, boss)
        return ranks.change_role(target=user, by=boss, role=Role.ADMIN, reason="because", client=STAFF)

    answer, changed = race([lambda: Api().answer(challenge, code), change])
    assert isinstance(changed, User), changed
    assert not Session.objects.filter(user=user, revoked_at__isnull=True).exists()
    said = answer.json().get("code", answer.status_code)
    assert said in (200, "challenge_expired", "account_disabled"), answer.content


def test_an_admin_who_is_demoted_and_acts_at_that_moment(transactional_db: None, race: Any) -> None:
    """Either the act came first, or it is refused; both are in the trail."""
    boss, admin, user = UserFactory(role="super_admin"), UserFactory(role="admin", app=True), UserFactory()
    assert code_of(admin)
    said = race(
        [
            lambda: outcome(delete, user, admin),
            lambda: ranks.change_role(target=admin, by=boss, role=Role.USER, reason="because", client=STAFF),
        ]
    )
    assert isinstance(said[1], User), said
    acted = Event.objects.filter(actor_id=str(admin.pk)).exclude(action__startswith="authn").get()
    assert (said[0], acted.action) in (("done", "user_deleted"), ("role_not_allowed", "authz_fail"))
