"""Which addresses a file had so far: on disk, so that a million of them take no memory."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

_CACHE = 16 * 1024  # KiB of it that stay in memory


class Seen:
    """The lines of addresses. What lies on disk is a keyed digest, and the key is in memory alone."""

    def __init__(self, rows: sqlite3.Connection) -> None:
        self._rows, self._key = rows, os.urandom(32)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE}"):
            rows.execute(f"PRAGMA {pragma}")
        rows.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        rows.execute("BEGIN")

    def note(self, email_key: str, line: int) -> int | None:
        """Remember that *line* has this address; return the earlier line that has it, where there is one."""
        digest = hashlib.blake2b(email_key.encode(), key=self._key, digest_size=16).digest()
        if self._rows.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, line)).rowcount:
            return None
        found: tuple[int] = self._rows.execute("SELECT line FROM seen WHERE digest = ?", (digest,)).fetchone()
        return found[0]


@contextmanager
def remembering() -> Iterator[Seen]:
    """Yield a memory of addresses in a nameless file that goes with the block."""
    rows = sqlite3.connect("", isolation_level=None)
    try:
        yield Seen(rows)
    finally:
        rows.close()
