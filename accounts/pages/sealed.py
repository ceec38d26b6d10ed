"""What a browser's session holds sealed and for a while: whoever reads the session table must find nothing of use.

ASVS 11.4, 14.2.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from gatehouse import encryption

KEPT = timedelta(minutes=30)


def hold(request: HttpRequest, key: str, held: dict[str, Any], *, now: datetime) -> None:
    """Keep *held* under *key* of the session, for KEPT."""
    text = json.dumps({**held, "until": (now + KEPT).isoformat()})
    request.session[key] = encryption.encrypt(text, _context(key))


def held_in(request: HttpRequest, key: str, *, now: datetime) -> dict[str, Any]:
    """Return what is held under *key*; nothing where it is too old, or its encryption key is gone."""
    stored = request.session.get(key)
    try:
        held: dict[str, Any] = json.loads(encryption.decrypt(stored, _context(key))) if stored else {}
    except encryption.DecryptionFailed:
        return {}
    return held if held and now < datetime.fromisoformat(held["until"]) else {}


def _context(key: str) -> str:
    return f"pages.sealed.{key}"
