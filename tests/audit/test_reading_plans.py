"""A page of the trail is found along an index, newest first, whatever is asked for: PostgreSQL's plans."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.roles import Role
from accounts.trail import _about_roles_below
from audit import queries
from audit.digests import address_digest, place_digests
from audit.models import Entered, Event
from gatehouse.events import Actor
from gatehouse.trail import TrailScope
from tests.factories import UserFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="its plans are read on PostgreSQL"),
]

EVENTS = 12_000
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
BY_TIME = "audit_event_timestamp"
EMAIL, IP = "jane@example.com", "198.51.100.7"
ALONE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, {"audit_event_timestamp"}),
    "since": ({"since": NOON, "until": NOON + timedelta(days=1)}, {"audit_event_timestamp"}),
    "one type": ({"types": ["ADMIN"]}, {"audit_event_type_timestamp"}),
    "two types": ({"types": ["ADMIN", "SYSTEM"]}, {"audit_event_type_timestamp"}),
    "one action": ({"actions": ["a1"]}, {"audit_event_action"}),
    "two actions": ({"actions": ["a1", "a2"]}, {"audit_event_action"}),
    "a subject": ({"users": ["7"], "as_role": "subject"}, {"audit_event_user_timestamp"}),
    "an actor": ({"users": ["7"], "as_role": "actor"}, {"audit_event_actor_timestamp"}),
    "a user": ({"users": ["7"]}, {"audit_event_user_timestamp", "audit_event_actor_timestamp"}),
    "failures": ({"success": False}, {"audit_event_ok_timestamp"}),
    "a session": ({"session": "s7"}, {"audit_event_session"}),
    "an address": ({"email": EMAIL}, {"audit_index_digest"}),
    "an ip": ({"ip": IP}, {"audit_index_digest"}),
    "a network": ({"ip": "198.51.0.0/16"}, {"audit_index_digest"}),
    "an address as q": ({"q": EMAIL}, {"audit_index_digest"}),
}
FEW: dict[str, tuple[dict[str, Any], set[str]]] = {  # an index of few rows, put in order afterwards
    "a request": ({"request_id": "r7"}, {"audit_event_request"}),
    "a resource": ({"resource": "/files/7/"}, {"audit_event_resource"}),
    "an id as q": ({"q": "r77"}, {"audit_event_request", "audit_event_session"}),
}
PAIRS: dict[str, dict[str, Any]] = {
    "type and outcome": {"types": ["ADMIN"], "success": False},
    "type and time": {"types": ["ADMIN"], "since": NOON},
    "types and outcome": {"types": ["ADMIN", "SYSTEM"], "success": False},
    "action and outcome": {"actions": ["a1"], "success": False},
    "user and type": {"users": ["7"], "types": ["SECURITY", "ADMIN"]},
    "user and outcome": {"users": ["7"], "success": False},
    "user and time": {"users": ["7"], "since": NOON, "until": NOON + timedelta(days=1)},
    "users and actions": {"users": ["7", "8"], "actions": ["a1", "a2"]},
    "ip and outcome": {"ip": IP, "success": False},
    "ip and type": {"ip": "198.51.100.0/24", "types": ["SECURITY"]},
    "ip and time": {"ip": IP, "since": NOON},
    "ip and user": {"ip": IP, "users": ["7"]},
    "address and ip": {"email": EMAIL, "ip": IP},
    "address and outcome": {"email": EMAIL, "success": False},
    "resource and time": {"resource": "/files/7/", "since": NOON},
    "outcome and time": {"success": False, "since": NOON},
}


EVENTS_OF_ALL_KINDS = """
    INSERT INTO audit_event (timestamp, event_type, action, user_id, actor_type, actor_id, actor_label, resource,
                             success, failure_reason, request_id, session_id)
    SELECT %s + n * interval '1 minute', CASE n %% 61 WHEN 8 THEN 'ADMIN' WHEN 9 THEN 'SYSTEM' ELSE 'SECURITY' END,
           'a' || n %% 59, n %% 97, 'user', n %% 89, '', '/files/' || n %% 211 || '/' || n, n %% 29 > 0, '', 'r' || n,
           's' || n %% 40
    FROM generate_series(1, %s) AS n
