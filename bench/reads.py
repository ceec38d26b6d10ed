"""Fills a long trail and times the first page of each filter, with the index that its plan names."""

import argparse
import statistics
import sys
import time
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402 - the apps are loaded first

import audit  # noqa: E402
from audit import queries  # noqa: E402
from audit.digests import address_digest, place_digests  # noqa: E402
from audit.models import Entered, Event  # noqa: E402
from bench.plans import explained  # noqa: E402
from gatehouse.client import Client  # noqa: E402

MOST = 50.0  # milliseconds for a first page
EMAIL, IP = "jane@example.com", "203.0.113.7"
FILL = """
INSERT INTO audit_event (timestamp, event_type, action, user_id, actor_type, actor_id, actor_label, resource, success,
                         failure_reason, request_id, session_id, network, personal)
SELECT now() - (%s - n) * interval '1 second',
       CASE n %% 1000 WHEN 8 THEN 'ADMIN' WHEN 9 THEN 'SYSTEM' ELSE 'SECURITY' END,
       'a' || n %% 97, n %% 10007, 'user', n %% 10007, 'user', '/files/' || n %% 5003 || '/' || n, n %% 20 > 0, '',
       'r' || n, 's' || n %% 50021, e.network, e.personal
FROM audit_event e, generate_series(1, %s) AS n WHERE e.id = %s
"""
ENTRIES = """
INSERT INTO audit_index (event_id, timestamp, kind, digest, key_id)
SELECT e.id, e.timestamp, 'x', d.digest || '', gen_random_uuid()
FROM audit_event e, unnest(%s::text[]) AS d(digest) WHERE e.id %% %s = 0
"""
FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "type": {"types": ["SECURITY"]},
    "rare type": {"types": ["ADMIN"]},
    "two types": {"types": ["ADMIN", "SYSTEM"]},
    "action": {"actions": ["a7"]},
    "user": {"users": ["7"]},
    "subject": {"users": ["7"], "as_role": "subject"},
    "success": {"success": True},
    "failure": {"success": False},
    "session": {"session": "s7"},
    "request": {"request_id": "r77"},
    "resource": {"resource": "/files/7/"},
    "address": {"email": EMAIL},
    "ip": {"ip": IP},
    "network": {"ip": "203.0.0.0/16"},
    "type, outcome": {"types": ["ADMIN"], "success": False},
    "user, outcome": {"users": ["7"], "success": False},
    "ip, outcome": {"ip": IP, "success": False},
}


def main() -> int:
    """Measure, print, and tell by the status whether the target was met."""
    parser = argparse.ArgumentParser(prog="script/bench --trail-reads")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_known_args()[0]
    _fill(options.rows)
    missed = []
    for name, filters in FILTERS.items():
        took = _times(filters, options.rounds)
        plan = explained([lambda filters=filters: queries.page(limit=50, **filters)])  # type: ignore[misc]
        used = sorted({index for one in plan.statements for _table, _kind, index in one.scans if index})
        middle = statistics.median(took)
        print(f"{name:<14} {middle:7.1f} ms, {max(took):7.1f} at most   {', '.join(used)}", flush=True)
        if middle > MOST or "audit_event" in plan.unindexed or "audit_index" in plan.unindexed:
            missed.append(name)
    print(f"Missed: {', '.join(missed)}" if missed else "The targets are met.")
    return 1 if missed else 0


def _times(filters: dict[str, Any], rounds: int) -> list[float]:
    took = []
    for _round in range(rounds):
        began = time.perf_counter()
        rows = queries.page(limit=50, **filters).rows
        _opened = [row.email for row in rows]
        took.append((time.perf_counter() - began) * 1000)
    return took


def _fill(rows: int) -> None:
    """Leave *rows* events as the worker leaves them: an address at one in a thousand, a network at every other one."""
    client = Client(ip=IP, user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Firefox/142.0")
    what = {"event_type": "SECURITY", "action": "authn_login_success", "resource": "/api/v1/auth/login"}
    pattern = audit.record(**what, client=client, user_id="7", email=EMAIL, details={"factors": ["password"]})
    ip, *networks = (digest for _kind, digest in place_digests(IP))
    with connection.cursor() as cursor:
        cursor.execute(FILL, [rows, rows, pattern.pk])
        for digests, share in (([address_digest(EMAIL)], 1000), ([ip], 100), (networks, 2)):
            cursor.execute(ENTRIES, [digests, share])
        cursor.execute("VACUUM ANALYZE audit_event")
        cursor.execute("VACUUM ANALYZE audit_index")
    newest = Event.objects.order_by("pk").last()
    Entered.objects.update_or_create(id=1, defaults={"event": newest.pk if newest else 0})
    print(f"{rows:,} events", flush=True)


if __name__ == "__main__":
    sys.exit(main())
