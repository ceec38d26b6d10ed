"""The files of the archive: what stands in one, how it is written so that it survives, and how it is read again.

A file is gzip over lines. The first says what it is, of which trail, and which seals it holds; then come these seals,
each a line with its body and signature and a line for each of its events, in their order and their canonical form. The
hash of such a line is the leaf that was sealed, so whoever has the public key verifies a file without anything else.

Nothing is written in place: a draft, under a name that nobody takes for a file, becomes one by a rename, after it was
flushed to the disk and read back. The name holds the seals and the digest, so two files never share one.
"""

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gatehouse.ids import uuid7

from . import canonical, merkle
from .signing import PublicKey, from_base64

FORMAT, VERSION = "gatehouse-audit-archive", 1
NAME = re.compile(r"audit-(?P<first>\d{12,19})-(?P<last>\d{12,19})-[0-9a-f]{16}\.ndjson\.gz")
_DRAFT = re.compile(r"\.audit-[0-9a-f-]{36}\.part")
_LONGEST = 64 * 2**20  # bytes of a line: a file that somebody made up does not fill the memory
_LEVEL = 6
_MODE = 0o600
_NOBODY_ELSE = 0o077


class DamagedError(ValueError):
    """Raised for a file, or a seal, that is not what was sealed; says what is wrong with it."""


class Draft:
    """A file that is being written; gone with its process, unless keep() gave it its name."""

    def __init__(self, folder: Path, raw: IO[bytes], path: Path) -> None:
        self._folder, self._raw, self._path = folder, raw, path
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0)

    def write(self, line: bytes) -> None:
        """Add a line."""
        self._gzip.write(line + b"\n")

    def end(self) -> IO[bytes]:
        """Bring it to the disk, and return it to be read from its beginning."""
        self._gzip.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.seek(0)
        return self._raw

    def keep(self, name: str) -> None:
        """Give it *name*, for good. One of that name holds the same bytes, since the name has their digest."""
        self._path.replace(self._folder / name)
        sync(self._folder)


@contextmanager
def draft(folder: Path) -> Iterator[Draft]:
    """Begin a file in *folder*; take away what was not kept. Raises OSError."""
    path, raw = _begun(folder)
    with raw:
        try:
            yield Draft(folder, raw, path)
        finally:
            path.unlink(missing_ok=True)


