"""``manage.py audit report``: a dated report of a time, as a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import report
from audit.management.exits import FAILED
from audit.management.times import add_times
from audit.queries import FilterError
from audit.rendering import TYPES, render
from audit.statistics import BUCKETS

NAME = "report"
HELP = "Write a dated report of a time: HTML that stands alone and prints, JSON, or CSV."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    add_times(parser)
    parser.add_argument("--bucket", choices=tuple(BUCKETS), default="day", help="Count by the hour or by the day.")
    parser.add_argument("--format", choices=tuple(TYPES), default="html")
    parser.add_argument("--output", metavar="FILE", default="-", help="Where to; - is the standard output.")
    parser.add_argument("--private", action="store_true", help="With the addresses that most failures came from.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Write the report; addresses of people are in it only where that is asked for."""
    asked = {name: options[name] for name in ("since", "until", "bucket")}
    try:
        text = render(report.make(**asked, addresses=options["private"]), options["format"])
    except FilterError as error:
        raise CommandError(str(error), returncode=2) from None
    if options["output"] == "-":
        command.stdout.write(text, ending="")
        return
    try:
        Path(options["output"]).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(f"{options['output']} cannot be written: {error}", returncode=FAILED) from None
