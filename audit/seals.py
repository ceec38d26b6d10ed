"""The seals over the trail, and what their making and checking leaves behind."""

import hashlib
from datetime import datetime
from typing import Any

from django.db import models

from . import merkle
from .appendonly import AppendOnlyModel
from .canonical import dumps, moment
from .signing import from_base64

NOTHING = "0" * 64  # what the first seal names as the one before it
FULL = 10_000  # events of one seal at most; one that holds so many may have left some for the next
_YEARS = (1970, 9000)  # hours are added to a moment and taken from it


class Seal(AppendOnlyModel):
    """A signature over some events and over the seal before: whoever changes one of them is found out.

    Written by ``sealing`` alone, read by ``verification``, ``proofs`` and ``checkpoints``; it stays for good. Its
    number is given by us and has no gaps, so that of two sealers at the same moment one fails.
    """

    number = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=64)  # RFC 9162, over the events in the order of their ids
    count = models.PositiveIntegerField()
    first_event = models.BigIntegerField()
    last_event = models.BigIntegerField()
    previous = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=88)

    class Meta(AppendOnlyModel.Meta):
        db_table = "audit_seal"
        default_permissions = ("view",)
        indexes = [models.Index(fields=["last_event"], name="audit_seal_last_event")]

    @property
    def body(self) -> dict[str, Any]:
        """What is signed."""
        return {
            "v": 1,
            "number": self.number,
            "root": self.root,
            "count": self.count,
            "first_event": self.first_event,
            "last_event": self.last_event,
            "previous": self.previous,
            "sealed_at": moment(self.sealed_at),
            "key_id": self.key_id,
        }

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return dumps(self.body)

    @property
    def digest(self) -> str:
        """What the next seal names as its ``previous``."""
        return hashlib.sha256(self.message).hexdigest()

    @property
    def signed_by(self) -> bytes:
        """The signature; empty where the column holds none."""
        return from_base64(self.signature)

    @property
    def is_sound(self) -> bool:
        """Whether its columns hold what a seal can: SQLite keeps a text where a number belongs."""
        numbers = (self.number, self.count, self.first_event, self.last_event)
        texts = (self.root, self.previous, self.key_id, self.signature)
        whole = all(type(value) is int for value in numbers) and all(type(value) is str for value in texts)
        if not whole or not isinstance(self.sealed_at, datetime):
            return False
        return 1 <= self.count <= FULL and _YEARS[0] <= self.sealed_at.year <= _YEARS[1]

    @property
    def log_leaf(self) -> bytes:
        """The hash of this seal as a leaf of the log of seals, its signature included."""
        return merkle.leaf_hash(dumps({**self.body, "signature": self.signature}))

    def __str__(self) -> str:
        return f"seal {self.number}"


class SealedEvent(AppendOnlyModel):
    """Which seal holds an event, at which place, and what its leaf was then, so that the one that was edited is named.

    Written with its seal. Its key is the event's, without a foreign key: no event is in two seals.
    """

    event_id = models.BigIntegerField(primary_key=True)
    seal_id = models.BigIntegerField()
    position = models.PositiveIntegerField()
    leaf = models.BinaryField(max_length=32)

    class Meta(AppendOnlyModel.Meta):
        db_table = "audit_sealedevent"
        default_permissions = ()
        indexes = [models.Index(fields=["seal_id", "position"], name="audit_sealedevent_place")]

    def __str__(self) -> str:
        return f"#{self.event_id} in seal {self.seal_id}"


class Gap(models.Model):
    """Ids that were not there when the sealer passed them: a transaction that was open may still bring them.

    Written and read by ``sealing``, which forgets a gap after LATE_AFTER; a row that comes later is found as inserted.
    """

    first = models.BigIntegerField(primary_key=True)
    last = models.BigIntegerField()
    seen_at = models.DateTimeField()
    look_at = models.DateTimeField()  # when it is looked at next: the older a gap, the rarer

    class Meta:
        db_table = "audit_gap"
        default_permissions = ()
        indexes = [models.Index(fields=["look_at"], name="audit_gap_look_at")]

    def __str__(self) -> str:
        return f"#{self.first} to #{self.last}"


class Checkpoint(models.Model):
    """What was published of the log of seals, and where its tree stood, so that the next one need not read it all.

    Written by ``checkpoints``, read by it and by ``verification``; a row a day, which stays.
    """

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()
    full = models.TextField()  # the tree's full subtrees, in hex
    published_at = models.DateTimeField()

    class Meta:
        db_table = "audit_checkpoint"
        default_permissions = ()

    def __str__(self) -> str:
        return f"checkpoint of {self.size}"


class Follower(models.Model):
    """How far somebody has come who takes in the events of one seal after another (:mod:`audit.following`): one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    seal = models.BigIntegerField(default=1)  # every seal before this one is taken in
    event = models.BigIntegerField(default=0)  # and of this one all up to here

    class Meta:
        abstract = True
        default_permissions = ()

    def __str__(self) -> str:
        return f"up to #{self.event} of seal {self.seal}"


class Entered(Follower):
    """How far the side table of searches has come: written and read by ``indexing``."""

    class Meta(Follower.Meta):
        abstract = False
        db_table = "audit_entered"


class Verification(models.Model):
    """When the last verification of the whole trail began, and how the last one ended that did: one row.

    Written and read by ``integrity``; it stays.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    begun_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)  # when the last one ended
    sealed_through = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    findings = models.JSONField(default=list)
    found = models.PositiveIntegerField(default=0)  # findings in all; the first of them are kept

    class Meta:
        db_table = "audit_verification"
        default_permissions = ()

    def __str__(self) -> str:
        return f"verified {self.verified_at:%Y-%m-%d %H:%M}" if self.verified_at else "never verified"
