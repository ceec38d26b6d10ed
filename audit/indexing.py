"""The side table by which the trail is searched for addresses, IP addresses and networks.

1. The worker enters the events of one seal after another, a few in a transaction; how far it came stands beside them,
   so that nothing is entered twice or left out by one that was killed, or by two at once.
2. Until then an event is found by opening it, so that a search is complete at any moment, but for events that wait
   behind NEWEST others, and for one that was committed late and has no seal yet.
3. The data keys are locked while digests are made with what they open: an erasure at the same moment waits, and takes
   the digests with the keys.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import router
from django.db.models import Q

from . import following
from .digests import address_digest, address_digests, place_digests, search_digests
from .models import NETWORK, PERSONAL, Event, Index
from .privacy import key_in, key_of, open_rows
from .seals import Entered, Seal, SealedEvent

NEWEST = 10_000  # events not entered yet that a search opens
AT_ONCE = 200  # events entered in one transaction


def enter_next() -> bool:
    """Enter some events of the first seal that is not entered whole; return whether more may wait."""
    return following.step(Entered, AT_ONCE, lambda rows, _alias: enter(rows))


def enter(rows: Sequence[Event]) -> None:
    """Write down where *rows* are found, inside the caller's transaction."""
    open_rows(rows, lock=True)
    entries = [entry for row in rows for entry in _entries(row)]
    Index.objects.using(router.db_for_write(Index)).bulk_create(entries, batch_size=2000)


def forget(gone: Mapping[int, Sequence[bytes | None]]) -> None:
    """Remove what events are found by that leave the table, inside the caller's transaction.

    *gone* names the ciphertexts of each, since entries are found by the keys that these were sealed with.
    """
    entries = Index.objects.using(router.db_for_write(Index))
    keys = {key for texts in gone.values() for text in texts if (key := key_in(text))}
    near = entries.filter(key_id__in=keys, event_id__gte=min(gone), event_id__lte=max(gone))
    found = [entry for entry, event in near.values_list("pk", "event_id") if event in gone]
    entries.filter(pk__in=found).delete()


@dataclass(frozen=True)
class Found:
    """What is known of the events that hold something: the digests they are entered by, and those not entered yet."""

    digests: list[str]
    fresh: list[int]

    @property
    def condition(self) -> Q:
        """The condition of these events."""
        entered = Index.objects.filter(digest__in=self.digests).values("event_id")
        if not self.fresh:
            return Q(pk__in=entered)
        # one set of keys: an OR of two conditions would have the database walk the whole trail
        return Q(pk__in=entered.union(Event.objects.filter(pk__in=self.fresh).values("pk"), all=True))


def by_email(email: str) -> Found:
    """Return the events at which *email* was typed."""
    digests = address_digests(email)
    return _found(digests, lambda row: bool(row.email) and address_digest(row.email) in digests)


def by_place(place: str) -> Found:
    """Return the events from *place*, an IP address or one of the networks of search_digests().

    Raises ValueError.
    """
    digests = search_digests(place)
    kind = "net" if "/" in place else "ip"

    def is_there(row: Event) -> bool:
        at = place_digests(row.ip_address) if row.ip_address else []
        return any(of == kind and digest in digests for of, digest in at)

    return _found(digests, is_there)


def waiting() -> Iterator[Event]:
    """Yield the events that the side table does not know yet, the NEWEST of them."""
    alias = router.db_for_read(Index)
    entered = Entered.objects.using(alias).first() or Entered()
    newest = Seal.objects.using(alias).filter(number__lt=entered.seal).order_by("-last_event").first()
    through = max(newest.last_event if newest else 0, entered.event)
    yield from Event.objects.using(alias).filter(pk__gt=through).order_by("-pk")[:NEWEST]
    late = SealedEvent.objects.using(alias).filter(seal_id__gte=entered.seal, event_id__lte=through)
    late = late.exclude(seal_id=entered.seal, event_id__lte=entered.event)
    yield from Event.objects.using(alias).filter(pk__in=list(late.values_list("event_id", flat=True)[:AT_ONCE]))


def _found(digests: list[str], fits: Callable[[Event], bool]) -> Found:
    return Found(digests, [row.pk for row in waiting() if fits(row)])


def _entries(row: Event) -> Iterator[Index]:
    if (key := key_of(row, PERSONAL)) and row.email:
        yield _entry(row, "email", address_digest(row.email), key)
    if (key := key_of(row, NETWORK)) and row.ip_address:
        for kind, digest in place_digests(row.ip_address):
            yield _entry(row, kind, digest, key)


def _entry(row: Event, kind: str, digest: str, key: UUID) -> Index:
    return Index(event_id=row.pk, timestamp=row.timestamp, kind=kind, digest=digest, key_id=key)
