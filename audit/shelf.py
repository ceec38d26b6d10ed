"""What the archive has of each seal, as a verification goes from seal to seal.

Without a folder the signed records are all there is: rows that are gone are taken on their word, and that is said. With
one, each event of a file is read, whether its row is gone or not, and compared with what was sealed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from django.db import connections
from django.db.models import Exists, OuterRef

from . import archive_files, merkle
from .archive_files import DamagedError, Reader
from .archives import Archive, is_ours
from .canonical import FAULTS
from .findings import Code, Finding
from .seals import Seal
from .signing import PublicKey

_TOLD = 100


class Shelf:
    """The archive, with the file that is being read."""

    def __init__(self, alias: str, keys: Mapping[str, PublicKey], folder: Path | None) -> None:
        self.folder = folder
        self.findings: list[Finding] = []  # about files, until the seal where they were met is concluded
        self._alias, self._keys = alias, keys
        self._file: IO[bytes] | None = None
        self._reader: Reader | None = None
        self._name = self._sha256 = ""

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = self._reader = None

    def take(self, seals: Sequence[Seal]) -> tuple[dict[int, "Stored"], list[Finding]]:
        """Return what there is of *seals*, which follow each other, by their numbers, and what is wrong with that."""
        found, wrong = dict[int, Stored](), list[Finding]()
        if not seals:
            return found, wrong
        records = self._records(seals[0].number, seals[-1].number, wrong)
        for seal in seals:
            if (row := records.get(seal.number)) is None:
                continue
            if not is_ours(row, self._keys) or not archive_files.NAME.fullmatch(row.file):
                wrong.append(Finding(Code.ARCHIVE, "no key of ours signed the record of its archiving", seal=row.seal))
            elif (row.root, row.count) != (seal.root, seal.count):
                wrong.append(Finding(Code.ARCHIVE, "another seal of this number was archived", seal=row.seal))
            else:
                found[seal.number] = Stored(self, seal, row)
        return found, wrong

    def stray(self) -> Iterator[Finding]:
        """Name the records of seals that are not there."""
        rows = Archive.objects.using(self._alias)
        seals = Seal.objects.using(self._alias).filter(number=OuterRef("seal"), number__gte=1)
        for number in rows.filter(~Exists(seals)).order_by("seal").values_list("seal", flat=True)[:_TOLD]:
            yield Finding(Code.ARCHIVE, "it was archived and is not there", seal=number)

    def reader_at(self, seal: Seal, row: Archive) -> Reader | None:
        """Return what reads the events of *seal* next; None where its file is of no use, which is said once."""
        if self.folder is None:
            return None
        if row.file != self._name:
            self._open(self.folder, row)
        if row.sha256 != self._sha256 and self._reader is not None:
            self._sha256 = row.sha256  # said once a file
            self._say("it is not the file that was recorded", row)
        try:
            while self._reader is not None and (held := self._reader.seal()):
                body, signature = held
                if body["number"] == seal.number and (body, signature) == (seal.body, seal.signature):
                    return self._reader
                if body["number"] >= seal.number:
                    raise DamagedError("another seal stands in it")
                for _place in range(body["count"]):
                    self._reader.event()
            if self._reader is not None:
                raise DamagedError("it ends too early")
        except DamagedError as error:
            self.give_up(str(error), row)
        return None

    def give_up(self, says: str, row: Archive) -> None:
        """Read no more of this file."""
        self._reader = None
        self._say(says, row)

    def _open(self, folder: Path, row: Archive) -> None:
        self.close()
        self._name = row.file
        try:
            self._file = archive_files.opened(folder, row.file)
            self._sha256 = archive_files.digest(self._file)
            if self._sha256 != row.sha256:
                self._sha256 = row.sha256
                self._say("it is not the file that was recorded", row)
            self._reader = Reader(self._file)
        except FileNotFoundError:
            self.give_up("it is not there", row)
        except OSError as error:
            self.give_up(f"it cannot be read: {error.strerror}", row)
        except DamagedError as error:
            self.give_up(str(error), row)

    def _say(self, says: str, row: Archive) -> None:
        self.findings.append(Finding(Code.ARCHIVE_FILE, f"{row.file}: {says}", seal=row.seal))

    def _records(self, first: int, last: int, wrong: list[Finding]) -> dict[int, Archive]:
        rows = Archive.objects.using(self._alias).filter(seal__gte=first, seal__lte=last).order_by("seal")
        try:
            return {row.seal: row for row in rows}
        except FAULTS:
            if not connections[self._alias].is_usable():
                raise
        found = {}
        for number in rows.values_list("seal", flat=True):
            try:
                found[number] = rows.get(seal=number)
            except FAULTS:
                wrong.append(Finding(Code.ARCHIVE, "its record holds what no record can hold", seal=number))
        return found


class Stored:
    """What the archive has of one seal, read event by event beside the list of what that holds."""

    def __init__(self, shelf: Shelf, seal: Seal, row: Archive) -> None:
        self._shelf, self._seal, self._row = shelf, seal, row
        self._reader: Reader | None = None
        self._is_begun = False
        self._tree = merkle.Tree()
        self._odd: int | None = None  # the first event that is not what the list says

    def line(self, event: int, leaf: bytes) -> bytes | None:
        """Return the next event in its canonical form, which is *event* with that leaf; None where it was not read."""
        line = self._next()
        if line is not None and merkle.leaf_hash(line) != leaf and self._odd is None:
            self._odd = event
        return line

    def conclude(self) -> Iterator[Finding]:
        """Say what is wrong with the file, once what the seal holds was gone through."""
        while self._tree.size < self._seal.count and self._next() is not None:
            pass
        yield from self._shelf.findings
        self._shelf.findings.clear()
        if self._reader is not None and self._tree.root().hex() != self._seal.root:
            says = f"{self._row.file}: what it holds is not what was sealed"
            yield Finding(Code.ARCHIVE_FILE, says, self._odd, self._seal.number)

    def _next(self) -> bytes | None:
        if not self._is_begun:
            self._is_begun = True
            self._reader = self._shelf.reader_at(self._seal, self._row)
        if self._reader is None or self._tree.size == self._seal.count:
            return None
        try:
            line = self._reader.event()
        except DamagedError as error:
            self._reader = None
            self._shelf.give_up(str(error), self._row)
            return None
        self._tree.append(merkle.leaf_hash(line))
        return line
