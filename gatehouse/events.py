"""What is recorded: the base of every security event, and the two ways to send one.

An event is a frozen dataclass in the past tense in the ``events.py`` of its app. Its ``action`` is in the form of
the OWASP logging vocabulary. Put nothing secret into one: everything in it is stored for years.
"""

# ruff: noqa: S105  (reasons that hold the words token and password are not passwords)

import dataclasses
import getpass
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, ClassVar, NoReturn

from django.db import transaction
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal

from .client import Client
from .problems.problem import Problem

Write = Callable[[list[Any]], None]
_waiting: ContextVar[dict[Write, list[Any]] | None] = ContextVar("gatehouse_events_waiting", default=None)


class EventType(StrEnum):
    """The six kinds of events."""

    FILE_ACCESS = "FILE_ACCESS"
    SECURITY = "SECURITY"
    USER_MANAGEMENT = "USER_MANAGEMENT"
    SYSTEM = "SYSTEM"
    DISK_MONITOR = "DISK_MONITOR"
    ADMIN = "ADMIN"


class FailureReason(StrEnum):
    """Why something was refused; fixed words, so that they can be counted."""

    BAD_CREDENTIALS = "bad_credentials"
    UNKNOWN_ACCOUNT = "unknown_account"
    LOCKED = "locked"
    RATE_LIMITED = "rate_limited"
    INACTIVE = "inactive"
    UNVERIFIED = "unverified"
    DISABLED = "disabled"
    DELETED = "deleted"
    CODE_WRONG = "code_wrong"
    CODE_EXPIRED = "code_expired"
    CODE_EXHAUSTED = "code_exhausted"
    CODE_REPLAYED = "code_replayed"
    CHALLENGE_EXPIRED = "challenge_expired"
    TOKEN_INVALID = "token_invalid"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_USED = "token_used"
    TOKEN_SUPERSEDED = "token_superseded"
    TOKEN_REUSED = "token_reused"
    SESSION_ENDED = "session_ended"
    SESSION_EXPIRED = "session_expired"
    FACTOR_MISSING = "factor_missing"
    REAUTHENTICATION_MISSING = "reauthentication_missing"
    NOT_PERMITTED = "not_permitted"
    SELF_ACTION = "self_action"
    CSRF = "csrf"
    ORIGIN = "origin"
    WEAK_PASSWORD = "weak_password"
    REUSED_PASSWORD = "reused_password"
    ALREADY_REGISTERED = "already_registered"
    ADDRESS_HELD = "address_held"
    ALREADY_DONE = "already_done"
    CONFLICT = "conflict"
    CLOSED = "closed"
    INPUT_INVALID = "input_invalid"
    MAIL_FAILED = "mail_failed"
    MAIL_EXPIRED = "mail_expired"
    OVERLOADED = "overloaded"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. The label is a role or a name of the system, never an address."""

    type: str  # user, service, command, system or anonymous
    id: str | None
    label: str

    @classmethod
    def user(cls, user: Any) -> "Actor":
        """Return the actor for a signed-in person; a user model without roles gives the label ``user``."""
        return cls("user", str(user.pk), str(getattr(user, "role", "") or "user"))

    @classmethod
    def service(cls, identifier: object, label: str) -> "Actor":
        """Return the actor for another service that came with its key."""
        return cls("service", str(identifier), label)

    @classmethod
    def command(cls, label: str = "") -> "Actor":
        """Return the actor for a command; its label is the user of the operating system."""
        return cls("command", None, label or _system_user())

    @classmethod
    def system(cls, label: str = "system") -> "Actor":
        """Return the actor for what nobody asked for: the worker, a clean-up."""
        return cls("system", None, label)

    @classmethod
    def anonymous(cls) -> "Actor":
        """Return the actor for somebody who has not signed in."""
        return cls("anonymous", None, "anonymous")


@dataclass(frozen=True, kw_only=True)
class SecurityEvent:
    """The base of every event; the further fields of a subclass are its details."""

    event_type: ClassVar[EventType] = EventType.SECURITY
    action: ClassVar[str] = ""
    is_impersonal: ClassVar[bool] = False  # its details tell of nobody, and stay when the account is erased

    client: Client
    user_id: str | None = None  # the account concerned
    actor: Actor | None = None  # None: the account itself where this succeeded, else somebody unknown
    email: str | None = None
    resource: str = ""
    success: bool = True
    failure_reason: FailureReason | None = None
    error_message: str = ""
    session_id: str | None = None

    def __post_init__(self) -> None:
        """Turn ids into text, so that callers may pass a primary key of any kind."""
        for name in ("user_id", "session_id"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                object.__setattr__(self, name, str(value))

    @property
    def acting(self) -> Actor:
        """Who did it, also where the event does not say."""
        if self.actor is not None:
            return self.actor
        if self.user_id and self.success:
            return Actor("user", self.user_id, "user")
        return Actor.anonymous()

    def details(self) -> dict[str, Any]:
        """Return the fields that the subclass added, ready for JSON, without those that are None."""
        base = {field.name for field in dataclasses.fields(SecurityEvent)}
        own = [field.name for field in dataclasses.fields(self) if field.name not in base]
        values = {name: getattr(self, name) for name in own}
        return {name: _plain(value) for name, value in values.items() if value is not None}


def send(signal: Signal, event: SecurityEvent) -> None:
    """Send *event* inside the transaction of the change that it records.

    A receiver that fails takes the change with it: no change without its record.
    """
    if not transaction.get_connection().in_atomic_block:
        raise TransactionManagementError("An event is sent inside the transaction of its change.")
    signal.send(sender=type(event), event=event)


@contextmanager
def together() -> Iterator[None]:
    """Let receivers write down what is sent in the block at its end, by one statement where they can.

    The block lies inside the transaction of the changes; a receiver that fails there takes them with it as ever.
    """
    waiting: dict[Write, list[Any]] = {}
    before = _waiting.set(waiting)
    try:
        yield
        for write, rows in waiting.items():
            write(rows)
    finally:
        _waiting.reset(before)


def put_off(write: Write, row: Any) -> bool:
    """Have *write* called with *row*, and with those put off beside it, at the end of the block of ``together``.

    Return whether there is such a block; where there is none, the receiver writes at once.
    """
    waiting = _waiting.get()
    if waiting is None:
        return False
    waiting.setdefault(write, []).append(row)
    return True


def refuse(signal: Signal, problem: Problem, event: SecurityEvent) -> NoReturn:
    """Record a refusal in a transaction of its own, which outlives the exception, then raise *problem*."""
    with transaction.atomic(durable=True):
        send(signal, event)
    raise problem


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return int(value.total_seconds())
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case AbstractSet():
            return sorted(_plain(item) for item in value)
        case Sequence() if not isinstance(value, bytes):
            return [_plain(item) for item in value]
        case _:
            return str(value)


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
