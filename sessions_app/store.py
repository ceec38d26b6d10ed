"""Django's sessions in the database, found by a keyed hash: a copy of the table holds no cookie that opens anything.

Name ``sessions_app.store`` as ``SESSION_ENGINE`` (ASVS 7.2.3, 11.4.1).
"""

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from gatehouse import hashing

_LENGTH = 40  # the width of Django's column; 160 bits of the hash


class SessionStore(DatabaseStore):
    """As Django's, but the row's key is a hash of the cookie, under any key in force."""

    def exists(self, session_key: str) -> bool:
        """Tell whether there is a session of *session_key*."""
        return bool(self.model.objects.filter(session_key__in=_names(session_key)).exists())

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row to be saved: the one there is, or a new one."""
        row = super().create_model_instance(data)
        names = _names(row.session_key)
        held = self.model.objects.filter(session_key__in=names).values_list("session_key", flat=True).first()
        row.session_key = held or names[0]
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Remove the session of *session_key*, or this one."""
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key__in=_names(key)).delete()

    def _get_session_from_db(self) -> Any:
        living = self.model.objects.filter(expire_date__gt=timezone.now())
        found = living.filter(session_key__in=_names(self.session_key)).first() if self.session_key else None
        if found is None:
            self._session_key = None
        return found


def _names(session_key: str) -> list[str]:
    return [digest[:_LENGTH] for digest in hashing.keyed_hashes("browser-session", session_key)]
