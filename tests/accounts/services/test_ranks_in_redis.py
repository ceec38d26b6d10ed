"""I05: what staff change holds at the very next request where sessions lie in Redis, too."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.services import lifecycle, ranks
from gatehouse.client import Client
from sessions_app import state_cache
from sessions_app.models import Session
from tests.adminpanel.staff import Staff
from tests.factories import EMAIL, Api, UserFactory, problem
from tests.redisserver import OwnRedis

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]
CLIENT = Client.local("test")


@pytest.fixture(autouse=True)
def redis_server(own_redis: OwnRedis, settings: Any) -> Iterator[OwnRedis]:
    patience = timedelta(seconds=5)  # a busy machine is no slow Redis
    settings.SESSIONS = settings.SESSIONS | {"CACHE_URL": own_redis.url, "CACHE_PATIENCE": patience}
    state_cache.forget_failures()
    yield own_redis
    state_cache.forget_failures()
    state_cache._client.cache_clear()


@pytest.fixture
def boss(transactional_db: None) -> User:
    return UserFactory(role=Role.SUPER_ADMIN)


def is_cached(server: OwnRedis, session: Session) -> bool:
    return (server.client.get(state_cache._key(session.pk)) or b"").startswith(b"s")  # type: ignore[union-attr]


def test_i05_a_higher_role_holds_at_the_next_request(boss: User, redis_server: OwnRedis) -> None:
    user, api = UserFactory(email=EMAIL, role=Role.GUEST), Api()
    bearer = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    assert api.get("/auth/session", **bearer).json()["user"]["role"] == "guest"
    assert is_cached(redis_server, Session.objects.get(user=user))
    ranks.change_role(target=user, by=boss, role=Role.USER, reason="because", client=CLIENT)
    assert api.get("/auth/session", **bearer).json()["user"]["role"] == "user"


@pytest.mark.parametrize("act", ["demote", "delete"])
def test_i05_what_is_taken_away_is_gone_at_the_next_request(boss: User, redis_server: OwnRedis, act: str) -> None:
    user, api = UserFactory(email=EMAIL), Api()
    bearer = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    assert api.get("/auth/session", **bearer).status_code == 200
    assert is_cached(redis_server, Session.objects.get(user=user))
    if act == "delete":
        lifecycle.delete(target=user, by=boss, reason="because", client=CLIENT)
    else:
        ranks.change_role(target=user, by=boss, role=Role.GUEST, reason="because", client=CLIENT)
    problem("session_revoked", 401, api.get("/auth/session", **bearer))


def test_i05_a_demoted_member_of_staff_is_shut_out_of_the_staff_area(boss: User, redis_server: OwnRedis) -> None:
    inside = Staff(Role.ADMIN).sign_in()
    assert inside.get("accounts/user/").status_code == 200
    assert is_cached(redis_server, Session.objects.get(user=inside.user))
    ranks.change_role(target=inside.user, by=boss, role=Role.USER, reason="because", client=CLIENT)
    shut = inside.get("accounts/user/")
    assert (shut.status_code, shut["Location"]) == (302, "/admin/login/?next=%2Fadmin%2Faccounts%2Fuser%2F")


def test_i05_a_raised_member_of_staff_has_the_new_power_at_the_next_request(boss: User, redis_server: OwnRedis) -> None:
    inside = Staff(Role.MODERATOR).sign_in()
    person = UserFactory()
    assert inside.choose("disable", person).status_code == 403
    assert is_cached(redis_server, Session.objects.get(user=inside.user))
    ranks.change_role(target=inside.user, by=boss, role=Role.ADMIN, reason="because", client=CLIENT)
    assert inside.choose("disable", person).status_code == 303
