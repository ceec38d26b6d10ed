"""What in the trail tells of a person: sealed when it is written, opened when it is read, gone when a key is destroyed.

Every event has two ciphertexts. ``network`` (from where) belongs to who acted, ``personal`` (the address that was
typed, the details) to the account concerned. Each is AES-256-GCM under a data key of its subject and the calendar
month, and authenticates the columns beside it, so that nobody who can only write to the database can give a row
another meaning. Whose data it is:

* the person, as ``user:<id>``; what is kept for good, from staff by their role, from other services and from the
  system itself, as ``kept:user:<id>``, ``kept:service:<id>``, ``kept:command:root``;
* where no account is known but an address was typed, that address, as ``address:<digest>``;
* what tells of nobody, as ``kept:nobody``;
* else the day, as ``day:2026-11-21``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import router, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from gatehouse.encryption import DecryptionFailed

from . import datakeys
from .conf import app_settings
from .datakeys import DataKey, Name
from .digests import address_digest, address_digests
from .models import NETWORK, PERSONAL, Event, FailingAddress, Index, Opened, SubjectKey

_FORM = b"\x01"
_ID = 16
_BOUND = (
    *("event_type", "action", "user_id", "actor_type", "actor_id", "actor_label", "resource", "success"),
    *("failure_reason", "request_id", "session_id"),
)
_KEPT = "kept:"
ERASED, ALTERED, UNREADABLE = "", "_altered", "_unreadable"  # key destroyed; row changed; key opened by none of ours
_KINDS = (NETWORK, PERSONAL)


def close_rows(rows: Sequence[Event], *, alias: str) -> None:
    """Put what is private in *rows* into their ciphertexts, inside the caller's transaction."""
    now = timezone.now()
    plain = [(row, kind, content) for row in rows for kind, content in _content(row)]
    names = {(id(row), kind): _name(row, kind, now) for row, kind, _content in plain}
    keys = datakeys.to_write(set(names.values()), alias=alias)
    for row, kind, content in plain:
        setattr(row, kind, _close(row, kind, content, keys[names[id(row), kind]]))


def open_rows(rows: Iterable[Event], *, lock: bool = False) -> None:
    """Open what is private in *rows*, by one query for their keys.

    A row whose part cannot be opened says so by its ``erased``, and stops none of the others. With *lock*, inside a
    transaction, no key is destroyed before its end, and one that cannot be opened raises DecryptionFailed.
    """
    rows = list(rows)
    ids = {key for row in rows for kind in _KINDS if (key := key_of(row, kind))}
    keys = datakeys.to_read(ids, alias=router.db_for_read(Event), lock=lock) if ids else {}
    for row in rows:
        found: Opened = {kind: {} for kind in _KINDS}
        faults = []
        for kind in _KINDS:
            content = _opened(row, kind, keys) if getattr(row, kind) else {}
            if isinstance(content, str):
                faults.append(f"{kind}{content}")
            else:
                found[kind] = content
        row.take(found, tuple(faults))


def key_of(row: Event, kind: str) -> UUID | None:
    """Return the id of the data key that *kind* of *row* is sealed with, None where that is empty or no ciphertext."""
    return key_in(getattr(row, kind))


def key_in(text: object) -> UUID | None:
    """Return the id of the data key that a ciphertext was sealed with; None for none, and for what is no ciphertext."""
    if not isinstance(text, bytes | memoryview) or len(text) <= _ID:
        return None
    return UUID(bytes=bytes(text)[1 : 1 + _ID])


def erase(*, user_id: object, addresses: Sequence[str] = ()) -> int:
    """Destroy what opens the data of a person, inside the caller's transaction; return how many keys that were.

    *addresses* are those the person had, as typed or as keys. The events stay, and so do their seals. What is still
    under way, and recorded later, is sealed with a key that nobody keeps.
    """
    people = [f"user:{user_id}", f"{_KEPT}user:{user_id}"]
    datakeys.close(people, alias=router.db_for_write(SubjectKey))
    places = [f"address:{digest}" for address in addresses for digest in address_digests(address)]
    return sum(destroy(SubjectKey.objects.filter(subject__in=[*people, *places]).exclude(kind=datakeys.CLOSED)))


