"""The caches: Redis where it is named, this process' memory otherwise."""

from typing import Any
from urllib.parse import urlsplit

import redis

from config.env import Environment, Fault

_PATIENCE = 0.25  # seconds; a slow cache is worse than none


def caches(redis_url: str) -> dict[str, Any]:
    """Return Django's cache settings. ``limits`` counts requests; the limits see its errors and count on their own."""
    if not redis_url:
        return {"default": _memory("default", 1_000), "limits": _memory("limits", 100_000)}
    return {
        "default": _redis(redis_url, "cache", ignore=True),
        "limits": _redis(redis_url, "limits", ignore=False),
    }


def session_cache(env: Environment) -> str:
    """Return where live sessions are cached, or nothing; keeps a fault where there is no Redis to keep them in."""
    if not env.flag("SESSION_CACHE"):
        return ""
    url = env.text("REDIS_URL")
    if not url:
        env.faults.append(Fault("SESSION_CACHE", "needs a Redis. Put its address into REDIS_URL, or false here."))
    return url


def answers(redis_url: str) -> bool:
    """Tell whether the Redis server at *redis_url* answers now."""
    try:
        client = redis.Redis.from_url(redis_url, socket_connect_timeout=1, socket_timeout=1)
        return bool(client.ping())
    except (redis.RedisError, ValueError, OSError):
        return False


def is_redis_url(url: str) -> bool:
    """Tell whether *url* has a form that a Redis client takes."""
    return urlsplit(url).scheme in {"redis", "rediss", "unix"}


def _memory(name: str, entries: int) -> dict[str, Any]:
    backend = "django.core.cache.backends.locmem.LocMemCache"
    return {"BACKEND": backend, "LOCATION": name, "OPTIONS": {"MAX_ENTRIES": entries}}


def _redis(url: str, prefix: str, *, ignore: bool) -> dict[str, Any]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": f"gatehouse-{prefix}",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": _PATIENCE,
            "SOCKET_TIMEOUT": _PATIENCE,
            "IGNORE_EXCEPTIONS": ignore,
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",  # the usual pickle runs what it reads
        },
    }
