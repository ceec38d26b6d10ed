"""What the clean-up does with the one table of the ground."""

from . import cleaning
from .conf import app_settings
from .models import Counter

CHORES = (
    cleaning.of_rows(
        name="counters",
        says="counters of limits whose window is over",
        age=lambda: app_settings().COUNTERS_KEPT,
        rows=lambda before, _now: Counter.objects.ended(before),
        by="expires_at",
    ),
)
