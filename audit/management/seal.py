"""``manage.py audit seal``: what the worker does each minute, at once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import sealing
from audit.management.exits import FAILED, TRY_AGAIN

NAME = "seal"
HELP = "Seal the events that no seal holds yet."


def add_arguments(parser: CommandParser) -> None:
    """Take nothing."""


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Seal what waits, and say how much that was."""
    try:
        done = sealing.seal()
    except sealing.ContendedError:
        says = "Other sealers were quicker each time. If there are none, `audit verify` says what is wrong."
        raise CommandError(says, returncode=TRY_AGAIN) from None
    except sealing.ForgedError as error:
        raise CommandError(f"{error} `audit verify` says more.", returncode=FAILED) from None
    command.stdout.write(f"Events sealed: {done.events}, in seals: {done.seals}.")
