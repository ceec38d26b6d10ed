"""``manage.py audit verify``: whether the trail is what was sealed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.db.models import Sum
from django.utils import timezone

from audit import integrity, verification
from audit.findings import Report
from audit.management.exits import FAILED, FINDINGS
from audit.seals import Seal
from gatehouse.stopping import STOPPED, stoppable

NAME = "verify"
HELP = "Verify every seal and every event; exits with 3 and names what was edited, removed, inserted or forged."
_SHOWN = 20
_BAR = 30


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("--checkpoint", metavar="FILE", action="append", default=[], help="What was published before.")
    parser.add_argument("--archive", metavar="DIR", type=Path, help="Read the files of the archive, which lie there.")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="SEAL", help="Begin with this seal.")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Verify, say what was found, and tell by the status whether anything was."""
    first = options["first"]
    if first < 1:
        raise CommandError("--from takes the number of a seal: 1 or more.", returncode=2)
    if first > 1 and options["checkpoint"]:
        raise CommandError("A checkpoint is about all seals: leave --from out.", returncode=2)
    archive = options["archive"]
    if archive is not None and not archive.is_dir():
        raise CommandError(f"{archive} is no folder.", returncode=FAILED)
    notes = [_text_of(path) for path in options["checkpoint"]]
    if first == 1:
        _keep(command, lambda: integrity.begin(now=timezone.now()))
    with stoppable() as asked:
        try:
            report = verification.verify(first=first, notes=notes, archive=archive, watch=_watch(first, asked))
        except verification.StoppedError:
            command.stderr.write("Stopped.")
            sys.exit(STOPPED)
    if first == 1:
        _keep(command, lambda: integrity.keep(report, now=timezone.now()))
    _tell(command, report, options["format"])
    if not report.ok:
        sys.exit(FINDINGS)


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", returncode=FAILED) from None


def _watch(first: int, asked: Callable[[], bool]) -> verification.Watch:
    """Return what shows how far it is, on a terminal, and hears whether to stop."""
    if not sys.stderr.isatty():
        return lambda _events: not asked()
    whole = Seal.objects.filter(number__gte=first).aggregate(events=Sum("count"))["events"] or 0

    def show(events: int) -> bool:
        done = min(1.0, events / whole) if whole else 1.0
        bar = "#" * round(done * _BAR)
        sys.stderr.write(f"\r[{bar:<{_BAR}}] {done:4.0%} {events:,} events" + ("\n" if done == 1 else ""))
        sys.stderr.flush()
        return not asked()

    return show


def _keep(command: BaseCommand, write: Callable[[], None]) -> None:
    """Write down that it began or how it ended; somebody who may only read verifies all the same."""
    try:
        write()
    except DatabaseError as error:
        command.stderr.write(f"The result was not kept: {type(error).__name__}.")


def _tell(command: BaseCommand, report: Report, form: str) -> None:
    if form == "json":
        command.stdout.write(json.dumps(report.as_json(), ensure_ascii=False))
        return
    for finding in report.findings[:_SHOWN]:
        command.stdout.write(str(finding))
    if report.found > _SHOWN:
        command.stdout.write(f"and {report.found - _SHOWN} more; --format json shows up to 1000")
    if not report.outside:
        command.stdout.write("No checkpoint from outside was compared.")
    if report.archived:
        command.stdout.write(f"Events whose rows went and that were read from the archive: {report.archived}.")
    if report.on_word:
        seals = ", ".join(f"{one}" if one == last else f"{one} to {last}" for one, last in report.on_word)
        command.stdout.write(
            f"Taken on the word of the archive's signed records, no file was read: events that went of seals {seals}."
        )
    verdict = "nothing is wrong" if report.ok else f"findings: {report.found}"
    command.stdout.write(f"{report.events} events in {report.seals} seals: {verdict}.")
