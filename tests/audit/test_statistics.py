"""The figures of a time: exact, by the hour or the day, from the counts alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import counting, sealing
from audit.models import Event, FailingAddress
from audit.queries import FilterError
from audit.statistics import of_actions, statistics
from gatehouse.client import Client
from tests.audit import trails

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ELSEWHERE = Client(ip="198.51.100.77", user_agent="agent", request_id="r-1")


def stamp(event: Event, at: datetime) -> None:
    """Let an event that nobody sealed yet say that it happened *at*."""
    with trails.owner() as cursor:
        value = connection.ops.adapt_datetimefield_value(at)
        cursor.execute("UPDATE audit_event SET timestamp = %s WHERE id = %s", [value, event.pk])


def counted() -> None:
    sealing.seal()
    while counting.count_next():
        pass


@pytest.fixture
def month(write) -> None:
    """Some events of a day and of the day after."""
    failed: dict[str, Any] = {"action": "authn_login_fail", "success": False, "failure_reason": "bad_credentials"}
    for at, what in (
        (NOON, {}),
        (NOON + timedelta(minutes=59, seconds=59), failed),
        (NOON + timedelta(hours=1), {**failed, "client": ELSEWHERE}),
        (NOON + timedelta(hours=1), {**failed, "client": ELSEWHERE, "failure_reason": "locked"}),
        (NOON + timedelta(hours=12), {"event_type": "FILE_ACCESS", "action": "upload", "details": {"size_bytes": 7}}),
        (NOON + timedelta(hours=13), {"event_type": "FILE_ACCESS", "action": "download", "details": {"size_bytes": 5}}),
    ):
        stamp(write(**what), at)
    counted()


def test_the_figures_are_those_of_the_contract(month):
    found = statistics(since=NOON, until=NOON + timedelta(hours=24), bucket="day").as_json()
    assert found == {
        "since": "2026-11-01T00:00:00.000000Z",
        "until": "2026-11-03T00:00:00.000000Z",
        "totals": {"events": 6, "succeeded": 3, "failed": 3},
        "by_type": {"SECURITY": 4, "FILE_ACCESS": 2},
        "by_action": {"authn_login_fail": 3, "authn_login_success": 1, "download": 1, "upload": 1},
        "failure_reasons": {"bad_credentials": 2, "locked": 1},
        "top_failing_ips": [{"ip": "198.51.100.77", "failed": 2}, {"ip": "203.0.113.7", "failed": 1}],
        "files": {"uploads": 1, "downloads": 1, "bytes": 12},
        "buckets": [
            {"start": "2026-11-01T00:00:00.000000Z", "events": 4, "failed": 3},
            {"start": "2026-11-02T00:00:00.000000Z", "events": 2, "failed": 0},
        ],
    }


def test_hours_that_had_nothing_are_there_and_those_outside_are_not(month):
    found = statistics(since=NOON, until=NOON + timedelta(hours=2, minutes=1))
    assert [(one.start.hour, one.events, one.failed) for one in found.buckets] == [(12, 2, 1), (13, 2, 2), (14, 0, 0)]
    assert found.totals.events == 4 and found.files.bytes == 0
    found = statistics(since=NOON + timedelta(minutes=30), until=NOON + timedelta(hours=1))
    assert [(one.start.hour, one.events) for one in found.buckets] == [(12, 2)]


def test_the_last_day_or_month_is_what_nobody_asked_otherwise_for(month):
    assert len(statistics().buckets) in (24, 25)
    assert len(statistics(bucket="day").buckets) in (30, 31)
    assert statistics(until=NOON + timedelta(hours=14)).totals.events == 6


def test_some_actions_by_the_hour(month):
    found = of_actions(["authn_login_fail", "upload"], since=NOON, until=NOON + timedelta(hours=13), bucket="hour")
    assert {one.start.hour: (one.events, one.failed) for one in found if one.events} == {
        12: (1, 1),
        13: (2, 2),
        0: (1, 0),
    }


def test_an_address_that_cannot_be_read_any_more_is_left_out(month):
    FailingAddress.objects.filter(failed=2).update(event_id=10**9)
    found = statistics(since=NOON, until=NOON + timedelta(hours=24))
    assert [place.ip for place in found.top_failing_ips] == ["203.0.113.7"]
    assert found.totals.failed == 3


def test_one_address_under_two_keys_is_one(month, settings, write):
    settings.AUDIT = {**settings.AUDIT, "KEYS": ("a new key for the tests " + "z" * 32, *settings.AUDIT["KEYS"])}
    stamp(write(success=False, client=ELSEWHERE), NOON)
    counted()
    assert FailingAddress.objects.values("digest").distinct().count() == 3
    found = statistics(since=NOON, until=NOON + timedelta(hours=24))
    assert [(place.ip, place.failed) for place in found.top_failing_ips][0] == (ELSEWHERE.ip, 3)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"since": datetime(2026, 11, 1)}, "since"),
        ({"until": datetime(2026, 11, 1)}, "until"),
        ({"since": NOON, "until": NOON - timedelta(hours=1)}, "until"),
        ({"since": NOON - timedelta(hours=1001), "until": NOON}, "since"),
        ({"since": datetime.min.replace(tzinfo=UTC), "until": datetime.max.replace(tzinfo=UTC)}, "since"),
        ({"until": datetime.min.replace(tzinfo=UTC)}, "since"),
    ],
)
def test_a_time_that_cannot_be_is_refused(db, asked, name):
    with pytest.raises(FilterError) as refused:
        statistics(**asked)
    assert refused.value.name == name


def test_the_figures_of_a_year_read_no_event_but_those_whose_address_is_shown(month):
    with CaptureQueriesContext(connection) as asked:
        statistics(since=NOON - timedelta(days=200), until=NOON + timedelta(days=165), bucket="day")
    assert len(asked) == 5
    assert sum('FROM "audit_event"' in query["sql"].replace("`", '"') for query in asked) == 1
