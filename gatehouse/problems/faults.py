"""Which exceptions mean that the database cannot serve just now."""

from django.db import InterfaceError, OperationalError

_PAUSE = 5
_NOT_AN_OUTAGE = frozenset({1644})  # MariaDB: a trigger of ours refused the statement


def is_outage(error: BaseException | None) -> bool:
    """Whether *error* says that the database is away, full, locked or too slow.

    A pool that has no connection left raises a subclass of OperationalError too.
    """
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    return not (error.args and error.args[0] in _NOT_AN_OUTAGE)


def pause() -> int:
    """Return the seconds after which another try makes sense."""
    return _PAUSE
