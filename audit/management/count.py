"""``manage.py audit count``: what the worker counts each minute, at once or from the beginning."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import counting
from audit.management.exits import FAILED
from gatehouse.stopping import STOPPED, stoppable

NAME = "count"
HELP = "Count the sealed events that statistics and reports are made from."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("--rebuild", action="store_true", help="Forget every count and begin with the first seal.")
    parser.add_argument("--lose-archived", action="store_true", help="Rebuild without the events that were archived.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Count what waits; interrupted, the next run or the worker goes on."""
    if options["rebuild"]:
        lost = counting.gone()
        if lost and not options["lose_archived"]:
            says = f"{lost} sealed events are not in the table any more, and their counts would be lost"
            raise CommandError(f"{says}; --lose-archived rebuilds all the same.", returncode=FAILED)
        counting.begin_anew()
    with stoppable() as asked:
        while counting.count_next():
            if asked():
                command.stderr.write("Stopped.")
                sys.exit(STOPPED)
    command.stdout.write("Every sealed event is counted.")
