"""Where the files of exports lie: in the storage that ``STORAGES["exports"]`` names, under names made here.

Any storage of Django's will do, as long as every web process and the worker share it and nobody reads it but they.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import IO
from uuid import UUID

import structlog
from django.core.files.base import File
from django.core.files.storage import InvalidStorageError, Storage, storages

log = structlog.get_logger(__name__)

ALIAS = "exports"
CHUNK = 64 * 1024  # bytes
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-\d{1,5}\.zip")


class StorageMissing(Exception):  # noqa: N818  (a condition, like every refusal here)
    """Raised where ``STORAGES`` names no place for exports."""


def storage() -> Storage:
    """Return where exports lie; raises StorageMissing."""
    try:
        return storages[ALIAS]
    except InvalidStorageError as error:
        raise StorageMissing(f"STORAGES names no {ALIAS!r}.") from error


def name_of(export_id: UUID, attempt: int) -> str:
    """Return the name of a file; nothing that a person typed is in it, and no two attempts share one."""
    return f"{export_id}-{attempt}.zip"


def save(name: str, content: IO[bytes]) -> None:
    """Write *content* under *name*. Raises what the storage raises: OSError for a full disk."""
    content.seek(0)
    written = storage().save(name, File(content, name=name))
    if written != name:
        storage().delete(written)
        raise FileExistsError(f"{name} is there already.")


def digest(content: IO[bytes]) -> tuple[int, str]:
    """Return the size of *content* in bytes, and its SHA-256 in hex."""
    content.seek(0)
    found = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]  # a file is one of its kinds
    return content.tell(), found


def open_file(name: str) -> "File[bytes]":
    """Open the file of that name for reading. Raises what the storage raises: FileNotFoundError where there is none."""
    opened: File[bytes] = storage().open(name, "rb")
    return opened


def remove(name: str) -> bool:
    """Remove a file, which may be gone already; return whether it is. The clean-up comes again for one that stays."""
    try:
        storage().delete(name)
    except Exception as error:  # each storage fails in its own way
        log.warning("export_file_stays", file=name, cause=type(error).__name__)
        return False
    return True


def present() -> Iterator[tuple[UUID, str]]:
    """Yield every file that is an export's by its name, with the id in that; nothing where a storage cannot list."""
    try:
        names = storage().listdir("")[1]
    except (NotImplementedError, FileNotFoundError, StorageMissing):
        return
    for name in names:
        if found := _NAME.fullmatch(name):
            yield UUID(found[1]), name
