"""The signals of this app."""

from typing import NoReturn

from django.dispatch import Signal

from gatehouse import events
from gatehouse.problems import Problem

# Sent inside the transaction of the change it tells of; a receiver that fails rolls the change back.
# Arguments: event, a frozen dataclass of accounts.events.
security_event = Signal()

# Sent after the commit; a receiver that fails is logged and ignored.
# Arguments: user, the account; client, the gatehouse.client.Client that asked.
user_registered = Signal()
user_verified = Signal()
user_signed_in = Signal()
user_erased = Signal()  # what a host keeps of the account by its id is the host's to remove


def announce(event: events.SecurityEvent) -> None:
    """Send *event* to whoever records it, in the caller's transaction."""
    events.send(security_event, event)


def refuse(problem: Problem, event: events.SecurityEvent) -> NoReturn:
    """Record *event* in a transaction of its own, then raise *problem*."""
    events.refuse(security_event, problem, event)
