"""Roughly where an address is, in words: people recognise "London, United Kingdom" sooner than four numbers.

Only where the operator gives a file of the MaxMind format (``GEOIP_FILE``); nothing is asked over the network, and
nothing is stored. A place is a hint for a person: no decision hangs on it.
"""

import time
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import maxminddb
import structlog
from django.utils.translation import get_language

from .conf import app_settings

log = structlog.get_logger(__name__)

_LOOK_EVERY = 60.0  # seconds between two looks at whether the file was replaced
_FALLBACK = "en"


class _Atlas:
    """The open file, opened again when the operator replaces it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lock = Lock()
        self._reader: maxminddb.Reader | None = None
        self._version: tuple[int, int] | None = None
        self._look_again = 0.0

    def find(self, ip: str) -> dict[str, Any]:
        """Return what the file says of *ip*, nothing where it cannot be read."""
        try:
            reader = self._open()
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            log.warning("geoip_file_unreadable", error=type(error).__name__)
            return {}
        try:
            found = reader.get(ip) if reader else None
        except (ValueError, maxminddb.InvalidDatabaseError):  # no address, or one of IPv6 in a file of IPv4
            return {}
        return found if isinstance(found, dict) else {}

    def _open(self) -> maxminddb.Reader | None:
        with self._lock:
            now = time.monotonic()
            if now < self._look_again:
                return self._reader
            self._look_again = now + _LOOK_EVERY
            state = self._path.stat()
            version = (state.st_mtime_ns, state.st_size)
            if version != self._version:
                # The reader before is left to the threads that still ask it; closing it would pull it from under them.
                self._reader = maxminddb.open_database(self._path)
                self._version = version
            return self._reader


def place_of(ip: str | None) -> str:
    """Return the town and the country of *ip* in the language in force, or "" where that is not known."""
    path = app_settings().GEOIP_FILE
    if not path or not ip:
        return ""
    found = _atlas(path).find(ip)
    names = [_name(found.get("city")), _name(found.get("country") or found.get("registered_country"))]
    return ", ".join(name for name in names if name)


def is_readable(path: str) -> bool:
    """Tell whether *path* is a file of the right format."""
    try:
        maxminddb.open_database(path).close()
    except (OSError, ValueError, maxminddb.InvalidDatabaseError):
        return False
    return True


@cache
def _atlas(path: str) -> _Atlas:
    return _Atlas(path)


def _name(part: Any) -> str:
    names = part.get("names") if isinstance(part, dict) else None
    if not isinstance(names, dict):
        return ""
    language = get_language() or _FALLBACK
    for wanted in (language, language.partition("-")[0], _FALLBACK):
        if isinstance(names.get(wanted), str):
            return str(names[wanted])
    return ""
