from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.retention import cleanup

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_MOST_DIGITS = 5  # centuries of days; more would leave the calendar


class Command(BaseCommand):
    help = "Remove expired sessions, links, challenges, counters and mails that were sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and remove nothing.")
        parser.add_argument("--older-than", default="30d", help="How long ago it ended: 12h, 30d (default 30d).")

    def handle(self, *args: Any, **options: Any) -> None:
        done = cleanup(older_than=_duration(options["older_than"]), dry_run=options["dry_run"])
        verb = "would be removed" if options["dry_run"] else "removed"
        for name, number in asdict(done).items():
            self.stdout.write(f"{name.replace('_', ' ')}: {number} {verb}")


def _duration(text: str) -> timedelta:
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isascii() or not number.isdigit() or len(number) > _MOST_DIGITS:
        raise CommandError("--older-than takes a number and a unit, like 12h or 30d.")
    return timedelta(**{unit: int(number)})
