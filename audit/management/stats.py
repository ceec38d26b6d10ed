"""``manage.py audit stats``: the figures of a time, for people or for programs."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.management.times import add_times
from audit.queries import FilterError
from audit.statistics import BUCKETS, Statistics, statistics

NAME = "stats"
HELP = "Show how many events there were, of which kind, and what failed; the last day, if nothing else is asked for."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    add_times(parser)
    parser.add_argument("--bucket", choices=tuple(BUCKETS), default="hour", help="Count by the hour or by the day.")
    parser.add_argument("--private", action="store_true", help="Show the addresses that most failures came from.")
    parser.add_argument("--json", action="store_true", help="For programs: what the API answers.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Show the figures. Addresses tell of people, and terminals and logs keep them: they are asked for."""
    try:
        found = statistics(since=options["since"], until=options["until"], bucket=options["bucket"])
    except FilterError as error:
        raise CommandError(str(error), returncode=2) from None
    if options["json"]:
        figures = found.as_json()
        if not options["private"]:
            del figures["top_failing_ips"]
        command.stdout.write(json.dumps(figures, ensure_ascii=False))
        return
    _tell(command, found, private=options["private"])


def _tell(command: BaseCommand, found: Statistics, *, private: bool) -> None:
    totals, files = found.totals, found.files
    command.stdout.write(f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC")
    command.stdout.write(f"{totals.events} events, {totals.succeeded} succeeded, {totals.failed} failed")
    command.stdout.write(f"{files.uploads} files uploaded, {files.downloads} downloaded, {files.bytes} bytes")
    _table(command, "By type", found.by_type)
    _table(command, "By action", found.by_action)
    _table(command, "Why something failed", found.failure_reasons)
    places = {place.ip: place.failed for place in found.top_failing_ips}
    if private:
        _table(command, "Where most failures came from", places)
    elif places:
        command.stdout.write(f"\nFailures came from {len(places)} addresses or more; --private shows them.")
    rows = {f"{one.start:%Y-%m-%d %H:%M}": f"{one.events}, {one.failed} failed" for one in found.buckets if one.events}
    _table(command, f"By {found.bucket}", rows)


def _table(command: BaseCommand, title: str, rows: Mapping[str, object]) -> None:
    if not rows:
        return
    width = max(len(name) for name in rows)
    command.stdout.write(f"\n{title}")
    for name, value in rows.items():
        command.stdout.write(f"  {name:<{width}}  {value}")
