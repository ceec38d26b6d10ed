"""``manage.py audit archive``: what the worker does each day, at once."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit import archiving, clearing
from audit.archive_files import DamagedError
from audit.conf import app_settings
from audit.management.exits import FAILED
from gatehouse.client import Client
from gatehouse.durations import duration
from gatehouse.events import Actor
from gatehouse.stopping import STOPPED, stoppable

NAME = "archive"
HELP = "Write what old seals hold into files, checked and recorded, and remove those rows that need not stay online."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("--older-than", type=_age, help="12h, 90d. Default: what AUDIT_ARCHIVE_AFTER says.")
    parser.add_argument("--to", metavar="DIR", help="The folder. Default: AUDIT_ARCHIVE_DIR.")
    parser.add_argument("--dry-run", action="store_true", help="Count, and write nothing.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Archive what is due, let rows go, and say how much that was."""
    age = app_settings().ARCHIVE_AFTER if options["older_than"] is None else options["older_than"]
    if options["dry_run"]:
        plan = archiving.plan(before=timezone.now() - age, online=app_settings().ARCHIVE_ONLINE)
        command.stdout.write(
            f"Would be archived: {plan.events} events in {plan.seals} seals; "
            f"of the events {plan.online} stay online as well."
        )
        return
    folder = options["to"] or app_settings().ARCHIVE_DIR
    if not folder:
        raise CommandError("Neither --to nor AUDIT_ARCHIVE_DIR names a folder.", returncode=2)
    with stoppable() as asked:
        try:
            is_done = _archive(command, Path(folder).absolute(), age, asked)
        except (DamagedError, OSError) as error:
            raise CommandError(f"Nothing more was archived or removed. {error}", returncode=FAILED) from None
    if not is_done:
        command.stderr.write("Stopped. The next run goes on from here.")
        sys.exit(STOPPED)


def _archive(command: BaseCommand, folder: Path, age: timedelta, asked: Callable[[], bool]) -> bool:
    """Do all of it; return whether nobody asked to stop."""
    who: dict[str, Any] = {"actor": Actor.command(), "client": Client.local("audit archive")}
    before, removed = timezone.now() - age, 0
    while not asked():
        try:
            made = archiving.archive_next(folder=folder, before=before, now=timezone.now(), **who)
        except archiving.ContendedError:
            continue
        if made is None:
            break
        command.stdout.write(f"{made.file}: {made.events} events of seals {made.first_seal} to {made.last_seal}.")
    for step in clearing.clear(folder=folder, online=app_settings().ARCHIVE_ONLINE, **who):
        removed += step.removed
        if asked():
            break
    command.stdout.write(f"Rows removed that lie in the archive: {removed}.")
    return not asked()


def _age(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
