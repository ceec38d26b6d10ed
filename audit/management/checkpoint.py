"""``manage.py audit checkpoint``: what the worker publishes each day, at once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit import checkpoints
from audit.management.exits import FAILED

NAME = "checkpoint"
HELP = "Publish how many seals there are and the root over them, signed. Keep it where the database's owner is not."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument(
        "--to",
        metavar="PLACE",
        action="append",
        help="A file that grows, - for the standard output (default), or mail:ADDRESS; may come again.",
    )


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Make a checkpoint and send it to each place."""
    made = checkpoints.make()
    if not made.size:
        raise CommandError("There is no seal yet.", returncode=FAILED)
    for place in options["to"] or [checkpoints.STANDARD_OUTPUT]:
        if place == checkpoints.STANDARD_OUTPUT:
            command.stdout.write(made.note, ending="")
            continue
        try:
            checkpoints.publish(place, made)
        except OSError as error:  # a mail server's answers are such errors, too
            raise CommandError(f"{place} was not reached: {error}", returncode=FAILED) from None
    checkpoints.keep(made, now=timezone.now())
