"""Is it well? One registry of checks, three addresses.

``live`` says that the process answers. ``ready`` shows every check and fails where a request could not be served.
``health`` shows every check and fails where any fails. A check is a function that returns nothing or raises; what
it raises is logged, never shown.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from .conf import app_settings
from .models import Counter

log = structlog.get_logger(__name__)

WORKER = "worker"
_WORKER_SILENCE = timedelta(minutes=2)
_WITHOUT_DATABASE = frozenset({"cache"})  # these are asked where the database is away, too
_NEEDED = frozenset({"database", "migrations"})  # without these no request can be served

Check = Callable[[], None]


class Unwell(Exception):  # noqa: N818  (a condition, like every refusal here)
    """Raised by a check that found something wrong."""


@csrf_exempt
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    return _answer({}, failed=False)


@csrf_exempt
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    results = run_checks()
    return _answer(results, failed=any(results[name]["status"] != "ok" for name in _NEEDED & results.keys()))


@csrf_exempt
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    results = run_checks()
    return _answer(results, failed=any(result["status"] != "ok" for result in results.values()))


def run_checks() -> dict[str, dict[str, Any]]:
    """Run every check, those of ``HEALTH_CHECKS`` over those built in, and return what each said."""
    named = {name: import_string(path) for name, path in app_settings().HEALTH_CHECKS.items()}
    checks: dict[str, Check] = BUILT_IN | named
    results = {"database": _run("database", checks.pop("database"))}
    if results["database"]["status"] != "ok":  # each of the others would wait for it once more
        results |= {name: {"status": "fail", "latency_ms": 0.0} for name in checks.keys() - _WITHOUT_DATABASE}
    results |= {name: _run(name, check) for name, check in checks.items() if name not in results}
    return dict(sorted(results.items()))


def check_database() -> None:
    """Ask the database for something."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def check_cache() -> None:
    """Write to the cache and read it back."""
    token = str(time.time_ns())
    cache.set("gatehouse.health", token, 10)
    if cache.get("gatehouse.health") is None:  # another process may have written meanwhile
        raise Unwell("The cache did not keep a value.")


def check_migrations() -> None:
    """Look whether every migration was applied."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Unwell("A migration was not applied.")


def check_worker() -> None:
    """Look whether the worker has given a sign of life lately."""
    beat = Counter.objects.last_beat(WORKER)
    if beat is None or timezone.now() - beat > _WORKER_SILENCE:
        raise Unwell("The worker has been silent for more than two minutes.")


BUILT_IN: dict[str, Check] = {
    "database": check_database,
    "cache": check_cache,
    "migrations": check_migrations,
    "worker": check_worker,
}


def _run(name: str, check: Check) -> dict[str, Any]:
    started = time.perf_counter()
    status = "ok"
    try:
        check()
    except Exception as error:  # whatever goes wrong in a check is its result
        status = "fail"
        log.warning("health_check_failed", check=name, error=f"{type(error).__name__}: {error}")
    return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000, 1)}


def _answer(checks: dict[str, dict[str, Any]], *, failed: bool) -> JsonResponse:
    body = {"status": "fail" if failed else "ok", "checks": checks}
    response = JsonResponse(body, status=503 if failed else 200)
    response["Cache-Control"] = "no-store"
    if failed:
        response["Retry-After"] = "5"
    return response
