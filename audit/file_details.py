"""What is recorded of an operation on a file: the keys of its details and what each may hold.

1. Nothing of what a file holds is among them, but for its digests.
2. SHA-1 is there for whoever compares with lists that have nothing else (``FILE_SHA1``); nothing relies on it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.utils.translation import gettext as _

from gatehouse.text import UnsafeText, clean_text

FILE_ACTIONS: Final = ("upload", "download", "delete", "move", "rename")
PATH_LENGTH: Final = 1000
EXTRA: Final = "extra"

_LARGEST = 2**63 - 1
_NUMBERS = ("size_bytes", "duration_ms", "bytes_per_second")
_PATHS = ("from", "to")
_PATTERNS = {
    "mime_type": re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}", re.ASCII),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "sha1": re.compile(r"[0-9a-f]{40}"),
}
KEYS: Final = (*_NUMBERS, *_PATTERNS, *_PATHS, EXTRA)

Fault = tuple[str, str, str]  # the key, a code of REST framework's fields, and words


def faults_of_file_details(details: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with *details* of an operation on a file, key by key."""
    return [fault for key, value in details.items() for fault in _faults(str(key), value)]


def mime_type_or_none(text: object) -> str | None:
    """Return *text* where it is a media type, without its parameters; else None."""
    kind = str(text or "").partition(";")[0].strip().lower()
    return kind if _PATTERNS["mime_type"].fullmatch(kind) else None


def _faults(key: str, value: Any) -> Iterator[Fault]:
    if key not in KEYS:
        yield key[:100], "unknown_field", _("There is no such field; what is yours goes under extra.")
    elif value is None:
        yield key, "null", _("Leave it out where it is not known.")
    elif key in _NUMBERS:
        if type(value) is not int or not 0 <= value <= _LARGEST:
            yield key, "invalid", _("A whole number, 0 or more.")
    elif key == EXTRA:
        if not isinstance(value, Mapping):
            yield key, "invalid", _("An object.")
    elif not isinstance(value, str):
        yield key, "invalid", _("Not a valid string.")
    elif key in _PATHS:
        yield from _path_faults(key, value)
    elif not _PATTERNS[key].fullmatch(value):
        yield key, "invalid", _("Not in the form that it has.")


def _path_faults(key: str, path: str) -> Iterator[Fault]:
    if len(path) > PATH_LENGTH:
        yield key, "max_length", _("Use 1000 characters or fewer.")
    try:
        clean_text(path)
    except UnsafeText:
        yield key, "invalid", _("Take out characters that cannot be seen.")
