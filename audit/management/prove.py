"""``manage.py audit prove``: the proof that an event is in the trail."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import proofs
from audit.management.exits import FAILED

NAME = "prove"
HELP = "Write the proof that an event is in the trail as it was sealed; `audit check-proof` checks it anywhere."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("event", type=int, help="The id of the event.")
    parser.add_argument("--archive", metavar="DIR", type=Path, help="Where the files lie, for an event whose row went.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Write the proof to the standard output."""
    try:
        command.stdout.write(proofs.prove(options["event"], archive=options["archive"]), ending="")
    except proofs.NoProofError as error:
        raise CommandError(str(error), returncode=FAILED) from None
