"""The lines of a file, one at a time and none longer than a bound, whatever the file holds."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from accounts.imports.refusals import Code, Refusal

LONGEST = 16 * 1024  # bytes; an account takes a few hundred
_OTHER_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Unreadable(Exception):  # noqa: N818  (a condition: nothing of the file is taken)
    """Raised where a file as a whole cannot be read; its text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its end."""

    number: int
    text: str = field(repr=False)


class Lines:
    """The lines of *stream*: ``number`` is the last one's, ``consumed`` how many bytes were read.

    Raises Unreadable at once where there is nothing to be read, or no UTF-8.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.number = self.consumed = 0
        try:
            self._first = self._read()
        except OSError as error:
            raise Unreadable(f"The file cannot be read: {error.strerror}.") from None
        if self._first.startswith(_OTHER_MARKS):
            raise Unreadable("The file is not UTF-8.")

    def __iter__(self) -> Iterator[Line | Refusal]:
        data = self._first
        while data:
            self.number += 1
            yield self._line(data)
            data = self._read()

    def _line(self, data: bytes) -> Line | Refusal:
        if len(data) > LONGEST and not data.endswith(b"\n"):
            while not data.endswith(b"\n") and (data := self._read()):
                pass
            return Refusal(self.number, Code.LINE_TOO_LONG)
        if self.number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        try:
            return Line(self.number, data.decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            return Refusal(self.number, Code.NOT_UTF8)

    def _read(self) -> bytes:
        data = self._stream.readline(LONGEST + 1)
        self.consumed += len(data)
        return data
