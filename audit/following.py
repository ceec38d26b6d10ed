"""Following the seals: whoever takes in the events of one seal after another, each exactly once.

1. An event that was committed late is in a later seal, so following the seals misses none.
2. How far somebody came stands in a row of theirs, which is locked while a step is done and changes in the same
   transaction: of two workers one waits, and one that is killed has done the whole of its step or nothing.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import router, transaction

from gatehouse.deadlocks import again_after_deadlock

from .models import Event
from .seals import Follower, Seal, SealedEvent

F = TypeVar("F", bound=Follower)


@again_after_deadlock
def step(follower: type[F], number: int, take_in: Callable[[list[Event], str], None]) -> bool:
    """Give the next events, *number* at most and of one seal, to *take_in*; return whether more may wait.

    It is called inside the transaction, with the alias of its database.
    """
    alias = router.db_for_write(follower)
    with transaction.atomic(using=alias, durable=True):
        place = locked(follower, alias)
        sealed = SealedEvent.objects.using(alias).filter(seal_id=place.seal, event_id__gt=place.event)
        keys = list(sealed.order_by("event_id").values_list("event_id", flat=True)[:number])
        if keys:
            take_in(list(Event.objects.using(alias).filter(pk__in=keys).order_by("pk")), alias)
            place.event = keys[-1]
        elif Seal.objects.using(alias).filter(number=place.seal + 1).exists():
            place.seal, place.event = place.seal + 1, 0
        else:
            return False
        place.save(using=alias)
    return True


def has_taken_in(follower: type[F], seal: int, alias: str) -> bool:
    """Tell whether *follower* has taken in all of *seal* and of those before; it is held until the transaction ends."""
    place = locked(follower, alias)
    last = Seal.objects.using(alias).filter(number=seal).values_list("last_event", flat=True).first()
    return place.seal > seal or (place.seal == seal and last is not None and place.event >= last)


def locked(follower: type[F], alias: str) -> F:
    """Return the row of *follower*, for whoever holds it until the transaction ends."""
    rows = follower._default_manager.using(alias)
    found = rows.select_for_update().first()
    if found is None:  # made first, two at once would wait for each other's row on MariaDB
        rows.bulk_create([follower()], ignore_conflicts=True)
        found = rows.select_for_update().get()
    return found
