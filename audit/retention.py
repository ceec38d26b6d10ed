"""What of the trail fades: the keys of what it need not tell any more. Its rows stay, or are archived."""

from collections.abc import Iterator
from datetime import datetime

from gatehouse.cleaning import Chore

from . import privacy
from .conf import app_settings


def _count(before: datetime, now: datetime) -> int:
    return privacy.faded(before).count() if app_settings().PRIVACY_RETENTION else 0


def _remove(before: datetime, now: datetime, number: int) -> Iterator[int]:
    if app_settings().PRIVACY_RETENTION:  # 0 keeps them for good
        yield from privacy.destroy(privacy.faded(before), number)


CHORES = (
    Chore(
        name="trail-keys",
        says="keys of network data and of addresses that no account has, in the trail, by months",
        done="destroyed",
        age=lambda: app_settings().PRIVACY_RETENTION,
        count=_count,
        remove=_remove,
    ),
)
