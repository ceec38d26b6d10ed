"""The side table of searches: filled after sealing, never ahead of an erasure, and not needed for a right answer."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit import datakeys, indexing, privacy, queries, sealing
from audit.models import Entered, Event, Index, SubjectKey
from gatehouse.client import Client
from gatehouse.events import Actor

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

AT = Client(ip="198.51.100.77", user_agent="agent", request_id="r-1")


def about(write: Any, number: int, **given: Any) -> Event:
    who = {"user_id": str(number), "actor": Actor("user", str(number), "user"), "email": f"p{number}@example.com"}
    return write(**{**who, "client": AT, **given})


def enter_all() -> int:
    """Enter what is sealed; return in how many steps."""
    steps = 0
    while indexing.enter_next():
        steps += 1
    return steps


def found(**filters: Any) -> list[int]:
    return [event.pk for event in queries.events(**filters)]


def test_what_is_sealed_is_entered_and_found_without_being_opened(write):
    events = [about(write, number) for number in range(3)]
    sealing.seal()
    enter_all()

    assert Index.objects.filter(kind="email").count() == 3
    assert Index.objects.filter(kind="ip").count() == 3 and Index.objects.filter(kind="net").count() == 6
    with CaptureQueriesContext(connection) as asked:
        assert found(email="P1@example.com") == [events[1].pk]
    assert not [query for query in asked if "audit_subject_key" in query["sql"]], "nothing waits that must be opened"
    assert found(ip="198.51.100.77") == found(ip="198.51.0.0/16") == [event.pk for event in events[::-1]]


def test_a_search_is_complete_before_during_and_after(write, monkeypatch):
    monkeypatch.setattr(indexing, "AT_ONCE", 2)
    events = [about(write, 1) for _one in range(3)]
    expected = [event.pk for event in events[::-1]]
    assert found(email="p1@example.com") == expected
    sealing.seal()
    assert found(email="p1@example.com") == expected
    assert indexing.enter_next() and Index.objects.filter(kind="email").count() == 2
    assert found(email="p1@example.com") == expected, "a part of a seal is entered"
    expected.insert(0, about(write, 1).pk)
    sealing.seal()
    assert enter_all() == 3
    assert found(email="p1@example.com") == found(ip=AT.ip) == expected
    assert (Entered.objects.get().seal, Entered.objects.get().event) == (2, expected[0])


def test_a_failure_in_the_middle_enters_nothing_of_that_step(write, monkeypatch):
    events = [about(write, 1) for _one in range(3)]
    sealing.seal()
    whole = indexing._entries

    def fail(row: Event) -> Any:
        if row.pk == events[1].pk:
            raise RuntimeError
        return whole(row)

    monkeypatch.setattr(indexing, "_entries", fail)
    with pytest.raises(RuntimeError):
        indexing.enter_next()
    assert not Index.objects.exists() and not Entered.objects.exists()
    monkeypatch.setattr(indexing, "_entries", whole)
    enter_all()
    assert Index.objects.filter(kind="email").count() == 3


def test_workers_at_the_same_moment_enter_each_event_once(write, race, monkeypatch):
    monkeypatch.setattr(indexing, "AT_ONCE", 1)
    for _one in range(4):
        about(write, 1)
    sealing.seal()

    race([enter_all] * 3)
    enter_all()
    assert sorted(Index.objects.filter(kind="email").values_list("event_id", flat=True)) == sorted(
        Event.objects.values_list("pk", flat=True)
    )


def test_what_is_erased_is_not_entered_any_more(write):
    mine, other = about(write, 1), about(write, 2)
    with transaction.atomic():
        privacy.erase(user_id="1", addresses=["p1@example.com"])
    sealing.seal()
    enter_all()

    assert set(Index.objects.values_list("event_id", flat=True)) == {other.pk}
    assert found(email="p1@example.com") == []
    assert Event.objects.get(pk=mine.pk).erased == ("network", "personal")


def test_an_erasure_beside_the_worker_leaves_no_digest(write, race, monkeypatch):
    monkeypatch.setattr(indexing, "AT_ONCE", 1)
    for _one in range(6):
        about(write, 1)
    sealing.seal()

    def erase() -> None:
        with transaction.atomic():
            privacy.erase(user_id="1", addresses=["p1@example.com"])

    race([enter_all, erase])
    enter_all()
    assert not SubjectKey.objects.exclude(kind=datakeys.CLOSED).exists()
    assert not Index.objects.exists()
