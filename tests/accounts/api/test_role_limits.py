"""How often a minute each role may ask the API (F34): settings of their own, counted without a query."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role, Scope
from accounts.services import api_keys
from gatehouse.checks import check_settings
from gatehouse.client import Client
from gatehouse.conf import GatehouseSettings
from gatehouse.events import Actor
from tests.accounts.staff import Signed, person, signed
from tests.factories import Api, mark, problem, trail

pytestmark = [pytest.mark.api, pytest.mark.django_db]

NUMBERS = {"LIMIT_ANONYMOUS": 3, "LIMIT_GUEST": 4, "LIMIT_USER": 5, "LIMIT_STAFF": 6, "LIMIT_SERVICE": 2}


@pytest.fixture(autouse=True)
def _numbers(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | NUMBERS


def let_through(ask: Callable[[], Any]) -> int:
    """Ask until it is refused, and return how many were let through."""
    number = 0
    while (answer := ask()).status_code != 429:
        number += 1
        assert number < 20
    problem("rate_limited", 429, answer)
    assert 1 <= int(answer["Retry-After"]) <= 60
    return number


def test_the_numbers_are_those_of_the_design() -> None:
    conf = GatehouseSettings()
    assert [getattr(conf, name) for name in NUMBERS] == [60, 60, 300, 600, 1200]


@pytest.mark.parametrize(
    ("role", "number"),
    [(Role.GUEST, 4), (Role.USER, 5), (Role.MODERATOR, 6), (Role.ADMIN, 6), (Role.SUPER_ADMIN, 6)],
)
def test_somebody_signed_in_is_counted_by_the_account(role: Role, number: int) -> None:
    somebody = signed(role)
    kind = {Role.GUEST: "guest", Role.USER: "user"}.get(role, "staff")
    first = somebody.get("/me", ip="198.51.100.1")
    assert f'"role_{kind}";q={number};w=60' in first["RateLimit-Policy"].split(", ")
    assert f'"role_{kind}";r={number - 1};t=' in first["RateLimit"]
    ips = iter(f"198.51.100.{last}" for last in range(2, 30))
    assert let_through(lambda: somebody.get("/me", ip=next(ips))) == number - 1, "whatever network it comes from"
    assert signed(role).get("/me").status_code == 200
    again = Signed(somebody.user)
    problem("rate_limited", 429, again.get("/sessions"))


def test_nobody_known_is_counted_by_the_network() -> None:
    api, since = Api(), mark()
    assert let_through(lambda: api.get("/config")) == 3
    problem("rate_limited", 429, api.login())
    assert api.get("/config", ip="198.51.100.1").status_code == 200
    assert signed(Role.USER).get("/me").status_code == 200, "the same network, but somebody"
    assert ("excess_rate_limit_exceeded", "rate_limited") in trail(since)


def test_another_service_is_counted_by_its_key() -> None:
    facts: dict[str, Any] = {"actor": Actor.command("test"), "client": Client.local("test")}
    life = timedelta(days=1)
    _row, text = api_keys.create(name="ledger", scopes=[Scope.AUDIT_READ], expires_in=life, **facts)
    _row, own = api_keys.create(name="other", scopes=[Scope.AUDIT_READ], expires_in=life, limit_per_minute=4, **facts)
    api = Api()
    assert let_through(lambda: api.get("/audit/events", authorization=f"Bearer {text}")) == 2
    assert let_through(lambda: api.get("/audit/events", authorization=f"Bearer {own}")) == 4


def test_it_costs_no_query() -> None:
    api, somebody = Api(), Signed(person())
    somebody.get("/me")
    with CaptureQueriesContext(connection) as asked:
        assert api.get("/config").status_code == 200
    assert len(asked) == 0
    with CaptureQueriesContext(connection) as asked:
        assert somebody.get("/me").status_code == 200
    assert len(asked) == 1, "who it is"


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_below_one_is_named_at_the_start(settings: Any, name: str) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {name: 0}
    assert [(found.id, name in found.msg) for found in check_settings()] == [("gatehouse.E009", True)]
