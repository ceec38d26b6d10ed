"""Which addresses had an account that was erased: remembered by keyed digests, and asked by the import alone.

An import file outlives an erasure: without this, the next run over it would make the account anew. A sign-up asks
nothing here; whoever was erased may come back by himself.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from accounts.models import ErasedAddress
from gatehouse import hashing

_PURPOSE = "erased-address"


def remember(email_keys: Iterable[str], now: datetime) -> None:
    """Write down that the accounts of *email_keys* were erased, in the caller's transaction."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [ErasedAddress(digest=hashing.keyed_hash(_PURPOSE, key), erased_on=day) for key in sorted(set(email_keys))]
    ErasedAddress.objects.bulk_create(rows, ignore_conflicts=True)  # some may have been erased before
    ErasedAddress.objects.filter(pk__in=[row.pk for row in rows]).update(erased_on=day)


def among(email_keys: Collection[str]) -> set[str]:
    """Return those of *email_keys* that are remembered, under any key of the ring."""
    digests = {digest: key for key in email_keys for digest in hashing.keyed_hashes(_PURPOSE, key)}
    found = ErasedAddress.objects.filter(pk__in=list(digests)).values_list("pk", flat=True)
    return {digests[pk] for pk in found}
