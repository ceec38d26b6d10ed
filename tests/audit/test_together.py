"""Many events that are sent together are written by one statement, and stand or fall with their changes."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import send, together
from gatehouse.models import Counter
from gatehouse.signals import CleanedUp, LimitExceeded, security_event

CLIENT = Client(ip="192.0.2.7", user_agent="Firefox/142", request_id="r1")


def send_some(number: int) -> None:
    for one in range(number):
        send(security_event, LimitExceeded(client=CLIENT, limit=f"limit{one}"))


@pytest.mark.django_db
def test_they_are_what_they_would_be_one_by_one_in_their_order() -> None:
    send_some(3)
    with CaptureQueriesContext(connection) as queries, together():
        send_some(3)
        assert Event.objects.count() == 3
    inserts = [query for query in queries if "INSERT" in query["sql"]]
    assert len(inserts) == 1
    alone, beside = list(Event.objects.order_by("pk"))[:3], list(Event.objects.order_by("pk"))[3:]
    leave_out = {"id", "timestamp", "network", "personal"}  # each row has a nonce of its own
    columns = [field.attname for field in Event._meta.concrete_fields if field.attname not in leave_out]
    columns += Event.private
    assert [[getattr(row, name) for name in columns] for row in alone] == [
        [getattr(row, name) for name in columns] for row in beside
    ]
    assert all(row.timestamp is not None for row in beside)


@pytest.mark.django_db
def test_what_is_too_long_is_cut_there_too() -> None:
    client = Client(ip="192.0.2.7", user_agent="x" * 600)
    with together():
        send(security_event, CleanedUp(client=client, removed={"links": 1}))
    row = Event.objects.get()
    assert len(row.user_agent) == 500 and row.user_agent.endswith("…")


@pytest.mark.django_db(transaction=True)
def test_a_trail_that_cannot_be_written_takes_the_changes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(rows: list[Event]) -> None:
        raise RuntimeError("the trail is full")

    monkeypatch.setattr("audit.receivers._insert_all", fail)
    with pytest.raises(RuntimeError, match="full"), transaction.atomic(), together():
        Counter.objects.beat("test", timezone.now())
        send_some(1)
    assert not Counter.objects.exists() and not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_block_that_fails_leaves_nothing_behind_for_the_next() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), together():
        send_some(2)
        raise ZeroDivisionError
    with transaction.atomic():
        send_some(1)
    assert Event.objects.count() == 1
