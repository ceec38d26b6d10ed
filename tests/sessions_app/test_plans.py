"""What the database does for every query of sessions and devices that a request asks, and to clean up sessions.

None reads a table from end to end, whatever it holds.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.events import Actor
from sessions_app import devices, lookup, paging, principal, tokens
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.reasons import RevokeReason

pytestmark = pytest.mark.django_db(transaction=True)  # MariaDB commits when it is told to ANALYZE

ACCOUNTS, SESSIONS, MINE = 1_000, 8_000, 300
TABLES = {Session._meta.db_table, Device._meta.db_table}
NOW = timezone.now()
Statement = tuple[str, Any]


@pytest.fixture
def owner(user: Any, client_facts: Client) -> Any:
    """Somebody with many sessions among the many of others: two of three over, as a site has them."""
    model = get_user_model()
    names = [f"crowd{number}@example.com" for number in range(ACCOUNTS)]
    model.objects.bulk_create(
        model(**{field.attname: getattr(user, field.attname) for field in model._meta.concrete_fields}
              | {"id": uuid4(), "email": name, "email_key": name})
        for name in names
    )  # fmt: skip
    crowd = list(model.objects.exclude(pk=user.pk).values_list("pk", flat=True))
    Device.objects.bulk_create(_device(crowd[number % ACCOUNTS], number) for number in range(SESSIONS // 2))
    known = [*Device.objects.values_list("pk", "user_id"), (None, user.pk)]
    Session.objects.bulk_create(_session(*known[number % (len(known) - 1)], number) for number in range(SESSIONS))
    Session.objects.bulk_create(_session(None, user.pk, number) for number in range(MINE))
    with connection.cursor() as cursor:
        for table in sorted(TABLES):
            cursor.execute(f"ANALYZE TABLE {table}" if connection.vendor == "mysql" else f"ANALYZE {table}")
    return user


def _device(owner: Any, number: int) -> Device:
    seen = NOW - timedelta(minutes=15 * number)
    return Device(
        user_id=owner,
        secret_hash=uuid4().hex * 2,
        name="Firefox",
        kind="browser",
        first_seen_at=seen,
        last_seen_at=seen,
    )


def _session(device: Any, owner: Any, number: int) -> Session:
    """The newest lives, the older ones have ended by an act or by time, and a few nobody has marked."""
    begun = NOW - timedelta(minutes=10 * number + 1)
    idle = min(begun + timedelta(days=14), begun + timedelta(days=7, minutes=number % 1000))
    ended = idle if idle < NOW - timedelta(hours=1) else NOW if number % 5 == 0 else None
    return Session(
        user_id=owner, device_id=device, door=Door.API, transport=Transport.BEARER, device_name="Firefox",
        device_kind="browser", created_at=begun, authenticated_at=begun, last_used_at=begun, idle_expires_at=idle,
        absolute_expires_at=begun + timedelta(days=30), refresh_id=uuid4(), refresh_kid="k", revoked_at=ended,
        revoked_reason=RevokeReason.IDLE if ended else "",
    )  # fmt: skip


@pytest.fixture
def asked(
    owner: Any, open_session: Callable[..., Session], client_facts: Client, settings: Any
) -> dict[str, list[Statement]]:
    """What each act of the services asks of the two tables."""
    now = timezone.now()
    one, other = open_session(owner), open_session(owner)
    raw = tokens.issue(one).refresh_token
    page = paging.page_of(user=owner, current_id=one.pk, now=now, limit=50)
    device = Device.objects.first()
    chores = cleaning.chores()

    def in_one(act: Callable[[], Any]) -> Callable[[], Any]:
        return transaction.atomic(act)

    def clean(name: str) -> Callable[[], Any]:
        return lambda: [*cleaning.Sweep([chores[name]], actor=Actor.system(), batch=50).steps()]

    settings.SESSIONS = settings.SESSIONS | {"SESSION_LIMIT": 2}
    acts: dict[str, Callable[[], Any]] = {
        "who calls": lambda: lookup.ask(one.pk, lookup.usual()),
        "who calls, in full": lambda: principal.find(one.pk),
        "a refresh": lambda: sessions.rotate(raw_refresh=raw, client=client_facts),
        "a use": lambda: sessions.touch(one, client_facts, timezone.now() + timedelta(minutes=2)),
        "a list": lambda: paging.page_of(user=owner, current_id=one.pk, now=now, limit=50),
        "its next page": lambda: paging.page_of(user=owner, current_id=one.pk, now=now, limit=50, cursor=page.next),
        "how many live": lambda: Session.objects.live(now).for_user(owner).count(),
        "a device by its token": lambda: devices.recognise(user=owner, client=client_facts, token="t" * 43),
        "a device by its shape": lambda: devices.recognise(user=owner, client=client_facts, token=None),
        "whether a token is another's": lambda: Device.objects.filter(secret_hash__in=["a", "b"]).exists(),
        "one's devices": lambda: Device.objects.for_user(owner).newest_first(None),
        "trust withdrawn": in_one(lambda: devices.forget(user=owner, client=client_facts)),
        "a device forgotten": in_one(lambda: devices.remove(user=device.user, client=client_facts, device=device)),
        "one end": lambda: sessions.end_own(user=owner, session_id=other.pk, current=one, client=client_facts),
        "the end of others": lambda: sessions.end_others(current=one, client=client_facts),
        "a sign-in": lambda: open_session(owner),
        "the clean-up marks": clean("expired"),
        "the clean-up removes sessions": clean("sessions"),
    }
    return {name: _statements(act) for name, act in acts.items()}


def _statements(act: Callable[[], Any]) -> list[Statement]:
    with _heard() as statements:
        act()
    return statements


@contextmanager
def _heard() -> Iterator[list[Statement]]:
    statements: list[Statement] = []

    def hear(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        words = sql.split(maxsplit=1)
        if words[0] in {"SELECT", "UPDATE", "DELETE"} and any(table in sql for table in TABLES):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(hear):
        yield statements


def scanned(statement: Statement) -> list[str]:
    """Return the tables of ours that the database would read from end to end for *statement*."""
    how = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN (FORMAT JSON) ", "mysql": "EXPLAIN FORMAT=JSON "}
    sql, params = statement
    with connection.cursor() as cursor:
        cursor.execute(how[connection.vendor] + sql, params)
        rows = cursor.fetchall()
    match connection.vendor:
        case "sqlite":
            words = [str(row[-1]).split() for row in rows]
            return [word[1] for word in words if word[0] == "SCAN" and word[1] in TABLES]
        case "postgresql":
            plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
            nodes = [node for node in _nodes(plan) if node.get("Node Type") == "Seq Scan"]
            return [node["Relation Name"] for node in nodes if node["Relation Name"] in TABLES]
        case _:
            nodes = [node for node in _nodes(json.loads(rows[0][0])) if node.get("access_type") in {"ALL", "index"}]
            return [node["table_name"] for node in nodes if node["table_name"] in TABLES]


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        for inner in plan.values():
            yield from _nodes(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from _nodes(inner)


def test_no_query_of_a_request_or_of_the_clean_up_reads_a_table_from_end_to_end(
    asked: dict[str, list[Statement]],
) -> None:
    silent = [name for name, statements in asked.items() if not statements]
    assert silent == []
    found = {name: [sql for sql, params in statements if scanned((sql, params))] for name, statements in asked.items()}
    assert {name: statements for name, statements in found.items() if statements} == {}


def test_a_query_without_an_index_is_found_out(owner: Any) -> None:
    with _heard() as statements:
        list(Session.objects.filter(user_agent="x"))
        list(Device.objects.filter(name="x"))
    assert [scanned(statement) for statement in statements] == [[Session._meta.db_table], [Device._meta.db_table]]
