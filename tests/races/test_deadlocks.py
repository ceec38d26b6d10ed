"""L05: two transactions in a ring of locks both come through, since the one that gives way is done anew."""

import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from gatehouse.deadlocks import TRIES, again_after_deadlock
from gatehouse.models import Counter

pytestmark = [pytest.mark.race, pytest.mark.every_engine, pytest.mark.django_db(transaction=True)]
KEYS = ("a" * 64, "b" * 64)


def hits() -> dict[str, int]:
    return dict(Counter.objects.values_list("key", "hits"))


def test_l05_whoever_gives_way_is_done_anew(race: Any) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time: there is no ring")
    now = timezone.now()
    Counter.objects.bulk_create([Counter(key=key, window_start=now, expires_at=now, hits=0) for key in KEYS])
    both_hold_one = threading.Barrier(2)
    runs = []

    def ring(first: str, second: str) -> None:
        @again_after_deadlock
        def work() -> None:
            with transaction.atomic(durable=True):
                raise_one(first)
                runs.append(first)
                if len(runs) <= len(KEYS):
                    both_hold_one.wait(timeout=20)
                raise_one(second)

        work()

    assert race([lambda: ring(*KEYS), lambda: ring(*reversed(KEYS))]) == [None, None]
    assert len(runs) > len(KEYS), "nobody had to give way"
    assert hits() == dict.fromkeys(KEYS, 2), "what was done anew counts once"


def raise_one(key: str) -> None:
    counter = Counter.objects.select_for_update().get(key=key)
    counter.hits += 1
    counter.save(update_fields=["hits"])


def test_another_fault_of_the_database_is_no_deadlock() -> None:
    runs = []

    @again_after_deadlock
    def work() -> None:
        runs.append(1)
        raise OperationalError(2006, "server has gone away")

    with pytest.raises(OperationalError):
        work()
    assert len(runs) == 1


def test_l05_it_is_not_done_for_ever() -> None:
    runs = []

    @again_after_deadlock
    def work() -> None:
        runs.append(1)
        raise OperationalError(1213, "Deadlock found when trying to get lock")

    with pytest.raises(OperationalError):
        work()
    assert len(runs) == TRIES
