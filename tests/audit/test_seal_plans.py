"""Sealing finds what it seals by keys and indexes, and verification holds no more of a longer trail in memory."""

import json
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit import checkpoints, contents, proofs, sealing, verification
from audit.models import Event
from audit.seals import Gap, Seal, SealedEvent
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)  # MariaDB commits when it is told to ANALYZE

EVENTS = 4000
TABLES = {model._meta.db_table for model in (Event, Seal, SealedEvent, Gap)}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN (FORMAT JSON) ", "mysql": "EXPLAIN FORMAT=JSON "}


@pytest.fixture
def long_trail(write, monkeypatch) -> list[int]:
    """Many events in many seals, and the last ones unsealed."""
    monkeypatch.setattr(sealing, "FULL", 10)
    write()
    fill(EVENTS)
    sealing.seal()
    monkeypatch.setattr(sealing, "FULL", 10_000)
    assert Seal.objects.count() > EVENTS // 10
    seen, later = timezone.now() - timedelta(days=2), timezone.now() + timedelta(hours=1)
    awaited = range(10**9, 10**9 + 2 * EVENTS, 2)
    Gap.objects.bulk_create(Gap(first=one, last=one, seen_at=seen, look_at=later) for one in awaited)
    with connection.cursor() as cursor:
        for table in sorted(TABLES):
            cursor.execute(f"ANALYZE TABLE {table}" if connection.vendor == "mysql" else f"ANALYZE {table}")
    return trails.write(5)


def fill(number: int) -> None:
    row = Event.objects.order_by("pk")[:1].get()
    names = [field.attname for field in Event._meta.concrete_fields if field.attname != "id"]
    Event.objects.bulk_create(Event(**{name: getattr(row, name) for name in names}) for _ in range(number))


def asked(act: Callable[[], Any]) -> list[tuple[str, Any]]:
    statements = []

    def hear(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE"} and any(table in sql for table in TABLES):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(hear):
        act()
    return statements


def scanned(sql: str, params: Any) -> list[str]:
    """Return which of the tables the database would read from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(EXPLAIN[connection.vendor] + sql, params)
        rows = cursor.fetchall()
    if connection.vendor == "sqlite":
        words = [str(row[-1]).split() for row in rows]
        # a walk along an index that ends at its LIMIT reads as many rows as that
        return [word[1] for word in words if word[0] == "SCAN" and "INDEX" not in word and "LIMIT" not in sql]
    plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
    kinds = {"Seq Scan"} if connection.vendor == "postgresql" else {"ALL"}
    names = [
        node.get("Relation Name") or node.get("table_name")
        for node in nodes(plan)
        if (node.get("Node Type") or node.get("access_type")) in kinds
    ]
    return [name for name in names if name in TABLES]


def nodes(plan: Any) -> Any:
    if isinstance(plan, dict):
        yield plan
        plan = list(plan.values())
    for inner in plan if isinstance(plan, list) else ():
        yield from nodes(inner)


def test_no_statement_of_a_seal_or_a_proof_reads_a_table_from_end_to_end(long_trail):
    acts = {
        "a look at what waits": lambda: list(verification.unsealed("default")),
        "a seal": sealing.seal,
        "a proof": lambda: proofs.prove(long_trail[0]),
        "a checkpoint": lambda: checkpoints.make(),
    }
    heard = {name: asked(act) for name, act in acts.items()}
    assert [name for name, statements in heard.items() if not statements] == []
    found = {name: [sql for sql, params in statements if scanned(sql, params)] for name, statements in heard.items()}
    # the first checkpoint is over every seal; the next ones go on from it
    found.pop("a checkpoint")
    assert {name: statements for name, statements in found.items() if statements} == {}


def test_a_statement_without_an_index_is_found_out(long_trail):
    ((sql, params),) = asked(lambda: list(SealedEvent.objects.filter(leaf=b"x")))
    assert scanned(sql, params) == ["audit_sealedevent"]


def test_a_longer_trail_takes_no_more_memory(write, monkeypatch):
    monkeypatch.setattr(contents, "SLICE", 100)
    monkeypatch.setattr(verification, "_SEALS", 10)
    monkeypatch.setattr(verification, "_RANGE", 200)
    write(resource="/" + "x" * 900)
    fill(300)
    sealing.seal()
    verification.verify()  # what is made once is made
    short = peak(verification.verify)
    fill(1700)
    sealing.seal()
    assert peak(verification.verify) < 1.5 * short + 200_000


def peak(act: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
