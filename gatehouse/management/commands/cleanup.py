import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gatehouse import cleaning
from gatehouse.cleaning import Chore, Sweep
from gatehouse.durations import duration
from gatehouse.events import Actor
from gatehouse.stopping import STOPPED, stoppable

_LARGEST_BATCH = 10_000
_LONGEST_REST = 100
_WIDTH = 30


class Command(BaseCommand):
    help = "Remove what is over: ended sessions, links, challenges, counters, mails that were sent, and the like."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", default="", help="Names, with commas between: sessions,links. Default: all.")
        parser.add_argument("--dry-run", action="store_true", help="Count, and remove nothing.")
        parser.add_argument(
            "--older-than", help="How long ago it was over: 12h, 30d. Default: what the settings say for each."
        )
        parser.add_argument("--batch", type=int, default=cleaning.BATCH, help="Rows of one transaction (default 100).")
        parser.add_argument(
            "--rest",
            type=float,
            default=cleaning.REST,
            help="Pause after a batch, as a share of its time (default 2).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["batch"] <= _LARGEST_BATCH:
            raise CommandError(f"--batch takes a number from 1 to {_LARGEST_BATCH}.")
        older_than = None if options["older_than"] is None else _duration(options["older_than"])
        if not 0 <= options["rest"] <= _LONGEST_REST:
            raise CommandError(f"--rest takes a share from 0 to {_LONGEST_REST}.")
        given = {"batch": options["batch"], "rest": options["rest"]}
        sweep = Sweep(_chosen(options["only"]), actor=Actor.command(), older_than=older_than, **given)
        if options["dry_run"]:
            for chore in sweep.todo:
                self.stdout.write(f"{chore.name}: {sweep.count(chore)} would be {chore.done} ({chore.says})")
        elif not self._sweep(sweep):
            self.stdout.write("Stopped. The next run goes on from here.")
            sys.exit(STOPPED)

    def _sweep(self, sweep: Sweep) -> bool:
        """Do all of it and say what went; return whether nobody asked to stop."""
        bar = _Bar(self, sweep) if self.stdout.isatty() else None
        try:
            with stoppable() as asked:
                for chore, _number in sweep.steps():
                    if bar is not None:
                        bar.show(chore)
                    if asked():
                        return False
        finally:
            if bar is not None:
                bar.clear()
            for chore in sweep.todo:
                self.stdout.write(f"{chore.name}: {sweep.removed[chore.name]} {chore.done}")
            sweep.conclude()
        return True


class _Bar:
    """How far the chore in hand is; drawn over itself, on terminals only."""

    def __init__(self, command: BaseCommand, sweep: Sweep) -> None:
        self._out, self._sweep = command.stdout, sweep
        self._totals: dict[str, int] = {}

    def show(self, chore: Chore) -> None:
        done = self._sweep.removed[chore.name]
        if chore.name not in self._totals:
            self._totals[chore.name] = done + self._sweep.count(chore)
        total = max(self._totals[chore.name], done, 1)
        full = _WIDTH * done // total
        bar = "#" * full + "." * (_WIDTH - full)
        self._out.write(f"\r{chore.name:<20} [{bar}] {done:,} of {total:,}\x1b[K", ending="")
        self._out.flush()

    def clear(self) -> None:
        self._out.write("\r\x1b[K", ending="")


def _chosen(names: str) -> Iterable[Chore]:
    known = cleaning.chores()
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise CommandError(f"--only does not know {', '.join(unknown)}. It knows {', '.join(known)}.")
    return [chore for name, chore in known.items() if not wanted or name in wanted]


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise CommandError(f"--older-than takes {error}.") from None
