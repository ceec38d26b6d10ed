"""On whose behalf files are touched: a storage sees no request, so whoever knows says it around the work.

What fails inside a transaction is written into it, and goes where that is rolled back. The end of the block, outside of
that transaction, writes it once more where it is gone: a failure is not undone with the change.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from audit.models import Event
from gatehouse.client import Client, client_of
from gatehouse.events import Actor

log = structlog.get_logger(__name__)

Write = Callable[[], Event]


@dataclass(frozen=True, kw_only=True)
class Who:
    """What an event says of who did it."""

    client: Client
    actor: Actor
    user_id: str | None = None  # the account concerned
    session_id: str | None = None


@dataclass
class _Acting:
    who: Callable[[], Who]
    failures: list[tuple[Event | None, Write]] = field(default_factory=list)


_current: ContextVar[_Acting | None] = ContextVar("audit_files_acting", default=None)


@contextmanager
def acting(*, client: Client, actor: Actor, user_id: object = None, session_id: object = None) -> Iterator[None]:
    """Have what is done with files in the block recorded as done by *actor*, from *client*, about *user_id*."""
    who = Who(client=client, actor=actor, user_id=_text(user_id), session_id=_text(session_id))
    with _acting(lambda: who):
        yield


class FilesMiddleware:
    """Have what a request does with files recorded as done by whoever is signed in, or by nobody known.

    Who that is, is asked when a file is touched: views of REST framework sign in late.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with _acting(lambda: _of_request(request)):
            return self.get_response(request)


def whoever() -> Who:
    """Return on whose behalf files are touched now: without a word, the system's."""
    current = _current.get()
    return current.who() if current else Who(client=Client.local("files"), actor=Actor.system())


def remember_failure(row: Event | None, write: Write) -> None:
    """Have *write* called at the end of the block where *row* is not there any more, or could not be written."""
    if current := _current.get():
        current.failures.append((row, write))


@contextmanager
def _acting(who: Callable[[], Who]) -> Iterator[None]:
    current = _Acting(who)
    before = _current.set(current)
    try:
        yield
    finally:
        _current.reset(before)
        for row, write in current.failures:
            _write_again(row, write)


def _write_again(row: Event | None, write: Write) -> None:
    """Write a failure whose row is gone; what cannot be recorded is logged, since another error may be on its way."""
    try:
        if row is None or not _is_there(row):
            write()
    except DatabaseError as fault:
        log.error("file_failure_not_recorded", cause=type(fault).__name__)


def _is_there(row: Event) -> bool:
    """Tell whether *row* was kept; its id alone may be another's by now."""
    same = {name: getattr(row, name) for name in ("pk", "action", "resource", "success", "request_id")}
    return Event.objects.filter(**same).exists()


def _of_request(request: HttpRequest) -> Who:
    user: Any = getattr(request, "user", None)
    session = getattr(request, "auth_session", None)
    client = client_of(request)
    if user is None or not user.is_authenticated:
        return Who(client=client, actor=Actor.anonymous())
    session_id = _text(getattr(session, "pk", None))
    return Who(client=client, actor=Actor.user(user), user_id=str(user.pk), session_id=session_id)


def _text(identifier: object) -> str | None:
    return None if identifier is None else str(identifier)
