"""The trail: one table, one row for each thing that happened; and the keys of what is private in it."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Final

from django.db import models

from gatehouse.client import USER_AGENT_LENGTH
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7
from gatehouse.text import EMAIL_MAX_LENGTH

from .appendonly import AppendOnlyModel, AppendOnlyQuerySet
from .archives import Archive, Cleared
from .columns import DatabaseClock, PrefixIndex
from .queue import Endpoint, Queued, Webhook
from .rollups import Counted, FailingAddress, MonthlyReport, Rollup
from .seals import Checkpoint, Entered, Gap, Seal, SealedEvent, Verification

__all__ = ["Archive", "Checkpoint", "Cleared", "Counted", "Endpoint", "Entered", "Event", "FailingAddress", "Gap"]
__all__ += [
    "Index",
    "MonthlyReport",
    "Queued",
    "Rollup",
    "Seal",
    "SealedEvent",
    "SubjectKey",
    "Verification",
    "Webhook",
]

# What PostgreSQL cannot store: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CUT = "…"
_CHUNK = 500

NETWORK: Final = "network"  # from where: the data of who acted
PERSONAL: Final = "personal"  # what was typed and what changed: the data of the account concerned
Opened = dict[str, dict[str, Any]]  # what the ciphertexts of a row hold, by their kind


class Private:
    """An attribute of an event that stands in the database only as a part of one of its ciphertexts."""

    def __init__(self, kind: str, default: Any = None, *, length: int | None = None) -> None:
        self.kind, self.default, self.length = kind, default, length

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        owner.private = {**getattr(owner, "private", {}), name: self}  # type: ignore[attr-defined]

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        return row.opened(self.kind).get(self.name, self.default() if callable(self.default) else self.default)

    def __set__(self, row: Any, value: Any) -> None:
        row.opened(self.kind)[self.name] = value


class EventQuerySet(AppendOnlyQuerySet["Event"]):
    """Events; those that were fetched together are opened together."""

    def _fetch_all(self) -> None:
        fresh = self._result_cache is None
        super()._fetch_all()
        if fresh:
            rows = [row for row in self._result_cache or () if isinstance(row, Event)]
            for row in rows:
                row.fetched_with = rows

    def iterator(self, chunk_size: int | None = None) -> "Iterator[Event]":
        """Yield the rows of a long list, opened so many at a time."""
        rows = super().iterator(chunk_size or _CHUNK)
        while chunk := list(islice(rows, _CHUNK)):
            for row in chunk:
                if isinstance(row, Event):
                    row.fetched_with = chunk
            yield from chunk


class Event(AppendOnlyModel):
    """One thing that happened: who did what, to whose account, from where, and how it ended.

    Written by ``receivers.insert`` alone, read through ``queries`` alone. Nothing updates a row, and
    ``clearing`` alone deletes one, once it lies in the archive: the database's own triggers refuse
    the rest. Ids are kept as text and without a foreign key, so that a row outlives what it speaks
    of and fits any user model.

    ``id`` only orders rows; a gap is no evidence, since a rolled back insert leaves one.

    What tells of a person stands in two ciphertexts (:mod:`audit.privacy`); the attributes below
    them open these, and are empty once their key was destroyed, as ``erased`` says.
    """

    private: ClassVar[dict[str, Private]]
    opener: ClassVar[Callable[[list["Event"]], None]]  # gives rows what they hold; named when the app is ready

    id = models.BigAutoField(primary_key=True)
    timestamp = models.DateTimeField(db_default=DatabaseClock(), editable=False)
    event_type = models.CharField(max_length=50)
    action = KeyField(max_length=100)
    # the account concerned, which need not be the one that acted
    user_id = KeyField(max_length=255, null=True, blank=True)
    actor_type = models.CharField(max_length=20)
    actor_id = KeyField(max_length=255, null=True, blank=True)
    actor_label = models.CharField(max_length=150, blank=True, default="")
    resource = KeyField(max_length=1000, blank=True, default="")
    success = models.BooleanField()
    failure_reason = models.CharField(max_length=50, blank=True, default="")
    request_id = KeyField(max_length=64, blank=True, default="")
    session_id = KeyField(max_length=64, null=True, blank=True)
    network = models.BinaryField(null=True)
    personal = models.BinaryField(null=True)

    ip_address = Private(NETWORK, length=45)
    user_agent = Private(NETWORK, "", length=USER_AGENT_LENGTH)
    email = Private(PERSONAL, length=EMAIL_MAX_LENGTH)  # as typed, also where no account has it
    error_message = Private(PERSONAL, "")
    details = Private(PERSONAL, dict)

    is_impersonal = False  # while it is written: nobody's erasure takes its details
    fetched_with: "Sequence[Event]" = ()  # those of the same page, which are opened by one query
    _opened: Opened | None = None
    _erased: tuple[str, ...] = ()

    objects = models.Manager.from_queryset(EventQuerySet)()  # type: ignore[misc]

    class Meta(AppendOnlyModel.Meta):
        db_table = "audit_event"
        default_permissions = ("view",)  # there is no permission to add, change or delete
        indexes = [
            models.Index(fields=["timestamp"], name="audit_event_timestamp"),
            models.Index(fields=["event_type", "timestamp"], name="audit_event_type_timestamp"),
            models.Index(fields=["user_id", "timestamp"], name="audit_event_user_timestamp"),
            models.Index(fields=["actor_type", "actor_id", "timestamp"], name="audit_event_actor_timestamp"),
            models.Index(fields=["success", "timestamp"], name="audit_event_ok_timestamp"),
            models.Index(fields=["action", "timestamp"], name="audit_event_action"),
            models.Index(fields=["session_id", "timestamp"], name="audit_event_session"),
            models.Index(fields=["request_id"], name="audit_event_request"),
            PrefixIndex(fields=["resource"], name="audit_event_resource", opclasses=["varchar_pattern_ops"]),
        ]

    @property
    def is_own(self) -> bool:
        """Whether the account concerned, or nobody known, did it: then its network is not that of staff."""
        return self.actor_type == "anonymous" or (self.actor_type == "user" and self.actor_id == self.user_id)

    def opened(self, kind: str) -> dict[str, Any]:
        """Return what the ciphertext *kind* holds, by attribute; a row that was just made holds nothing yet."""
        if self._opened is None and not self._state.adding:
            together = self.fetched_with or [self]
            Event.opener([row for row in together if row._opened is None])
            for row in together:  # a page that was read holds on to nothing
                row.fetched_with = ()
        if self._opened is None:
            nothing: Opened = {NETWORK: {}, PERSONAL: {}}
            self.take(nothing)
            return nothing[kind]
        return self._opened[kind]

    def take(self, opened: Opened, erased: tuple[str, ...] = ()) -> None:
        """Be given what the ciphertexts hold, and which of them cannot be read."""
        self._opened, self._erased = opened, erased

    @property
    def erased(self) -> tuple[str, ...]:
        """Which of the two classes were there once and cannot be read.

        ``network`` where its key was destroyed, ``network_altered`` where somebody changed the row, and
        ``network_unreadable`` where the key is there and nothing in AUDIT["KEYS"] opens it.
        """
        self.opened(NETWORK)
        return self._erased

    def fit(self) -> None:
        """Cut what is longer than its column, with a mark, and replace what cannot be stored.

        What came from outside (a user agent, an address as typed) must never make the
        insert fail, since that would fail the action it records.
        """
        for field in self._meta.concrete_fields:
            value = getattr(self, field.attname)
            if isinstance(value, str):
                setattr(self, field.attname, _cut(str(_storable(value)), field.max_length))
        for name, attribute in self.private.items():
            value = _storable(getattr(self, name))
            setattr(self, name, _cut(value, attribute.length) if isinstance(value, str) else value)

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"


class SubjectKey(models.Model):
    """What opens the data of one subject in the trail, of one class and calendar month.

    Written and read by :mod:`audit.datakeys`; deleted by an erasure and, for the network data of those
    that are not staff, by age (:mod:`audit.privacy`). The rows of the trail that it opened stay as they are.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = KeyField(max_length=280)
    kind = models.CharField(max_length=10)
    month = models.CharField(max_length=7)  # 2026-11, in UTC
    wrapped = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "audit_subject_key"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["subject", "kind", "month"], name="audit_subject_key_unique")]
        indexes = [models.Index(fields=["kind", "month"], name="audit_subject_key_month")]

    def __str__(self) -> str:
        return f"{self.kind} {self.month}"


class Index(models.Model):
    """Where in the trail an address, an IP address or a network is found: keyed digests, no text.

    Written by :mod:`audit.indexing` some time after the event, read by ``queries``; deleted with the data key.
    """

    id = models.BigAutoField(primary_key=True)
    # joined to, and no more: the database knows of no such key, and the event may lie in the archive
    event = models.ForeignKey(
        Event, models.DO_NOTHING, related_name="found_at", db_constraint=False, db_index=False, editable=False
    )
    timestamp = models.DateTimeField()  # the event's, so that the newest are found without a look at the others
    kind = models.CharField(max_length=5)  # email, ip, net
    digest = models.CharField(max_length=32)
    key_id = models.UUIDField()

    class Meta:
        db_table = "audit_index"
        default_permissions = ()
        indexes = [
            models.Index(fields=["digest", "timestamp", "event"], name="audit_index_digest"),
            models.Index(fields=["key_id", "event"], name="audit_index_key"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of #{self.event_id}"


def _cut(text: str, length: int | None) -> str:
    return text if length is None or len(text) <= length else text[: length - 1] + _CUT


def _storable(value: Any) -> Any:
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return value
