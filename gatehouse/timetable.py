"""What is done again and again beside the requests: jobs that any app hangs under the worker.

An app, a host's too, lists them as ``JOBS`` in its ``timetable.py``; that is all it has to do. A job is done piece by
piece, so that no mail waits for it; several workers may be at the same one, and any may be killed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError

from .declared import in_apps

log = structlog.get_logger(__name__)

_MODULE = "timetable"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing that is done again and again."""

    name: str
    every: timedelta
    piece: Callable[[datetime], bool]  # does a piece and tells whether more waits; it is given the time


def jobs() -> list[Job]:
    """Return the jobs of every installed app."""
    found: list[Job] = []
    for app, module in in_apps(_MODULE):
        if app != __package__:  # whose module of this name is this one
            found += module.JOBS
    return found


class Timetable:
    """Says when each of *todo* is due, and does a piece of what is."""

    def __init__(self, todo: Iterable[Job], now: datetime) -> None:
        self._due = dict.fromkeys(todo, now)

    def go_on(self, now: datetime) -> None:
        """Do one piece of each job that is due.

        One that fails is logged and waits for its next turn. The database's own failures are raised, once the others
        are done.
        """
        away: DatabaseError | None = None
        for job, due in self._due.items():
            if now < due:
                continue
            self._due[job] = now + job.every
            try:
                if job.piece(now):
                    self._due[job] = now
            except DatabaseError as error:
                self._due[job] = now
                log.error("job_failed", job=job.name, error=type(error).__name__)
                away = away or error
            except Exception as error:  # the mails of everybody are not to wait for a job
                log.error("job_failed", job=job.name, error=f"{type(error).__name__}: {error}")
        if away is not None:
            raise away
