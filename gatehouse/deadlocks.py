"""What is done when a transaction was the one to give way in a ring of locks: it is done anew (SECURITY L05)."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 3
_DEADLOCKS = {1213, "40P01"}  # MariaDB's number, and PostgreSQL's state


def is_deadlock(error: OperationalError) -> bool:
    """Tell whether the database ended a statement in favour of another one, so that it may be sent again."""
    number = error.args[0] if error.args else None
    return number in _DEADLOCKS or getattr(error.__cause__, "sqlstate", None) in _DEADLOCKS


def again_after_deadlock(work: Callable[P, T]) -> Callable[P, T]:
    """Let *work*, which opens its own durable transaction, be done anew where that was rolled back for another one."""

    @wraps(work)
    def persistent(*args: P.args, **kwargs: P.kwargs) -> T:
        for left in reversed(range(TRIES)):
            try:
                return work(*args, **kwargs)
            except OperationalError as error:
                if not left or not is_deadlock(error):
                    raise
        raise AssertionError("unreachable")

    return persistent
