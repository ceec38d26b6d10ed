"""Counting that may be forgotten: the cache through django-ratelimit, this process where the cache is away.

It serves the limits whose store is ``memory``; ``limits.py`` alone calls it, and nothing else imports
django-ratelimit, whose cache is the one that ``RATELIMIT_USE_CACHE`` names. A cache that fails is left alone for a few seconds, so that its time-outs do not slow every
request, and is reported once a minute.
"""

import threading
import time

import structlog
from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

log = structlog.get_logger(__name__)

_REST = 5.0  # seconds for which a failed cache is not asked again
_REPORT_EVERY = 60.0
_MOST_KEYS = 100_000

_lock = threading.Lock()
_windows: dict[str, tuple[float, int]] = {}  # when the window ends, and its hits
_state = {"asked_again": 0.0, "reported": float("-inf")}


def count_in_memory(request: HttpRequest | None, name: str, key: str, number: int, seconds: int) -> tuple[int, int]:
    """Count one hit, and return the hits of the window and the whole seconds that are left of it."""
    if _has_cache() and time.monotonic() >= _state["asked_again"]:
        counted = _count_in_cache(request, name, key, number, seconds)
        if counted is not None:
            return counted
        _rest()
    return _count_here(f"{name}:{key}", seconds)


def forget_all() -> None:
    """Forget what this process counted, and ask the cache again; for tests."""
    with _lock:
        _windows.clear()
        _state.update(asked_again=0.0, reported=float("-inf"))


def _has_cache() -> bool:
    return getattr(settings, "RATELIMIT_USE_CACHE", "") in settings.CACHES


def _count_in_cache(
    request: HttpRequest | None, name: str, key: str, number: int, seconds: int
) -> tuple[int, int] | None:
    try:
        usage = get_usage(
            request, group=name, key=lambda _group, _request: key, rate=(number, seconds), increment=True
        )
    except Exception as error:  # noqa: BLE001  (each cache has exceptions of its own, and none may open or break a door)
        _report(error)
        return None
    if usage is None:  # switched off by RATELIMIT_ENABLE
        return 0, seconds
    if not usage["limit"]:  # what django-ratelimit says where the cache swallowed its failure
        _report(None)
        return None
    return int(usage["count"]), max(1, int(usage["time_left"]))


def _count_here(key: str, seconds: int) -> tuple[int, int]:
    now = time.monotonic()
    with _lock:
        end, hits = _windows.get(key, (0.0, 0))
        if end <= now:
            end, hits = now + seconds, 0
            _make_room(now)
        _windows[key] = (end, hits + 1)
    return hits + 1, max(1, int(end - now + 0.999))


def _make_room(now: float) -> None:
    if len(_windows) < _MOST_KEYS:
        return
    for key in [key for key, (end, _hits) in _windows.items() if end <= now]:
        del _windows[key]
    for key in list(_windows)[: max(0, len(_windows) - _MOST_KEYS * 9 // 10)]:
        del _windows[key]


def _rest() -> None:
    _state["asked_again"] = time.monotonic() + _REST


def _report(error: Exception | None) -> None:
    now = time.monotonic()
    if now - _state["reported"] >= _REPORT_EVERY:
        _state["reported"] = now
        log.warning("limits_cache_unavailable", error=type(error).__name__ if error else "no answer")
