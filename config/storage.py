"""Folders for files that nobody but this service reads."""

from pathlib import Path
from typing import Any


def private(folder: str | Path) -> dict[str, Any]:
    """Return the storage that keeps files in *folder*, made when it is first needed, and readable for its owner alone.

    A file is readable for others, at most, while it is written; the folder is not.
    """
    options = {"location": str(folder), "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
