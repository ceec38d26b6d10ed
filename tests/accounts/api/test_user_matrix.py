"""I01, I04, SECURITY.md: five roles by every endpoint about accounts by the role of the account concerned.

Written out, not computed: who may do what to whom. An endpoint that is not in the table fails the last test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import get_resolver

from accounts.models import User
from accounts.roles import Role
from gatehouse import limits
from sessions_app.models import Session
from tests.accounts.staff import Signed, open_session, person, signed
from tests.factories import give_app

pytestmark = [pytest.mark.api, pytest.mark.django_db]

BOSS, ADMIN, MODERATOR, USER, GUEST = Role
BELOW_ADMIN, BELOW_MODERATOR, EVERY = {MODERATOR, USER, GUEST}, {USER, GUEST}, set(Role)
NOBODY: set[Role] = set()
REASON = {"reason": "Because"}

# Whom each role reads, and whom it changes.
READS = {BOSS: EVERY, ADMIN: EVERY, MODERATOR: BELOW_MODERATOR}
CHANGES = {BOSS: EVERY, ADMIN: BELOW_ADMIN}
GRANTS = {BOSS: EVERY}


@dataclass(frozen=True)
class Endpoint:
    """One operation: how it is asked, what it answers, and to whom it is done by whom."""

    method: str
    path: str
    done: int
    whom: dict[Role, set[Role]]
    body: dict[str, Any] | None = None
    before: Callable[[Any], Any] = lambda user: None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def disabled(user: User) -> None:
    user.set_status("disabled")  # type: ignore[arg-type]
    user.save()


def locked(user: User) -> None:
    limits.take(None, ("login_address", user.email_key))


def granted(user: User) -> None:
    boss = signed(BOSS)
    boss.post(f"/users/{user.pk}/permissions", REASON | {"permission": "account.change"})


TABLE = [
    Endpoint("GET", "", 200, READS),
    Endpoint("PATCH", "", 200, CHANGES, {"display_name": "Jo"}),
    Endpoint("DELETE", "", 204, CHANGES, REASON),
    Endpoint("PATCH", "/role", 200, CHANGES, REASON | {"role": "guest"}),
    Endpoint("POST", "/disable", 200, CHANGES, REASON),
    Endpoint("POST", "/enable", 200, CHANGES, REASON, disabled),
    Endpoint("POST", "/unlock", 200, CHANGES, REASON, locked),
    Endpoint("POST", "/force-password-reset", 200, CHANGES, REASON),
    Endpoint("POST", "/reset-factors", 200, CHANGES, REASON, give_app),
    Endpoint("POST", "/permissions", 201, GRANTS, REASON | {"permission": "mail.read"}),
    Endpoint("DELETE", "/permissions", 204, GRANTS, REASON | {"permission": "account.change"}, granted),
    Endpoint("GET", "/sessions", 200, READS),
    Endpoint("DELETE", "/sessions/{sid}", 204, CHANGES, REASON),
    Endpoint("POST", "/sessions/revoke-all", 200, CHANGES, REASON),
]
# Where the rank allows it, and things as they stand do not: whoever has the permission by the role, or cannot hold it.
CONFLICTS = {
    "PATCH /role": {GUEST},
    "POST /permissions": {BOSS, ADMIN, USER, GUEST},
    "DELETE /permissions": {BOSS, ADMIN, MODERATOR, USER},
}


def expected(endpoint: Endpoint, actor: Role, target: Role) -> tuple[int, str]:
    """Return the status, and the code of a refusal."""
    if actor in (USER, GUEST):
        return 403, "permission_denied"
    if actor not in endpoint.whom:
        return 403, "role_not_allowed"
    if target not in endpoint.whom[actor]:
        return (404, "not_found") if endpoint.whom is READS else (403, "role_not_allowed")
    if target in CONFLICTS.get(endpoint.name, ()):
        return 409, "conflict"
    return endpoint.done, ""


def ask(api: Signed, endpoint: Endpoint, user: User, sid: Any) -> tuple[int, str]:
    path = f"/users/{user.pk}{endpoint.path}".replace("{sid}", str(sid))
    answer = api.send(endpoint.method, path, endpoint.body)
    return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else ""


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda endpoint: endpoint.name)
def test_i01_every_role_at_every_endpoint_about_every_role(endpoint: Endpoint) -> None:
    """And a refusal changes nothing of the account, nor of its session."""
    wrong = {}
    for actor in Role:
        api = signed(actor)
        for target in Role:
            user = person(target)
            endpoint.before(user)
            sid = open_session(user).pk if User.objects.get(pk=user.pk).is_active else user.pk
            before = User.objects.values().get(pk=user.pk)
            wanted, got = expected(endpoint, actor, target), ask(api, endpoint, user, sid)
            if got != wanted:
                wrong[(actor.value, target.value)] = (got, wanted)
            if got[0] >= 400:
                assert User.objects.values().get(pk=user.pk) == before
                assert not Session.objects.filter(pk=sid, revoked_at__isnull=False).exists()
    assert wrong == {}


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda endpoint: endpoint.name)
def test_i04_nobody_does_any_of_it_to_himself(endpoint: Endpoint) -> None:
    for actor in (BOSS, ADMIN):
        if endpoint.whom is READS or actor not in endpoint.whom:
            continue
        api = signed(actor)
        assert ask(api, endpoint, api.user, api.session.pk) == (403, "self_action_forbidden"), actor


# Which roles each may give to somebody new, and to a user that there is.
GIVES = {BOSS: EVERY, ADMIN: BELOW_ADMIN}


@pytest.mark.parametrize("actor", Role)
def test_i04_which_roles_are_given_to_whom(actor: Role) -> None:
    api = signed(actor)
    outside = "permission_denied" if actor in (USER, GUEST) else "role_not_allowed"
    for role in Role:
        invited = api.post("/users", {"email": f"new-{role.value}@example.com", "role": role.value})
        changed = api.send("PATCH", f"/users/{person(USER).pk}/role", REASON | {"role": role.value})
        if role not in GIVES.get(actor, NOBODY):
            assert (invited.status_code, invited.json()["code"]) == (403, outside), role
            assert (changed.status_code, changed.json()["code"]) == (403, outside), role
        else:
            assert (invited.status_code, invited.json()["role"]) == (201, role), role
            assert changed.status_code == (409 if role == USER else 200), role


@pytest.mark.parametrize("actor", Role)
def test_i01_the_list_shows_whom_the_role_reads(actor: Role) -> None:
    people = {person(role).pk: role for role in Role}
    api = signed(actor)
    answer = api.get("/users?limit=200")
    if actor not in READS:
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        return
    seen = {people[user.pk] for user in User.objects.filter(pk__in=[one["id"] for one in answer.json()["results"]])
            if user.pk in people}  # fmt: skip
    assert seen == READS[actor]
    assert all(("•••" in one["email"]) is (actor == MODERATOR) for one in answer.json()["results"])


def test_i01_every_endpoint_about_an_account_is_in_the_table() -> None:
    told = {endpoint.path.replace("{sid}", "<uuid:session_id>") for endpoint in TABLE}
    prefix = "users/<uuid:user_id>"
    routes = {
        str(pattern.pattern).removeprefix(prefix)
        for part in get_resolver().url_patterns
        for pattern in getattr(part, "url_patterns", [])
        if str(pattern.pattern).startswith(prefix)
    }
    assert routes == told
