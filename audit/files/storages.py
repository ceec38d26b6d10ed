"""A storage around any other one of Django's: what is done through it stands in the trail."""

import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from os import PathLike
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import Storage, storages
from django.utils.deconstruct import deconstructible

from audit.files.handles import AuditedFile, Reading, Writing
from audit.files.operations import Operation, recording
from audit.files.paths import refuse_unsafe, shown

_UNKNOWN_TYPE = "application/octet-stream"


def audited(storage: Storage, *, label: str = "file") -> "AuditedStorage":
    """Return *storage* with what is done through it recorded; *label* begins the resource: ``media:2026/a.png``."""
    return AuditedStorage(storage, label=label)


@deconstructible(path="audit.files.AuditedStorage")
class AuditedStorage(Storage):
    """A storage that records uploads, downloads, deletions, moves and renames, and their failures.

    *storage* is the one beneath, or what ``STORAGES`` says of one: ``{"BACKEND": …, "OPTIONS": {…}}``. On whose behalf
    something is done says ``audit.files.FilesMiddleware`` or ``audit.files.acting()``.
    """

    def __init__(self, storage: Storage | Mapping[str, Any], *, label: str = "file") -> None:
        self.storage = storages.create_storage(dict(storage)) if isinstance(storage, Mapping) else storage
        self.label = label

    def open(self, name: str, mode: str = "rb") -> AuditedFile:
        """Open the file of that name. Raises SuspiciousFileOperation, and what the storage beneath raises."""
        writes = not {*mode}.isdisjoint("wxa+")
        operation = Operation("upload" if writes else "download", resource=self._resource(name))
        operation.mime_type = _type_of(name)
        try:
            refuse_unsafe(name)
            inner = self.storage.open(name, mode)
        except Exception as error:
            operation.failed(error)
            raise
        if writes and {*mode}.isdisjoint("wx"):
            operation.digests.break_off()  # what was there before is not seen
        watched = Writing(inner, operation) if writes else Reading(inner, operation)
        return AuditedFile(watched, name, lambda again: self.open(name, again))

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Store *content*; return the name that it got. Where that cannot be recorded, nothing stays stored."""
        asked = str(content.name if name is None else name)
        with recording("upload", resource=self._resource(asked)) as operation, _replayable(content, asked) as whole:
            refuse_unsafe(asked)
            operation.mime_type = getattr(content, "content_type", None) or _type_of(asked)
            _hash(whole, operation)
            saved = self.storage.save(asked, whole, max_length=max_length)
            operation.resource = self._resource(saved)
            if saved != asked:
                operation.extra["asked_name"] = shown(asked)
            try:
                operation.done()
            except BaseException:
                with suppress(Exception):
                    self.storage.delete(saved)
                raise
        return saved

    def delete(self, name: str) -> None:
        """Delete the file of that name."""
        with recording("delete", resource=self._resource(name), mime_type=_type_of(name)) as operation:
            refuse_unsafe(name)
            with suppress(Exception):  # each storage fails in its own way, and the size is only good to know
                operation.size_bytes = self.storage.size(name)
            self.storage.delete(name)

    def move(self, source: str, target: str) -> None:
        """Move a file to another name, by a copy: a storage of Django's has nothing else.

        Raises FileExistsError where *target* is there, and what the storage beneath raises.
        """
        self._transfer("move", source, target)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name in its folder, as move() does. Raises ValueError for another folder besides."""
        if PurePosixPath(source).parent != PurePosixPath(target).parent:
            raise ValueError("rename: another folder is a move.")
        self._transfer("rename", source, target)

    def _transfer(self, action: str, source: str, target: str) -> None:
        with recording(action, resource=self._resource(source), source=source, target=target) as operation:
            refuse_unsafe(source)
            refuse_unsafe(target)
            operation.mime_type = _type_of(source)
            if self.storage.exists(target):
                raise FileExistsError("There is a file of that name.")
            with self.storage.open(source, "rb") as content:
                _hash(content, operation)
                saved = self.storage.save(target, content)
            if saved != target:  # somebody was faster
                self.storage.delete(saved)
                raise FileExistsError("There is a file of that name.")
            self.storage.delete(source)

    def _resource(self, name: object) -> str:
        return f"{self.label}:{name}"

    def __getattr__(self, name: str) -> Any:
        """Return what only the storage beneath has."""
        if name == "storage":  # while a copy is made
            raise AttributeError(name)
        return getattr(self.storage, name)

    # What touches no content is the affair of the storage beneath.
    def exists(self, name: str) -> bool:
        return self.storage.exists(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        return self.storage.listdir(path)

    def size(self, name: str) -> int:
        return self.storage.size(name)

    def url(self, name: str | None) -> str:
        return self.storage.url(name)

    def path(self, name: str) -> str:
        return self.storage.path(name)

    def get_accessed_time(self, name: str) -> datetime:
        return self.storage.get_accessed_time(name)

    def get_created_time(self, name: str) -> datetime:
        return self.storage.get_created_time(name)

    def get_modified_time(self, name: str) -> datetime:
        return self.storage.get_modified_time(name)

    def get_valid_name(self, name: str) -> str:
        return self.storage.get_valid_name(name)

    def get_alternative_name(self, file_root: str, file_ext: str) -> str:
        return self.storage.get_alternative_name(file_root, file_ext)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return self.storage.get_available_name(name, max_length=max_length)

    def generate_filename(self, filename: str | PathLike[str]) -> str:
        return self.storage.generate_filename(filename)


def _hash(content: "File[Any]", operation: Operation) -> None:
    """Let *operation* see all of *content*, and begin it anew: how often a storage reads it is its own affair."""
    operation.saw(b"")  # nothing may be all there is
    for chunk in content.chunks():
        operation.saw(chunk.encode() if isinstance(chunk, str) else chunk)
    content.seek(0)


@contextmanager
def _replayable(content: Any, name: str) -> Iterator["File[Any]"]:
    """Give *content* as a file that can be read twice: what cannot go back waits in a temporary one."""
    whole = content if hasattr(content, "chunks") else File(content, name)
    if whole.seekable():
        yield whole
        return
    with TemporaryFile() as waiting:
        _copy(whole, waiting)
        yield File(waiting, name)


def _copy(content: "File[Any]", out: IO[bytes]) -> None:
    while chunk := content.read(File.DEFAULT_CHUNK_SIZE):  # chunks() would go back to the beginning
        out.write(chunk.encode() if isinstance(chunk, str) else chunk)


def _type_of(name: object) -> str:
    return mimetypes.guess_type(str(name))[0] or _UNKNOWN_TYPE
