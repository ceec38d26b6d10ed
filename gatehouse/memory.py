"""Counting that may be forgotten, for the limits whose store is ``memory``.

The cache is asked first. One that fails is left alone for a few seconds, so that its time-outs do not slow every
request, and is reported once a minute; meanwhile this process counts by itself, so a limit is never open.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django_ratelimit.core import get_usage

log = structlog.get_logger(__name__)

_REST = 5.0  # seconds for which a failed cache is not asked again
_REPORT_EVERY = 60.0
_MOST_KEYS = 100_000

_lock = threading.Lock()
_windows: dict[str, tuple[float, int]] = {}  # when the window ends, and its hits
_state = {"ask_again": 0.0, "report_again": 0.0}

Ask = Callable[[], tuple[int, int] | None]


def count_for(request: Any, group: str, key: str, number: int, seconds: int) -> tuple[int, int]:
    """Count one hit of *request* under *key*, and return as count() does; *group* and *number* are for the cache."""
    http = getattr(request, "_request", request)
    has_cache = getattr(settings, "RATELIMIT_USE_CACHE", "") in settings.CACHES
    return count(key, seconds, partial(_ask_cache, http, group, key, number, seconds) if has_cache else None)


def count(key: str, seconds: int, ask: Ask | None) -> tuple[int, int]:
    """Count one hit, and return the hits of the window and the whole seconds that are left of it.

    *ask* counts in the cache; it returns None, or raises whatever the cache raises, where the cache is away.
    """
    if ask is not None and time.monotonic() >= _state["ask_again"]:
        try:
            counted = ask()
        except Exception as error:  # every cache has exceptions of its own
            counted = None
            _report(type(error).__name__)
        else:
            if counted is not None:
                return counted
            _report("no answer")
        _state["ask_again"] = time.monotonic() + _REST
    return _count_here(key, seconds)


def forget_all() -> None:
    """Forget what this process counted, and ask the cache again; for tests."""
    with _lock:
        _windows.clear()
        _state.update(ask_again=0.0, report_again=0.0)


def _ask_cache(request: Any, group: str, key: str, number: int, seconds: int) -> tuple[int, int] | None:
    """Count in the cache that ``RATELIMIT_USE_CACHE`` names; None where it swallowed its own failure."""
    rate = (number, seconds)
    usage = get_usage(request, group=group, key=lambda _group, _request: key, rate=rate, increment=True)
    if usage is None:  # switched off by RATELIMIT_ENABLE
        return 0, seconds
    if not usage["limit"]:
        return None
    return int(usage["count"]), max(1, int(usage["time_left"]))


def _count_here(key: str, seconds: int) -> tuple[int, int]:
    now = time.monotonic()
    with _lock:
        end, hits = _windows.get(key, (0.0, 0))
        if end <= now:
            _make_room(now)
            end, hits = now + seconds, 0
        _windows[key] = (end, hits + 1)
    return hits + 1, max(1, int(end - now + 0.999))


def _make_room(now: float) -> None:
    if len(_windows) < _MOST_KEYS:
        return
    for key in [key for key, (end, _hits) in _windows.items() if end <= now]:
        del _windows[key]
    for key in list(_windows)[: max(0, len(_windows) - _MOST_KEYS * 9 // 10)]:
        del _windows[key]


def _report(error: str) -> None:
    now = time.monotonic()
    if now >= _state["report_again"]:
        _state["report_again"] = now + _REPORT_EVERY
        log.warning("limits_cache_unavailable", error=error)
