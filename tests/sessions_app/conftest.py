"""What the tests of sessions share: people of any user model, open sessions, and the events that were sent."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from sessions_app import devices, tokens
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.signals import security_event

KEYS = ("first-key-0123456789-abcdefghijklmnop", "older-key-0123456789-abcdefghijklmnop")


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.SESSIONS = {"SIGNING_KEYS": KEYS, "CLAIMS": ""}


@pytest.fixture
def client_facts() -> Client:
    return Client(ip="192.0.2.7", user_agent="Firefox/142", device_name="Firefox 142 on Windows 11", request_id="r1")


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    def make(name: str = "jane") -> Any:
        user = get_user_model()(email=f"{name}@example.com")
        if hasattr(user, "set_status"):
            user.set_status("active")
        else:
            user.username = name
        user.set_unusable_password()
        user.save()
        return user

    return make


@pytest.fixture
def user(make_user: Callable[..., Any]) -> Any:
    return make_user()


@pytest.fixture
def switch_off() -> Callable[[Any], None]:
    """Make an account inactive, its sessions left as they are."""

    def switch(user: Any) -> None:
        if hasattr(user, "set_status"):
            user.set_status("disabled")
        user.is_active = False
        user.save()

    return switch


@pytest.fixture
def open_session(client_facts: Client) -> Callable[..., Session]:
    def open_one(user: Any, door: Door = Door.API, **given: Any) -> Session:
        facts: dict[str, Any] = {
            "client": client_facts,
            "transport": Transport.BEARER,
            "factors": ["password", "email"],
        }
        with transaction.atomic():
            return sessions.open(user=user, door=door, **facts | given)

    return open_one


@pytest.fixture
def device_of(client_facts: Client) -> Callable[..., Device]:
    """Make a device that an account was used from, trusted if wanted."""

    def make(user: Any, *, trusted: bool = False) -> Device:
        now = timezone.now()
        with transaction.atomic():
            found = devices.remember(
                user=user, client=client_facts, token=None, transport=Transport.COOKIE, now=now
            ).device
            if trusted:
                devices.trust(device=found, client=client_facts, now=now)
        return found

    return make


@pytest.fixture
def session(user: Any, open_session: Callable[..., Session]) -> Session:
    return open_session(user)


@pytest.fixture
def issued(session: Session) -> tokens.Tokens:
    return tokens.issue(session)


@pytest.fixture
def events() -> Iterator[list[SecurityEvent]]:
    """Every event this app sends, in order."""
    heard: list[SecurityEvent] = []

    def hear(*, event: SecurityEvent, **_: Any) -> None:
        heard.append(event)

    security_event.connect(hear)
    yield heard
    security_event.disconnect(hear)


@pytest.fixture
def signed_in(open_session: Callable[..., Session]) -> Callable[..., Browser]:
    """Return a browser that speaks for a page session, as browser.sign_in() leaves it."""

    def sign_in(user: Any, door: Door = Door.PAGE, **given: Any) -> Browser:
        session = open_session(user, door, transport=Transport.COOKIE, **given)
        return browser_of(session)

    return sign_in


def browser_of(session: Session) -> Browser:
    browser = Browser()
    store = browser.session
    store["sid"] = str(session.pk)
    store.set_expiry(session.absolute_expires_at)
    store.save()
    browser.cookies["staff" if session.door == Door.STAFF else "session"] = store.session_key or ""
    browser.row = session  # type: ignore[attr-defined]
    return browser
