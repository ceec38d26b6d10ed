from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import audit
from audit.models import Event
from gatehouse.client import Client

CLIENT = Client(ip="203.0.113.7", user_agent="Mozilla/5.0", request_id="request-1")


@pytest.fixture
def write(db) -> Callable[..., Event]:
    """Return a function that writes one event; what it is about may be overridden."""

    def write_event(**given: Any) -> Event:
        what: dict[str, Any] = {"event_type": "SECURITY", "action": "authn_login_success", "client": CLIENT}
        return audit.record(**{**what, **given})

    return write_event


@pytest.fixture
def event(write) -> Event:
    return write(user_id="7", resource="/account", details={"factor": "email"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for an archive."""
    path = tmp_path / "archive"
    path.mkdir(mode=0o700)
    return path


def stored(event: Event) -> dict[str, Any]:
    """Return the row of *event* as it stands in the table, with its ciphertexts opened."""
    row = Event.objects.values().get(pk=event.pk)
    del row["network"], row["personal"]
    read = Event.objects.get(pk=event.pk)
    return row | {name: getattr(read, name) for name in Event.private}