def _begun(folder: Path) -> tuple[Path, IO[bytes]]:
    """Make an empty draft and hold it: sweep() leaves one whose process is alive."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        path = folder / f".audit-{uuid7()}.part"
        raw = os.fdopen(os.open(path, flags, _MODE), "w+b")
        os.fchmod(raw.fileno(), _MODE)
        fcntl.flock(raw, fcntl.LOCK_EX)
        if os.fstat(raw.fileno()).st_nlink:  # somebody may have swept it before it was held
            return path, raw
        raw.close()


def sweep(folder: Path) -> None:
    """Remove the drafts of processes that are gone."""
    for path in folder.iterdir():
        if _DRAFT.fullmatch(path.name):
            with suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def sync(folder: Path) -> None:
    """Bring the names in *folder* to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def present(folder: Path, first: int) -> list[str]:
    """Return the names of the files in *folder* that begin with seal *first*."""
    names = (NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(found.string for found in names if found and int(found["first"]) == first)


def name_of(first: int, last: int, sha256: str) -> str:
    """Return the name of the file of that digest with seals *first* to *last*."""
    return f"audit-{first:012}-{last:012}-{sha256[:16]}.ndjson.gz"


def faults(folder: Path) -> list[str]:
    """Say what keeps *folder* from taking files that nobody else reads."""
    if not folder.is_absolute():
        return ["it is no absolute path"]
    if not folder.is_dir():
        return ["there is no such folder"]
    found = [] if os.access(folder, os.W_OK | os.X_OK) else ["this process cannot write into it"]
    if folder.stat().st_mode & _NOBODY_ELSE:
        found.append("others than its owner can open it (chmod 700)")
    return found


def digest(file: IO[bytes]) -> str:
    """Return the SHA-256 of *file* in hex, and go back to its beginning."""
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a file is one of its kinds
    file.seek(0)
    return found


class Reader:
    """Reads a file line by line. Every method raises DamagedError."""

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = io.BufferedReader(gzip.GzipFile(fileobj=file, mode="rb"))
        self.header = self._parsed(self._line())
        if (self.header.get("format"), self.header.get("v")) != (FORMAT, VERSION):
            raise DamagedError("it is no file of an archive, or of a version that is not known here")

    def seal(self) -> tuple[dict[str, Any], str] | None:
        """Return body and signature of the next seal; None at the end."""
        if (line := self._line()) is None:
            return None
        found = self._parsed(line)
        if not isinstance(found.get("seal"), dict) or not isinstance(found.get("signature"), str):
            raise DamagedError("an event stands where a seal should")
        if type(found["seal"].get("count")) is not int or type(found["seal"].get("number")) is not int:
            raise DamagedError("a seal in it says neither number nor count")
        return found["seal"], found["signature"]

    def event(self) -> bytes:
        """Return the next event, in its canonical form."""
        if (line := self._line()) is None:
            raise DamagedError("it ends too early")
        return line

    def _line(self) -> bytes | None:
        try:
            line = self._lines.readline(_LONGEST)
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedError(f"it cannot be unpacked: {error}") from error
        if line and not line.endswith(b"\n"):
            raise DamagedError("a line in it has no end")
        return line[:-1] if line else None

    def _parsed(self, line: bytes | None) -> dict[str, Any]:
        try:
            found = json.loads(line or b"")
        except (ValueError, RecursionError) as error:
            raise DamagedError("a line in it is no JSON") from error
        if not isinstance(found, dict):
            raise DamagedError("a line in it is no object")
        return found


def verified(reader: Reader, keys: Mapping[str, PublicKey]) -> Iterator[dict[str, Any]]:
    """Yield the body of each seal in a file once its signature and everything that it holds was verified.

    Needs no database. Raises DamagedError, which names the seal.
    """
    before, number, events = None, None, 0
    first = reader.header.get("first_seal")
    while found := reader.seal():
        body, signature = found
        number = body["number"]
        key = keys.get(str(body.get("key_id")))
        if key is None or not key.verifies(from_base64(signature), canonical.dumps(body)):
            raise DamagedError(f"no key of ours signed seal {number} in it")
        if body.get("previous") != before if before else number != first:
            raise DamagedError(f"seal {number} in it does not follow on the one before")
        root = merkle.root_of(merkle.leaf_hash(reader.event()) for _ in range(body["count"]))
        if root.hex() != body.get("root"):
            raise DamagedError(f"its events of seal {number} are not what was sealed")
        before, events = hashlib.sha256(canonical.dumps(body)).hexdigest(), events + body["count"]
        yield body
    if (number, events) != (reader.header.get("last_seal"), reader.header.get("events")):
        raise DamagedError("it does not hold what its first line says")


def find(reader: Reader, seal: int, place: int) -> bytes:
    """Return the event at *place* of *seal*, in its canonical form. Raises DamagedError."""
    while found := reader.seal():
        body, _signature = found
        for at in range(body["count"]):
            line = reader.event()
            if (body["number"], at) == (seal, place):
                return line
    raise DamagedError(f"it does not hold seal {seal}, or not so many events of it")


def header(origin: str, first: int, last: int, events: int) -> bytes:
    """Return the first line of a file."""
    says = {"format": FORMAT, "v": VERSION, "origin": origin, "first_seal": first, "last_seal": last, "events": events}
    return canonical.dumps(says)


def opened(folder: Path, name: str) -> IO[bytes]:
    """Open the file *name* of *folder* to be read. Raises OSError."""
    return os.fdopen(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
