"""Counting the tries of an account at something that only its owner knows."""

from django.db import transaction

from accounts import mails
from accounts.models import User
from accounts.signals import announce
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import SecurityEvent


def count(hit: limits.Hit, *, user: User, client: Client, refused: SecurityEvent | None = None) -> int:
    """Count *hit* and return how many are left; when none was, *refused* is recorded and the owner told once.

    Raises gatehouse.limits.LimitReached.
    """
    try:
        return limits.take(None, hit)[0].remaining
    except limits.LimitReached as problem:
        with transaction.atomic(durable=True):
            if problem.usage.is_first_over and problem.retry_at:
                mails.locked(user, client, until=problem.retry_at)
            if refused is not None:
                announce(refused)
        raise
