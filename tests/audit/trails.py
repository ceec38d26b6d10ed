"""A trail to seal, and somebody who owns the database and changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

import audit
from audit import archiving, clearing, immutability, sealing, verification
from audit.findings import Report
from audit.models import Event
from audit.seals import Seal
from gatehouse.events import Actor
from tests.audit.conftest import CLIENT


def write(number: int) -> list[int]:
    """Write so many events, and return their ids."""
    what: dict[str, Any] = {"event_type": "SECURITY", "action": "authn_login_success", "client": CLIENT}
    return [audit.record(**what, user_id=str(one), resource="/account").pk for one in range(number)]


def sealed(*sizes: int) -> list[list[int]]:
    """Write and seal events, as many a seal as *sizes* say; return the ids by seal."""
    made = []
    for size in sizes:
        made.append(write(size))
        sealing.seal()
    return made


@contextmanager
def owner() -> Iterator[Any]:
    """Give the cursor of somebody who has taken the guard away, and put that back."""
    with immutability.lifted(connection, reason="an attacker"), connection.cursor() as cursor:
        yield cursor


def tamper(*statements: str) -> None:
    """Run *statements* as the owner of the database."""
    with owner() as cursor:
        for statement in statements:
            cursor.execute(statement)


def verify(**how: Any) -> Report:
    return verification.verify(**how)


def found(report: Report) -> list[tuple[str, int | None, int | None]]:
    """Return code, event and seal of each finding."""
    return [(str(finding.code), finding.event, finding.seal) for finding in report.findings]


def first_found(report: Report) -> tuple[str, int | None, int | None]:
    assert not report.ok
    return found(report)[0]


def aged(pk: int, by: timedelta) -> None:
    """Let an event that nobody sealed yet say that it is older."""
    stamp: datetime = timezone.now() - by
    with owner() as cursor:
        table, value = Event._meta.db_table, connection.ops.adapt_datetimefield_value(stamp)
        cursor.execute(f"UPDATE {table} SET timestamp = %s WHERE id = %s", [value, pk])


def newest() -> Seal:
    seal = Seal.objects.order_by("number").last()
    assert seal is not None
    return seal


WHO: dict[str, Any] = {"actor": Actor.system("test"), "client": CLIENT}


def archive(folder: Path, *online: str, clear: bool = True) -> list[archiving.Archived]:
    """Archive every seal there is, and let all rows go but those of *online*; return the files that were made."""
    made = []
    while done := archiving.archive_next(folder=folder, before=timezone.now(), now=timezone.now(), **WHO):
        made.append(done)
    if clear:
        list(clearing.clear(folder=folder, online=online, **WHO))
    return made
