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
from gatehouse import cleaning
from gatehouse.events import Actor
from gatehouse.health import WORKER
from gatehouse.models import Counter

log = structlog.get_logger(__name__)

PAUSE = 1.0  # seconds between two looks into the outbox
CLEAN_EVERY = timedelta(hours=1)
CLEAN_FOR = 1.0  # seconds of cleaning between two looks into the outbox, so that no mail waits for it


class Command(BaseCommand):
    help = "Send the mails that wait in the outbox, and clean up once an hour. Stops after its batch on SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Send what is due, then stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if options["once"]:
            self.stdout.write(f"{outbox.send_due(limit=1000)} sent")
            return
        log.info("worker started")
        cleaner = Cleaner(timezone.now() + CLEAN_EVERY)
        while not stop.is_set():
            _guarded(cleaner)
            stop.wait(PAUSE)
        _conclude(cleaner)
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
            self._sweep = cleaning.Sweep(cleaning.chores().values(), actor=Actor.system("worker"), now=now)
        if self._sweep is not None and self._sweep.go_on(CLEAN_FOR):
            self.conclude()

    def conclude(self) -> None:
        """Record what was done, all of it or not."""
        if self._sweep is not None:
            self._sweep.conclude()
            self._sweep = None


def _guarded(cleaner: Cleaner) -> None:
    """Beat, send, clean; a database that is away is waited for."""
    try:
        close_old_connections()
        Counter.objects.beat(WORKER, timezone.now())
        while outbox.send_due() == outbox.BATCH:
            Counter.objects.beat(WORKER, timezone.now())
        cleaner.go_on(timezone.now())
    except DatabaseError as error:
        _wait_for_it(error)


def _conclude(cleaner: Cleaner) -> None:
    try:
        cleaner.conclude()
    except DatabaseError as error:
        _wait_for_it(error)


def _wait_for_it(error: Exception) -> None:
    log.warning("the database does not answer, to be tried again", cause=type(error).__name__)
    connection.close()
