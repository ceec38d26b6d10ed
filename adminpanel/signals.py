"""The signals of this app."""

from typing import NoReturn

from django.dispatch import Signal

from gatehouse import events
from gatehouse.problems import Problem

# Sent inside the transaction of the change it tells of; a receiver that fails rolls the change back.
# Arguments: event, a frozen dataclass of adminpanel.events.
security_event = Signal()


def refuse(problem: Problem, event: events.SecurityEvent) -> NoReturn:
    """Record *event* in a transaction of its own, then raise *problem*."""
    events.refuse(security_event, problem, event)
