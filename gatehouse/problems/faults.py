"""Which exceptions mean that the database cannot serve just now."""

from django.db import InterfaceError, OperationalError

_PAUSE = 5
# MariaDB: a trigger of ours refused the statement; a column, a table or the grammar is not what the code takes it for.
_NOT_AN_OUTAGE = frozenset({1644, 1054, 1064, 1146})
_MISTAKES = ("no such ", "near ")  # SQLite, of a migration that was forgotten or a statement that is wrong


def is_outage(error: BaseException | None) -> bool:
    """Whether *error* says that the database is away, full, locked or too slow.

    A pool that has no connection left raises a subclass of OperationalError too.
    """
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    said = error.args[0] if error.args else None
    return said not in _NOT_AN_OUTAGE and not str(said).startswith(_MISTAKES)


def pause() -> int:
    """Return the seconds after which another try makes sense."""
    return _PAUSE
