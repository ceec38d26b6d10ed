"""I05: what owners change of their account holds at the very next request where sessions lie in Redis, too."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sessions_app import state_cache
from sessions_app.models import Session
from tests.factories import EMAIL, Api, UserFactory
from tests.redisserver import OwnRedis

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def redis_server(own_redis: OwnRedis, settings: Any) -> Iterator[OwnRedis]:
    patience = timedelta(seconds=5)  # a busy machine is no slow Redis
    settings.SESSIONS = settings.SESSIONS | {"CACHE_URL": own_redis.url, "CACHE_PATIENCE": patience}
    state_cache.forget_failures()
    yield own_redis
    state_cache.forget_failures()
    state_cache._client.cache_clear()


@pytest.fixture
def api(transactional_db: None) -> Api:
    UserFactory(email=EMAIL)
    return Api()


def is_cached(server: OwnRedis) -> bool:
    return (server.client.get(state_cache._key(Session.objects.get().pk)) or b"").startswith(b"s")  # type: ignore[union-attr]


def test_i05_a_new_name_is_seen_at_the_next_request(api: Api, redis_server: OwnRedis) -> None:
    bearer = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    assert api.get("/me", **bearer).json()["display_name"] == "Jane Roe"
    assert is_cached(redis_server)
    assert api.send("PATCH", "/me", {"display_name": "Another"}, **bearer).status_code == 200
    assert api.get("/me", **bearer).json()["display_name"] == "Another"


def test_i05_terms_that_changed_and_an_answer_are_seen_at_the_next_request(api: Api, redis_server: OwnRedis) -> None:
    bearer = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    assert api.get("/me", **bearer).json()["consent"]["version"] == "1"
    assert is_cached(redis_server)
    assert api.post("/me/consents", {"version": "1", "granted": False}, **bearer).status_code == 201
    assert api.get("/me", **bearer).json()["consent"] is None
