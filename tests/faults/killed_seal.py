"""Seals a trail again and again, killed at one statement after another; run by test_killed_seal.py.

``python -m tests.faults.killed_seal`` in the environment of a site that is migrated. Each try is a process that ends
itself with SIGKILL before its n-th statement, commits counted, and leaves a late event behind for the next one. After
each the trail verifies, and the next sealer goes on; so does what counts the sealed events, each once. Prints how many
were killed, and what became of the events.
"""

import json
import os
import signal
import sys
from typing import Any

import django

django.setup()  # once for all tries: each is a copy of this process, which has opened no connection

from django.db import connection, connections, transaction  # noqa: E402

import audit  # noqa: E402
from audit import counting, sealing, verification  # noqa: E402
from audit.models import Event, Rollup  # noqa: E402
from audit.seals import SealedEvent  # noqa: E402
from gatehouse.client import Client  # noqa: E402

FARTHEST = 200


class _RolledBack(Exception):  # noqa: N818 - a way out, no error
    pass


def main() -> int:
    killed = 0
    for statement in range(1, FARTHEST):
        _write()
        connections.close_all()
        process = os.fork()
        if process == 0:
            _seal_and_die(statement)
        _pid, status = os.waitpid(process, 0)
        assert verification.verify().ok, f"killed at statement {statement}"
        sealing.seal()
        assert SealedEvent.objects.count() == Event.objects.count(), f"killed at statement {statement}"
        _count()
        counted = sum(row.events for row in Rollup.objects.filter(dimension="all"))
        assert counted == Event.objects.count(), f"killed at statement {statement}"
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    report = verification.verify()
    sys.stdout.write(json.dumps({"killed": killed, "ok": report.ok, "events": report.events}))
    return 0


def _count() -> None:
    while counting.count_next():
        pass


def _write() -> None:
    """Leave some events, and between them an id that was never committed."""
    who = Client.local("killed")
    for number in range(4):
        try:
            with transaction.atomic():
                audit.record(event_type="SYSTEM", action="sys_test", client=who, resource=str(number))
                if number == 2:
                    raise _RolledBack
        except _RolledBack:
            continue


def _seal_and_die(statement: int) -> None:
    left = [statement]

    def count_down() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        count_down()
        return execute(sql, params, many, context)

    commit = connection._commit  # type: ignore[attr-defined]

    def counted_commit() -> None:
        count_down()
        commit()

    connection._commit = counted_commit  # type: ignore[attr-defined]
    with connection.execute_wrapper(count):
        sealing.seal()
        _count()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
