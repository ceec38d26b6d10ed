"""``manage.py accounts import``: takes in the accounts of another system."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.imports.formats import FORMATS
from accounts.imports.lines import Lines, Unreadable
from accounts.services.importing import BATCH, Import, Rehearsal
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from gatehouse.stopping import STOPPED, stoppable

_SOME_REFUSED, _NOTHING_DONE = 1, 2  # exit statuses
_STANDARD_INPUT = "-"
_LARGEST_BATCH = 5_000
_WIDTH = 30

NAME = "import"
HELP = "Make accounts of the lines of a file; no mail is sent."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("file", help="JSON lines or CSV, in UTF-8; - is standard input.")
    parser.add_argument("--format", choices=list(FORMATS), help="Default: csv for a name that ends so, else jsonl.")
    parser.add_argument("--dry-run", action="store_true", help="Say what would become of each line; change nothing.")
    parser.add_argument("--report", help="A file for what was refused, as JSON lines. Default: standard error.")
    parser.add_argument("--allow-erased", action="store_true", help="Take in addresses whose account was erased, too.")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"Rows of one transaction (default {BATCH}).")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Take in what the file holds, and say how it went."""
    if not 1 <= options["batch"] <= _LARGEST_BATCH:
        raise CommandError(f"--batch takes a number from 1 to {_LARGEST_BATCH}.")
    kind = Rehearsal if options["dry_run"] else Import
    read = FORMATS[options["format"] or ("csv" if options["file"].lower().endswith(".csv") else "jsonl")]
    try:
        with _opened(options["file"]) as stream:
            lines = Lines(stream)
            client, actor = Client.local("accounts"), Actor.command()
            given = {"batch": options["batch"], "allow_erased": options["allow_erased"]}
            run = kind(read(lines), client=client, actor=actor, **given)
            with _report(command, options["report"], stream) as report:
                whole = _follow(command, run, report, _Bar(command.stdout, lines, _size(stream)))
    except Unreadable as fault:
        raise CommandError(str(fault), returncode=_NOTHING_DONE) from None
    except Problem as problem:
        raise CommandError(str(problem.detail)) from None
    except OSError as error:  # in the middle of the file, or of the report
        raise CommandError(error.strerror or str(error)) from None
    if not whole:
        command.stdout.write("Stopped. The same command goes on from here.")
        sys.exit(STOPPED)
    if run.refused:
        sys.exit(_SOME_REFUSED)


def _follow(command: BaseCommand, run: Import, report: TextIO, bar: "_Bar") -> bool:
    """Go through all of it and say what was done; return whether nobody asked to stop."""
    try:
        with stoppable() as asked:
            for refused in run.steps():
                report.writelines(f"{refusal.as_json()}\n" for refusal in refused)
                report.flush()
                bar.show()
                if asked():
                    return False
    finally:
        bar.clear()
        would = "that would be taken in" if isinstance(run, Rehearsal) else "taken in"
        command.stdout.write(
            f"Accounts {would}: {run.taken:,}. There already: {run.present:,}. Lines refused: {run.refused:,}."
        )
        run.conclude()
    return True


@contextmanager
def _report(command: BaseCommand, name: str | None, source: BinaryIO) -> Iterator[TextIO]:
    """Yield where refused rows are told; a file of them is for its owner alone, since it holds addresses."""
    if name is None:
        yield cast(TextIO, command.stderr._out)  # as it is, without colours
        return
    try:
        if Path(name).exists() and _is_same_file(name, source):
            raise Unreadable("--report names the file that is read.")
        report = open(name, "w", encoding="utf-8", opener=_for_the_owner)  # noqa: SIM115  (below)
    except OSError as error:
        raise Unreadable(f"{name} cannot be written: {error.strerror}.") from None
    with report:
        yield report


class _Bar:
    """How much of the file is read; drawn over itself, on terminals only."""

    def __init__(self, out: Any, lines: Lines, size: int) -> None:
        self._out, self._lines, self._size = out, lines, size
        self._shown = out.isatty()

    def show(self) -> None:
        if not self._shown:
            return
        read = self._lines.consumed
        full = _WIDTH * read // max(self._size, read, 1)
        bar = f"[{'#' * full}{'.' * (_WIDTH - full)}] " if self._size else ""
        self._out.write(f"\r{bar}{self._lines.number:,} lines\x1b[K", ending="")
        self._out.flush()

    def clear(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K", ending="")


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == _STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115  (below)
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}.") from None
    with stream:
        yield stream


def _size(stream: BinaryIO) -> int:
    """Return how many bytes *stream* has, or 0 where nobody can tell."""
    try:
        found = os.fstat(stream.fileno())
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _is_same_file(name: str, stream: BinaryIO) -> bool:
    try:
        return os.path.samestat(Path(name).stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
