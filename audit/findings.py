"""What a verification can find, and how it is told."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

KEPT = 1000


class Code(StrEnum):
    """What is wrong, in a word."""

    EDITED = "edited"  # an event is not what was sealed
    SWAPPED = "swapped"  # two events have changed places
    REMOVED = "removed"  # an event that was sealed is gone
    INSERTED = "inserted"  # an event below the newest sealed one that no seal holds
    BACK_DATED = "back_dated"  # an event is older than it can be
    POST_DATED = "post_dated"  # an event is younger than its seal
    LATE = "late"  # an event was committed long after it got its number
    UNSEALED = "unsealed"  # events wait to be sealed for too long
    UNREADABLE = "unreadable"  # a row holds what it cannot hold
    LIST = "list"  # the list of what a seal holds is not the one that was sealed
    SEAL_MISSING = "seal_missing"  # a number of the chain is not there
    SEAL_CHAIN = "seal_chain"  # a seal does not name the one before it
    SEAL_TIME = "seal_time"  # a seal is older than the one before it
    SIGNATURE = "signature"  # nobody who holds a key signed this seal
    ARCHIVE = "archive"  # a record of the archive is not ours, or of no seal that is there
    ARCHIVE_FILE = "archive_file"  # a file of the archive is missing, or not what was recorded
    CUT = "cut"  # fewer seals than a checkpoint says
    HISTORY = "history"  # other seals than a checkpoint says
    CHECKPOINT = "checkpoint"  # a checkpoint is none, or not ours
    TRIGGERS = "triggers"  # the trail can be changed
    UNVERIFIED = "unverified"  # nobody has verified it yet; this and the next two are said by integrity() alone
    STALE = "stale"  # the last verification is long ago
    UNFINISHED = "unfinished"  # a verification began and did not end


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    code: Code
    says: str
    event: int | None = None
    seal: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"code": str(self.code), "event": self.event, "seal": self.seal, "says": self.says}

    def __str__(self) -> str:
        where = [f"event {self.event}"] if self.event is not None else []
        where += [f"seal {self.seal}"] if self.seal is not None else []
        return f"{self.code}: {', '.join(where)}: {self.says}" if where else f"{self.code}: {self.says}"


@dataclass
class Report:
    """How a verification ended. The first KEPT findings are kept, and all are counted."""

    seals: int = 0
    events: int = 0
    sealed_through: int = 0  # the number of the newest seal
    archived: int = 0  # events that were read from files of the archive alone
    on_word: list[tuple[int, int]] = field(
        default_factory=list
    )  # seals, from and to, whose rows went, and no file was read
    outside: int = 0  # checkpoints from outside the database that it was compared with
    findings: list[Finding] = field(default_factory=list)
    found: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    def add(self, findings: Iterable[Finding]) -> None:
        """Take down *findings*."""
        for finding in findings:
            self.found += 1
            if len(self.findings) < KEPT:
                self.findings.append(finding)

    def take_on_word(self, number: int) -> None:
        """Take down that rows of this seal are gone, and that only the records of the archive say why."""
        if self.on_word and self.on_word[-1][1] == number - 1:
            self.on_word[-1] = (self.on_word[-1][0], number)
        else:
            self.on_word.append((number, number))

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        told = {name: value for name, value in asdict(self).items() if name != "findings"}
        return {"ok": self.ok, **told, "findings": [finding.as_json() for finding in self.findings]}
