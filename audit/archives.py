"""The records of the archive: which seal lies in which file, and how far its rows have left the table."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from django.db import models

from . import canonical
from .appendonly import AppendOnlyModel
from .checkpoints import origin
from .seals import SealedEvent
from .signing import PublicKey, from_base64


class Archive(AppendOnlyModel):
    """That all a seal holds lies in a file, signed: what lets rows of that seal go, by the database's own trigger.

    Written by ``archiving`` once the file was read back, read by ``clearing``, ``shelf`` and ``proofs``; it stays for
    good. Its key is the seal's number, without a foreign key: no seal is archived twice.
    """

    seal = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=64)  # the seal's own, so that it says nothing of another one of that number
    count = models.PositiveIntegerField()
    file = models.CharField(max_length=80)  # its name, without a folder: files may be moved
    sha256 = models.CharField(max_length=64)
    archived_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=88)

    class Meta(AppendOnlyModel.Meta):
        db_table = "audit_archive"
        default_permissions = ("view",)
        indexes = [models.Index(fields=["file", "seal"], name="audit_archive_file")]

    def message(self, origin: str) -> bytes:
        """Return the bytes that are signed for the trail called *origin*."""
        body = {
            "archive": 1,  # no seal has this word, so that a signature of the one is none of the other
            "archived_at": canonical.moment(self.archived_at),
            "count": self.count,
            "file": self.file,
            "key_id": self.key_id,
            "origin": origin,
            "root": self.root,
            "seal": self.seal,
            "sha256": self.sha256,
        }
        return canonical.dumps(body)

    @property
    def signed_by(self) -> bytes:
        """The signature; empty where the column holds none."""
        return from_base64(self.signature)

    @property
    def is_sound(self) -> bool:
        """Whether its columns hold what they can: SQLite keeps a text where a number belongs."""
        texts = (self.root, self.file, self.sha256, self.key_id, self.signature)
        whole = all(type(value) is int for value in (self.seal, self.count))
        return whole and all(type(value) is str for value in texts) and isinstance(self.archived_at, datetime)

    def __str__(self) -> str:
        return f"seal {self.seal} in {self.file}"


class Cleared(models.Model):
    """How far the rows that lie in the archive have left the table: one row, written and read by ``clearing``.

    It only saves reading anew what was cleared: whoever changes it makes rows stay, or be looked for once more.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    seal = models.BigIntegerField(default=0)  # of the archived seals up to this one, what goes is gone
    kept = models.CharField(max_length=64, default="")  # a digest of what stays online: where that changes, all anew
    removed = models.BigIntegerField(default=0)  # rows that went since the last event about it

    class Meta:
        db_table = "audit_cleared"
        default_permissions = ()

    def __str__(self) -> str:
        return f"cleared up to seal {self.seal}"

    def begin_anew(self, online: tuple[str, ...]) -> None:
        """Go back to the first seal where *online*, what stays, is not what it was."""
        digest = hashlib.sha256("\n".join(sorted(online)).encode()).hexdigest()
        if self.kept != digest:
            self.seal, self.kept = 0, digest


def is_ours(row: Archive, keys: Mapping[str, PublicKey]) -> bool:
    """Tell whether one of *keys* signed *row* for this trail."""
    key = keys.get(row.key_id) if row.is_sound else None
    return key is not None and key.verifies(row.signed_by, row.message(origin()))


def record_of(event_id: int, *, alias: str) -> Archive | None:
    """Return the archive's record of the seal that holds an event; None where that is not archived."""
    held = SealedEvent.objects.using(alias).filter(pk=event_id).values("seal_id")
    return Archive.objects.using(alias).filter(seal__in=held).first()
