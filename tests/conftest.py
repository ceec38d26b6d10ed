"""What every test shares: its kind by its place, the audit triggers lifted for clean-up, races."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, connections
from django.test import TransactionTestCase

from sessions_app import keyring

pytest_plugins = ["tests.mailsink", "tests.redisserver", "tests.live", "tests.browsers"]  # live uses the sink

TESTS = Path(__file__).parent
KINDS = {"unit", "integration", "api", "flow", "migration"}
_BY_FOLDER = {
    "api": "api",
    "pages": "integration",
    "journeys": "flow",
    "races": "race",
    "faults": "flow",
    "migrations": "migration",
    "hosts": "integration",
}
_DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "live_site", "client", "admin_client", "api"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests that take their time, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test its kind: by its own mark, else by its folder, else by whether it asks for a database."""
    for item in items:
        _mark(item)
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="runs with --long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


def _mark(item: pytest.Item) -> None:
    folders = item.path.relative_to(TESTS).parts[:-1]
    speaks_sql = bool(
        item.get_closest_marker("django_db") or _DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    )
    for folder in folders:
        if _BY_FOLDER.get(folder) == "race":
            item.add_marker("race")
    if not KINDS.intersection(mark.name for mark in item.iter_markers()):
        named = [_BY_FOLDER[folder] for folder in folders if _BY_FOLDER.get(folder, "race") != "race"]
        item.add_marker(named[0] if named else "integration" if speaks_sql else "unit")
    if speaks_sql:
        item.add_marker("every_engine")


if find_spec("audit.immutability"):
    from audit.immutability import lifted

    _flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def _flush_with_triggers_lifted(self: TransactionTestCase) -> None:
        """Empty the tables after a test that committed: the trail's triggers would refuse it."""
        with lifted(connection, reason="a test's tables are emptied"):
            _flush(self)

    TransactionTestCase._fixture_teardown = _flush_with_triggers_lifted  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    yield
    for cache in caches.all(initialized_only=True):
        if hasattr(cache, "delete_pattern"):
            cache.delete_pattern("*")  # a Redis may be shared with other runs; clear() would empty it for all
        else:
            cache.clear()


@pytest.fixture(autouse=True)
def _empty_keyring() -> Iterator[None]:
    """Keys that a test made are known to no other."""
    keyring.forget()
    yield
    keyring.forget()


Race = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@pytest.fixture
def race() -> Race:
    """Return ``race([f, g, …])``: all start at one barrier; results in their order, an exception as a result."""
    return run_together


def run_together(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run *calls* in threads of their own, at the same moment, each with its own database connection."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=30)
            return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))
