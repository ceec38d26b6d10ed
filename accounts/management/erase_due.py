"""``manage.py accounts erase-due``: what the worker does once an hour, by hand or by cron."""

import sys
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.services import erasure
from gatehouse import cleaning
from gatehouse.events import Actor
from gatehouse.stopping import STOPPED, stoppable
from sessions_app.shapes import moment

NAME = "erase-due"
HELP = "Erase the accounts whose deletion is due; each leaves its id, an event, and a last mail."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("--dry-run", action="store_true", help="Name what is due, and erase nothing.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Erase what is due, and say how many went."""
    now = timezone.now()
    if options["dry_run"]:
        _name_due(command, now)
        return
    erased, whole = 0, True
    with stoppable() as asked:
        try:
            for number in erasure.erase_due(before=now, number=cleaning.BATCH, actor=Actor.command()):
                erased += number
                if asked():
                    whole = False
                    break
        finally:
            command.stdout.write(f"Accounts erased: {erased}.")
    left = erasure.due(now).count()
    if not whole:
        command.stdout.write("Stopped. The same command goes on from here.")
        sys.exit(STOPPED)
    if left:
        why = "Another run has them, they are in use at this moment, or it is the last super admin."
        command.stdout.write(f"Accounts that are due and stay: {left}. {why}")


def _name_due(command: BaseCommand, now: datetime) -> None:
    found = erasure.due(now).order_by("erase_at", "pk").values_list("pk", "erase_at", "status")
    number = 0
    for pk, at, status in found.iterator():
        number += 1
        command.stdout.write(f"{pk}  {moment(at or now)}  {status}")
    command.stdout.write(f"Accounts that would be erased: {number}.")
