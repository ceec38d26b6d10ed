"""Files that were opened through an audited storage: what is read or written is counted, and told once.

A read is told at the end of the file or when it is closed, whichever comes first; a file of which nothing was read is
not told at all. The file shows no descriptor, or a server would send it past this (``sendfile``).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO, Any, cast

from django.core.files.base import File

from audit.files.operations import Operation

# What would give the bytes of a file past what is counted here.
_PAST = frozenset({"fileno", "file", "raw", "buffer", "detach", "getbuffer", "getvalue", "peek", "read1", "readall"})


class AuditedFile(File):  # type: ignore[type-arg]  # generic for the type checker only
    """What an audited storage opens: a File like any other."""

    def __init__(self, file: "Reading | Writing", name: str, reopen: Callable[[str], "AuditedFile"]) -> None:
        super().__init__(cast(IO[Any], file), name)
        self._reopen = reopen

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> "AuditedFile":
        """Begin anew; a closed file is opened through its storage again, never past it."""
        if self.closed:
            self.file = self._reopen(mode or self.mode).file
        else:
            self.seek(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            cast(_Watched, self.file).broke(error)
        self.close()


class _Watched:
    """What both have in common: the file beneath, its place, and an end that is told once."""

    def __init__(self, inner: Any, operation: Operation) -> None:
        self._inner, self._operation = inner, operation
        self._is_told = False

    def __getattr__(self, name: str) -> Any:
        if name in _PAST or name == "_inner":  # which is missing while a copy is made
            raise AttributeError(name)
        return getattr(self._inner, name)

    def broke(self, error: BaseException) -> None:
        """Tell that it failed for *error*."""
        if not self._is_told:
            self._is_told = True
            self._operation.failed(error)

    def _tell_done(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._operation.done()

    def _place(self) -> int | None:
        try:
            return int(self._inner.tell())
        except (AttributeError, OSError, ValueError):
            return None

    def _call(self, name: str, *args: Any) -> Any:
        try:
            return getattr(self._inner, name)(*args)
        except Exception as error:
            self.broke(error)
            raise

    def _saw(self, content: Any, at: int | None) -> None:
        """Count what went by; of text there are no digests, since its bytes are not seen."""
        if isinstance(content, str):
            self._operation.saw(content.encode("utf-8", "surrogatepass"))
            self._operation.digests.break_off()
        else:
            self._operation.saw(bytes(content), at)


class Reading(_Watched):
    """A file that is read."""

    def __init__(self, inner: Any, operation: Operation) -> None:
        super().__init__(inner, operation)
        self._has_read = False

    def read(self, *args: Any) -> Any:
        """Return what follows; nothing, or all there is, is the end."""
        asks_all = not args or args[0] is None or args[0] < 0
        return self._took("read", *args, ends=asks_all, may_be_empty=bool(args) and args[0] == 0)

    def readline(self, *args: Any) -> Any:
        """Return the next line."""
        return self._took("readline", *args)

    def readlines(self, *args: Any) -> list[Any]:
        """Return the lines that follow."""
        return list(self)

    def readinto(self, buffer: Any) -> int:
        """Read into *buffer*."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def __iter__(self) -> Iterator[Any]:
        while line := self.readline():
            yield line

    def close(self) -> None:
        """Close it; what was read of it, if anything, is told."""
        is_all = self._has_read and self._operation.digests.reached == self._size()
        self._call("close")
        if self._has_read and not self._is_told:
            if not is_all:
                self._operation.digests.break_off()
            self._finish()

    def _size(self) -> int | None:
        """Return how long the file is, where the storage tells it."""
        with suppress(Exception):  # each storage fails in its own way
            return int(self._inner.size)
        return None

    def _took(self, name: str, *args: Any, ends: bool = False, may_be_empty: bool = False) -> Any:
        at = self._place()
        content = self._call(name, *args)
        if not self._is_told:
            self._has_read = True
            self._saw(content, at)
            if ends or (not content and not may_be_empty):
                self._finish()
        return content

    def _finish(self) -> None:
        if not self._operation.digests.is_whole:
            self._operation.extra["complete"] = False
        self._tell_done()


class Writing(_Watched):
    """A file that is written; it is told when it is closed. What is written over what was there has no digest."""

    def __init__(self, inner: Any, operation: Operation) -> None:
        super().__init__(inner, operation)
        self._next = 0  # the place where writing goes on

    def write(self, content: Any) -> Any:
        """Write *content*."""
        at = self._place()
        written = self._call("write", content)
        if at is not None and at != self._next:
            self._operation.digests.break_off()
        self._saw(content, at)
        self._next = self._place() or 0
        return written

    def truncate(self, *args: Any) -> Any:
        """Cut it off."""
        self._operation.digests.break_off()
        return self._call("truncate", *args)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write *lines*, one after the other."""
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Close it, and tell that it was written."""
        self._call("close")
        self._tell_done()
