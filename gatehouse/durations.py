"""How long: a number and a unit, as commands take them."""

from datetime import timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_MOST_DIGITS = 5  # centuries of days; more would leave the calendar


def duration(text: str) -> timedelta:
    """Return what ``12h`` or ``30d`` says. Raises ValueError."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isascii() or not number.isdigit() or len(number) > _MOST_DIGITS:
        raise ValueError("a number and a unit, like 12h or 30d")
    return timedelta(**{unit: int(number)})
