"""Who reads or writes the trail over HTTP, and how much of it: what the audit app asks of whoever knows the people.

The audit app knows no accounts. Its setting ``AUDIT["ACCESS"]`` names a function that takes the request and the name
of a permission (``audit.read``, ``audit.export``, ``audit.statistics``, ``audit.write``), and returns a TrailScope or
raises a Problem: not_authenticated, permission_denied.
"""

from dataclasses import dataclass

from django.db.models import Q

from .events import Actor


@dataclass(frozen=True, kw_only=True)
class TrailScope:
    """What somebody may see of the trail."""

    actor: Actor  # who it is, for what is recorded of the reading
    session_id: str | None = None
    concerning: Q | None = None  # a condition on the events, by their ``user_id``; None: every event
    sees_addresses: bool = True  # else addresses are masked, nobody is searched by one, and staff's network is hidden

    @property
    def is_whole(self) -> bool:
        """Whether nothing is kept back."""
        return self.concerning is None and self.sees_addresses