def faded(before: datetime) -> QuerySet[SubjectKey]:
    """Return the keys of network data, and of addresses that nobody has, of the months that ended *before*.

    The network data of staff, of other services and of the system itself stays.
    """
    ordinary = Q(kind=NETWORK) & ~Q(subject__startswith=_KEPT)
    old = SubjectKey.objects.filter(month__lt=before.astimezone(UTC).strftime("%Y-%m"))
    return old.filter(ordinary | Q(kind=PERSONAL, subject__startswith="address:"))


def destroy(keys: QuerySet[SubjectKey], number: int = 1000) -> Iterator[int]:
    """Delete *keys* and the digests that hang on them, *number* in a transaction; yield how many each took."""
    alias = router.db_for_write(SubjectKey)
    keys = keys.using(alias).order_by("month", "pk")
    while ids := list(keys.values_list("pk", flat=True)[:number]):
        with transaction.atomic(using=alias):
            gone = SubjectKey.objects.using(alias).filter(pk__in=ids).delete()[0]  # waits for who makes digests
            for digests in (Index, FailingAddress):
                digests.objects.using(alias).filter(key_id__in=ids).delete()
        datakeys.forget()
        transaction.on_commit(datakeys.forget, using=alias)  # somebody may have looked in between
        yield gone


def _content(row: Event) -> list[tuple[str, dict[str, Any]]]:
    """Return what is private in *row* by class, without what is empty."""
    found = [
        (kind, {name: value for name, value in row.opened(kind).items() if value not in (None, "", {})})
        for kind in _KINDS
    ]
    return [(kind, content) for kind, content in found if content]


def _name(row: Event, kind: str, now: datetime) -> Name:
    """Return the name of the data key that *kind* of *row* is sealed with."""
    at = now.astimezone(UTC)
    subject = _actor(row) if kind == NETWORK else _concerned(row)
    return Name(subject or f"day:{at:%Y-%m-%d}", kind, f"{at:%Y-%m}")


def _actor(row: Event) -> str | None:
    match row.actor_type:
        case "user" if row.actor_id:
            kept = _KEPT if row.actor_label in app_settings().NETWORK_KEPT_OF else ""
            return f"{kept}user:{row.actor_id}"
        case "service" | "command" | "system":
            return f"{_KEPT}{row.actor_type}:{row.actor_id or row.actor_label}"
        case _:
            return None


def _concerned(row: Event) -> str | None:
    if row.is_impersonal:
        return f"{_KEPT}nobody"
    if row.user_id:
        return f"user:{row.user_id}"
    return f"address:{address_digest(row.email)}" if row.email else None


def _close(row: Event, kind: str, content: dict[str, Any], key: DataKey) -> bytes:
    plain = json.dumps(content, cls=DjangoJSONEncoder, separators=(",", ":"), ensure_ascii=False).encode()
    return _FORM + key.id.bytes + key.cipher.close(plain, _bound(row, kind))


def _opened(row: Event, kind: str, keys: Mapping[UUID, DataKey | None]) -> dict[str, Any] | str:
    """Return what *kind* of *row* holds, or why that cannot be read, as the end of a word for it."""
    name = key_of(row, kind)
    if name is None:
        return ALTERED
    if name not in keys:
        return ERASED
    key = keys[name]
    if key is None:
        return UNREADABLE
    content = _open(row, kind, key)
    return ALTERED if content is None else content


def _open(row: Event, kind: str, key: DataKey) -> dict[str, Any] | None:
    """Return what *kind* of *row* holds; None where somebody changed it, or a column beside it."""
    try:
        content: dict[str, Any] = json.loads(key.cipher.open(bytes(getattr(row, kind))[1 + _ID :], _bound(row, kind)))
    except DecryptionFailed:
        return None
    return content


def _bound(row: Event, kind: str) -> bytes:
    """Return the columns that *kind* of *row* is bound to."""
    return json.dumps([kind, *(getattr(row, name) for name in _BOUND)], separators=(",", ":")).encode()
