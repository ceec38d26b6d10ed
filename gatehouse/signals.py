"""The signal of the ground floor, and what it tells of: refusals that come before any app, and clean-ups."""

from dataclasses import dataclass
from typing import ClassVar

from django.db import transaction
from django.dispatch import Signal

from .client import Client
from .events import Actor, EventType, FailureReason, SecurityEvent, send

# Sent inside a transaction of its own, just before the request is refused, or after a clean-up; a receiver that fails
# makes that a fault.
# Arguments: event, a frozen dataclass of this module.
security_event = Signal()


@dataclass(frozen=True, kw_only=True)
class LimitExceeded(SecurityEvent):
    """A limit refused a request for the first time in its window."""

    action: ClassVar[str] = "excess_rate_limit_exceeded"
    success: bool = False
    failure_reason: FailureReason | None = FailureReason.RATE_LIMITED
    limit: str


@dataclass(frozen=True, kw_only=True)
class ForgeryRefused(SecurityEvent):
    """A form came without the token that only our own pages hold."""

    action: ClassVar[str] = "authz_fail"
    success: bool = False
    failure_reason: FailureReason | None = FailureReason.CSRF


@dataclass(frozen=True, kw_only=True)
class CleanedUp(SecurityEvent):
    """The clean-up removed what was over; where rows ask for it, each had its own event before."""

    action: ClassVar[str] = "sys_cleanup"
    event_type: ClassVar[EventType] = EventType.SYSTEM
    removed: dict[str, int]


def note_limit(client: Client, limit: str) -> None:
    """Record that *limit* refused somebody."""
    _note(LimitExceeded(client=client, limit=limit))


def note_forgery(client: Client, path: str) -> None:
    """Record a form that was not ours; the caller counts them, so that nobody fills the trail."""
    _note(ForgeryRefused(client=client, resource=path))


def note_cleaning(client: Client, actor: Actor, removed: dict[str, int]) -> None:
    """Record what a clean-up removed: how many rows by the name of the chore."""
    _note(CleanedUp(client=client, actor=actor, removed=removed))


def _note(event: SecurityEvent) -> None:
    with transaction.atomic(durable=True):
        send(security_event, event)