"""
ENTRIES = """
    INSERT INTO audit_index (event_id, timestamp, kind, digest, key_id)
    SELECT id, timestamp, 'x', digest, gen_random_uuid() FROM audit_event, unnest(%s::text[]) AS digest
    WHERE id %% 3 = 0
"""


@pytest.fixture
def trail(db: None) -> None:
    """A trail as the worker leaves it, with the planner's own figures of it."""
    digests = [address_digest(EMAIL), *(digest for _kind, digest in place_digests(IP))]
    with connection.cursor() as cursor:
        cursor.execute(EVENTS_OF_ALL_KINDS, [NOON, EVENTS])
        cursor.execute(ENTRIES, [digests])
        cursor.execute(ENTRIES.replace("= 0", "> 0"), [["f" * 32, "e" * 32]])
        cursor.execute("ANALYZE audit_event")
        cursor.execute("ANALYZE audit_index")
        for way in ("seqscan", "bitmapscan", "sort"):  # so small a table is read whole, and put in order, otherwise
            cursor.execute(f"SET LOCAL enable_{way} = off")
    newest = Event.objects.order_by("pk").last()
    assert newest is not None
    Entered.objects.create(event=newest.pk)


def plans(**filters: Any) -> list[Any]:
    """Return the plans of what the first page and the one after it ask of the trail."""
    asked: list[tuple[str, Any]] = []

    def hear(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "audit_event" in sql and " LIMIT " in sql:
            asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(hear):
        first = queries.page(limit=5, **filters)
        assert first.rows, "a filter that finds nothing proves nothing"
        if first.next:
            assert queries.page(limit=5, cursor=first.next, **filters).rows
    found = []
    with connection.cursor() as cursor:
        for sql, params in asked:
            cursor.execute("EXPLAIN (FORMAT JSON) " + sql, params)
            found.append(cursor.fetchone()[0])
    return found


def nodes(plan: Any) -> Any:
    if isinstance(plan, dict):
        yield plan
        plan = list(plan.values())
    for inner in plan if isinstance(plan, list) else ():
        yield from nodes(inner)


def of(found: list[Any], name: str) -> set[str]:
    return {node[name] for plan in found for node in nodes(plan) if name in node}


def test_a_filter_alone_reads_no_more_of_its_index_than_a_page(trail):
    for name, (filters, indexes) in ALONE.items():
        if indexes != {BY_TIME}:
            without_the_index_by_time()
        found = plans(**filters)
        assert of(found, "Index Name") - {"audit_event_pkey"} == indexes, name
        assert not {"Seq Scan", "Sort", "Bitmap Heap Scan"} & of(found, "Node Type"), name


def test_a_filter_that_finds_few_uses_its_index(trail):
    without_the_index_by_time()
    for name, (filters, indexes) in FEW.items():
        found = plans(**filters)
        assert of(found, "Index Name") - {"audit_event_pkey"} == indexes, name
        assert "Seq Scan" not in of(found, "Node Type"), name


def without_the_index_by_time() -> None:
    """Take away, in this transaction, what a short trail is as well walked along whatever is asked for."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {BY_TIME}")


def test_two_filters_together_use_an_index(trail):
    for name, filters in PAIRS.items():
        found = plans(**filters)
        assert of(found, "Index Name") and "Seq Scan" not in of(found, "Node Type"), name


def test_a_later_page_begins_at_its_place(trail):
    found = plans(types=["ADMIN"])[-1]
    (scan,) = [node for node in nodes(found) if node.get("Index Name")]
    assert "timestamp" in scan["Index Cond"]


def test_those_below_a_moderator_are_looked_up_by_key(trail):
    moderator, jane = UserFactory(role=Role.MODERATOR), UserFactory()
    Event.objects.create(event_type="SECURITY", action="a1", user_id=str(jane.pk), actor_type="user", success=True)
    scope = TrailScope(actor=Actor.user(moderator), concerning=_about_roles_below(moderator), sees_addresses=False)
    found = plans(scope=scope)
    assert "audit_event_timestamp" in of(found, "Index Name")
    assert "Seq Scan" not in of(found, "Node Type")
