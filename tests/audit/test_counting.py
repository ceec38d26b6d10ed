"""The counts of the trail: each sealed event once, late or early, beside an erasure, under two workers."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

import audit
from audit import counting, immutability, privacy, sealing
from audit.models import Counted, Event, FailingAddress, Rollup, SubjectKey
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from tests.audit import trails
from tests.audit.conftest import CLIENT

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

ELSEWHERE = Client(ip="198.51.100.77", user_agent="agent", request_id="r-1")


def count_all() -> int:
    """Count what is sealed; return in how many steps."""
    steps = 0
    while counting.count_next():
        steps += 1
    return steps


def counts(dimension: str) -> dict[str, tuple[int, int]]:
    return {row.name: (row.events, row.failed) for row in Rollup.objects.filter(dimension=dimension)}


def failure(write: Any, **given: Any) -> Event:
    what = {"action": "authn_login_fail", "success": False, "failure_reason": FailureReason.BAD_CREDENTIALS}
    return write(**{**what, "client": ELSEWHERE, **given})


def test_what_is_sealed_is_counted_by_each_dimension_and_what_is_not_is_not(write):
    write()
    write(event_type="ADMIN", action="user_disabled")
    for _one in range(2):
        failure(write)
    sealing.seal()
    write()
    count_all()

    assert counts("all") == {"": (4, 2)}
    assert counts("type") == {"SECURITY": (3, 2), "ADMIN": (1, 0)}
    assert counts("action") == {"authn_login_success": (1, 0), "user_disabled": (1, 0), "authn_login_fail": (2, 2)}
    assert counts("reason") == {"bad_credentials": (2, 2)}
    assert [row.failed for row in FailingAddress.objects.all()] == [2]
    assert count_all() == 0
    sealing.seal()
    count_all()
    assert counts("all") == {"": (5, 2)}


def test_files_are_counted_with_their_bytes_as_far_as_these_are_sizes(write):
    for size in (100, 250, -1, True, "7", 2**60, None):
        write(event_type="FILE_ACCESS", action="upload", details={"size_bytes": size})
    write(event_type="FILE_ACCESS", action="download", details={"size_bytes": 1000})
    write(event_type="FILE_ACCESS", action="download", success=False, details={"size_bytes": 9})
    write(event_type="FILE_ACCESS", action="delete", details={"size_bytes": 5})
    sealing.seal()
    count_all()

    files = {row.name: (row.events, row.size) for row in Rollup.objects.filter(dimension="file")}
    assert files == {"upload": (7, 350), "download": (1, 1000)}
    assert not Rollup.objects.exclude(dimension="file").filter(size__gt=0).exists()


def test_a_late_event_is_counted_with_its_seal_in_the_hour_it_happened(write):
    first, late, last = trails.write(3)
    trails.aged(last, timedelta(hours=5))
    with trails.owner() as cursor:  # another transaction holds its number back
        cursor.execute("CREATE TEMPORARY TABLE held AS SELECT * FROM audit_event WHERE id = %s", [late])
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [late])
    sealing.seal()
    count_all()
    assert sum(row.events for row in Rollup.objects.filter(dimension="all")) == 2
    with trails.owner() as cursor:
        cursor.execute("INSERT INTO audit_event SELECT * FROM held")
        cursor.execute("DROP TABLE held")
    sealing.seal()
    count_all()

    hours = {row.hour: row.events for row in Rollup.objects.filter(dimension="all")}
    stamps = [event.timestamp for event in Event.objects.all()]
    assert hours == {
        hour: sum(counting.hour_of(stamp) == hour for stamp in stamps) for hour in map(counting.hour_of, stamps)
    }
    assert sum(hours.values()) == 3 and {first, late, last} == {event.pk for event in Event.objects.all()}


def test_a_failure_in_the_middle_counts_nothing_of_that_step(write, monkeypatch):
    failure(write)
    sealing.seal()

    def fail(*_given: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(counting, "_add_addresses", fail)
        with pytest.raises(RuntimeError):
            counting.count_next()
    assert not Rollup.objects.exists() and not Counted.objects.exists()
    count_all()
    assert counts("all") == {"": (1, 1)}


def test_workers_at_the_same_moment_count_each_event_once(write, race, monkeypatch):
    monkeypatch.setattr(counting, "AT_ONCE", 1)
    for _one in range(4):
        failure(write)
    sealing.seal()

    race([count_all] * 3)
    count_all()
    assert counts("all") == {"": (4, 4)}
    assert [row.failed for row in FailingAddress.objects.all()] == [4]


def test_a_rebuild_counts_the_same_again_and_refuses_to_lose_what_was_archived(write):
    failure(write)
    write()
    sealing.seal()
    count_all()
    before = [counts(dimension) for dimension in ("all", "type", "action", "reason")]
    said = io.StringIO()
    call_command("audit", "count", "--rebuild", stdout=said)
    assert [counts(dimension) for dimension in ("all", "type", "action", "reason")] == before
    assert "counted" in said.getvalue()

    with immutability.lifted(connection, reason="an archive"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [Event.objects.order_by("pk")[0].pk])
    with pytest.raises(CommandError, match="1 sealed event"):
        call_command("audit", "count", "--rebuild")
    assert counts("all") == before[0]
    call_command("audit", "count", "--rebuild", "--lose-archived", stdout=said)
    assert counts("all") == {"": (1, 0)}


def test_where_failures_came_from_goes_with_the_key_by_erasure_and_by_age(write):
    jane, joe = Actor("user", "7", "user"), Actor("user", "8", "user")
    for who in (jane, joe):
        failure(write, user_id=who.id, actor=who)
    sealing.seal()
    count_all()
    assert FailingAddress.objects.count() == 2
    with transaction.atomic():
        privacy.erase(user_id="7")
    (left,) = FailingAddress.objects.all()
    assert SubjectKey.objects.get(pk=left.key_id).subject == "user:8"
    assert counts("all") == {"": (2, 2)}, "what tells of nobody stays"
    list(privacy.destroy(privacy.faded(timezone.now() + timedelta(days=62))))
    assert not FailingAddress.objects.exists()


def test_what_was_erased_before_it_was_counted_leaves_no_digest(write):
    failure(write, user_id="7", actor=Actor("user", "7", "user"))
    with transaction.atomic():
        privacy.erase(user_id="7")
    sealing.seal()
    count_all()
    assert counts("all") == {"": (1, 1)}
    assert not FailingAddress.objects.exists()


def test_an_erasure_beside_the_worker_leaves_no_digest(write, race, monkeypatch):
    monkeypatch.setattr(counting, "AT_ONCE", 1)
    for _one in range(5):
        failure(write, user_id="7", actor=Actor("user", "7", "user"))
    sealing.seal()

    def erase() -> None:
        with transaction.atomic():
            privacy.erase(user_id="7")

    race([count_all, erase])
    count_all()
    assert not FailingAddress.objects.exists()
    assert counts("all") == {"": (5, 5)}


def test_counts_are_removed_when_they_are_old_and_kept_where_the_setting_says_so(write, settings):
    failure(write)
    sealing.seal()
    count_all()
    kept, said = Rollup.objects.count(), io.StringIO()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1200), tick=False):
        settings.AUDIT = {**settings.AUDIT, "COUNTS_KEPT": timedelta(0)}
        call_command("cleanup", "--only", "trail-counts,trail-addresses", stdout=said)
        assert Rollup.objects.count() == kept
        settings.AUDIT = {**settings.AUDIT, "COUNTS_KEPT": timedelta(days=1095)}
        call_command("cleanup", "--only", "trail-counts,trail-addresses", stdout=said)
    assert not Rollup.objects.exists() and not FailingAddress.objects.exists()


def test_an_address_that_is_none_stops_nothing(write):
    failure(write, client=Client(ip="no address", user_agent="", request_id="r"))
    audit.record(event_type="SYSTEM", action="sys_test", client=CLIENT)
    sealing.seal()
    count_all()
    assert counts("all") == {"": (2, 1)} and not FailingAddress.objects.exists()
