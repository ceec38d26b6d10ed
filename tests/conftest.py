"""What every test shares: its kind by its place, the audit triggers lifted for clean-up, races."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, connections, transaction
from django.test import TransactionTestCase

from accounts.exports import files
from audit import datakeys
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
# What starts processes, kills them or waits for them: begun first, so that no process of a run ends alone with them.
_SLOW = {"faults", "hosts", "journeys", "migrations", "races", "test_in_a_browser.py", "test_keys_live.py"}
_SLOW |= {"test_machine.py", "test_server.py"}
_DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "live_site", "client", "admin_client", "api"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests that take their time, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test its kind: by its own mark, else by its folder, else by whether it asks for a database."""
    items.sort(key=lambda item: _SLOW.isdisjoint(item.path.parts))
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
    if speaks_sql and not item.get_closest_marker("one_engine"):
        item.add_marker("every_engine")


if find_spec("audit.immutability"):
    from audit.authorizer import TABLES
    from audit.immutability import after_migrate, lifted

    _KEPT = {"django_content_type", "auth_permission", "django_migrations"}  # a migration writes them, no test does

    def _empty_tables(self: TransactionTestCase) -> None:
        """Empty the tables that hold something after a test that committed, the trail's with its triggers lifted.

        Django's own flush truncates every table and writes all permissions anew, which takes longer than most tests.
        """
        filled = _filled()
        if filled.isdisjoint(TABLES):
            _delete(filled)
        else:
            with lifted(connection, reason="a test's tables are emptied"):
                _delete(filled)
        after_migrate(connection.alias)  # what a test took away of the trail's guard is put back

    def _filled() -> set[str]:
        names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - _KEPT
        asked = (f"SELECT '{name}' FROM (SELECT 1) one WHERE EXISTS (SELECT 1 FROM {name})" for name in sorted(names))
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(asked))
            return {name for (name,) in cursor.fetchall()}

    def _delete(tables: set[str]) -> None:
        with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
            for name in sorted(tables):
                cursor.execute(f"DELETE FROM {name}")

    TransactionTestCase._fixture_teardown = _empty_tables  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    yield
    for cache in caches.all(initialized_only=True):
        if hasattr(cache, "delete_pattern"):
            cache.delete_pattern("*")  # a Redis may be shared with other runs; clear() would empty it for all
        else:
            cache.clear()


@pytest.fixture(autouse=True)
def _empty_storage() -> Iterator[None]:
    """Files that a test left are found by no other."""
    yield
    for _pk, name in list(files.present()):
        files.remove(name)


@pytest.fixture(autouse=True)
def _empty_keyring() -> Iterator[None]:
    """Keys that a test made are known to no other."""
    keyring.forget()
    datakeys.forget()
    yield
    keyring.forget()
    datakeys.forget()


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
