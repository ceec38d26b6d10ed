"""The caches in Redis: what somebody else wrote there is read as data, never run."""

import pickle
from typing import Any

import pytest
import redis
from django_redis.cache import RedisCache

from config.caches import caches
from tests.redisserver import OwnRedis

RAN: list[str] = []


def run(word: str) -> None:
    RAN.append(word)


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return run, ("ran",)


@pytest.mark.parametrize("name", ["default", "limits"])
def test_j10_a_pickle_in_redis_is_not_run(own_redis: OwnRedis, name: str) -> None:
    params = caches(own_redis.url)[name]
    cache = RedisCache(own_redis.url, {"OPTIONS": params["OPTIONS"], "KEY_PREFIX": params["KEY_PREFIX"]})
    cache.set("health", "17")
    cache.add("count", 1)
    assert (cache.get("health"), cache.incr("count")) == ("17", 2)
    redis.Redis.from_url(own_redis.url).set(cache.make_key("health"), pickle.dumps(Bomb()))
    with pytest.raises(ValueError):
        cache.get("health")
    assert not RAN
