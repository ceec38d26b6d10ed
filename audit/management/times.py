"""Times as commands take them."""

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

from django.core.management.base import CommandParser
from django.utils import timezone

_AGO = re.compile(r"([0-9]{1,6})([hd])")
_SAYS = "a day (2026-11-01), a time (2026-11-01T08:00Z; without a zone in UTC), or so long ago (24h, 30d)"


def add_times(parser: CommandParser) -> None:
    """Let *parser* take a beginning and an end."""
    parser.add_argument("--since", type=moment_of, metavar="TIME", help=f"Inclusive: {_SAYS}.")
    parser.add_argument("--until", type=moment_of, metavar="TIME", help="Exclusive; as before.")


def moment_of(text: str) -> datetime:
    """Return the moment that *text* names.

    Raises ArgumentTypeError.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return timezone.now() - timedelta(**{"hours" if ago[2] == "h" else "days": int(ago[1])})
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"give {_SAYS}.") from None
