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
from accounts.conf import app_settings
from accounts.retention import cleanup
from gatehouse.health import WORKER
from gatehouse.models import Counter

log = structlog.get_logger(__name__)

PAUSE = 1.0  # seconds between two looks into the outbox
CLEAN_EVERY = timedelta(hours=1)


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
        next_cleaning = timezone.now() + CLEAN_EVERY
        while not stop.is_set():
            next_cleaning = _round(next_cleaning)
            stop.wait(PAUSE)
        log.info("worker stopped")


def _round(next_cleaning: datetime) -> datetime:
    """Beat, send, clean, and return when to clean next; a database that is away is waited for."""
    try:
        close_old_connections()
        now = timezone.now()
        Counter.objects.beat(WORKER, now)
        while outbox.send_due() == outbox.BATCH:
            Counter.objects.beat(WORKER, timezone.now())
        if now >= next_cleaning:
            cleanup(older_than=app_settings().CLEAN_AFTER)
            return now + CLEAN_EVERY
    except DatabaseError as error:
        log.warning("the database does not answer, to be tried again", cause=type(error).__name__)
        connection.close()
    return next_cleaning
