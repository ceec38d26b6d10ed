"""Counters that are raised and lowered at once wait for each other in one order."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gatehouse.models import Counter

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
WINDOW = timedelta(hours=1)
ROUNDS = 60


def test_raising_and_lowering_the_same_counters_never_deadlocks(race: Any) -> None:
    keys = ["b" * 64, "a" * 64]
    for key in keys:  # their order on disk is the reverse of the order of keys
        Counter.objects.raise_all([(key, WINDOW)], timezone.now())

    def up() -> None:
        for _round in range(ROUNDS):
            Counter.objects.raise_all([(key, WINDOW) for key in keys], timezone.now())

    def down() -> None:
        for _round in range(ROUNDS):
            Counter.objects.lower(keys, timezone.now())

    def across() -> None:
        for _round in range(ROUNDS):
            Counter.objects.raise_all([(keys[0], WINDOW)], timezone.now(), lowered=keys[1:])
            Counter.objects.raise_all([(keys[1], WINDOW)], timezone.now(), lowered=keys[:1])

    assert race([up, down, up, down, across, across]) == [None] * 6
