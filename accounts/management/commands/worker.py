import signal
import threading
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django.utils import timezone

from accounts import outbox
from accounts.services import export_making
from gatehouse import cleaning
from gatehouse.events import Actor
from gatehouse.health import WORKER
from gatehouse.models import Counter
from gatehouse.timetable import Timetable, jobs

log = structlog.get_logger(__name__)

PAUSE = 1.0  # seconds between two looks into the outbox
CLEAN_EVERY = timedelta(hours=1)
CLEAN_FOR = 1.0  # seconds of cleaning between two looks into the outbox, so that no mail waits for it
MAKE_FOR = 1.0  # the same of making an export


class Command(BaseCommand):
    help = (
        "Send the mails that wait, make the exports asked for, clean up once an hour, do the jobs of the apps. "
        "Stops after its batch on SIGTERM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Make and send what is due, then stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if options["once"]:
            export_making.make_due()
            self.stdout.write(f"{outbox.send_due(limit=1000)} sent")
            return
        log.info("worker started")
        cleaner, maker = Cleaner(timezone.now() + CLEAN_EVERY), Maker()
        timetable = Timetable(jobs(), timezone.now())
        while not stop.is_set():
            _guarded(cleaner, maker, timetable)
            if not maker.is_busy:
                stop.wait(PAUSE)
        _conclude(cleaner, maker)
        log.info("worker stopped")


class Cleaner:
    """The hourly clean-up, in slices."""

    def __init__(self, due: datetime) -> None:
        self._due = due
        self._sweep: cleaning.Sweep | None = None

    def go_on(self, now: datetime) -> None:
        """Begin where it is time, and do one slice of what was begun."""
        if self._sweep is None and now >= self._due:
            self._due = now + CLEAN_EVERY
            self._sweep = cleaning.Sweep(
                cleaning.chores().values(), actor=Actor.system("worker"), rest=cleaning.REST, now=now
            )
        if self._sweep is not None and self._sweep.go_on(CLEAN_FOR):
            self.conclude()

    def conclude(self) -> None:
        """Record what was done, all of it or not."""
        if self._sweep is not None:
            self._sweep.conclude()
            self._sweep = None


class Maker:
    """The exports that people ask for, one at a time, in slices."""

    def __init__(self) -> None:
        self._making: export_making.Making | None = None

    @property
    def is_busy(self) -> bool:
        """Whether one is begun and not done."""
        return self._making is not None

    def go_on(self) -> None:
        """Begin where somebody asks, and do one slice of what was begun."""
        making, self._making = self._making or export_making.claim(), None
        if making is not None and not making.go_on(MAKE_FOR):
            self._making = making

    def conclude(self) -> None:
        """Leave what was begun to the next worker."""
        if self._making is not None:
            self._making.leave()
            self._making = None


def _guarded(cleaner: Cleaner, maker: Maker, timetable: Timetable) -> None:
    """Beat, send, make, clean, do what is due; a database that is away is waited for."""
    try:
        close_old_connections()
        Counter.objects.beat(WORKER, timezone.now())
        while outbox.send_due() == outbox.BATCH:
            Counter.objects.beat(WORKER, timezone.now())
        maker.go_on()
        cleaner.go_on(timezone.now())
        timetable.go_on(timezone.now())
    except DatabaseError as error:
        _wait_for_it(error)


def _conclude(cleaner: Cleaner, maker: Maker) -> None:
    try:
        maker.conclude()
        cleaner.conclude()
    except DatabaseError as error:
        _wait_for_it(error)


def _wait_for_it(error: Exception) -> None:
    log.warning("the database does not answer, to be tried again", cause=type(error).__name__)
    connection.close()
