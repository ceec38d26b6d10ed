"""Statements that every request sends, planned once a connection of PostgreSQL: planning a join of two tables costs
twice what running it does.

Only on connections that a pool of this process holds: behind a pooler in between, the next statement may run on
another connection, which knows nothing of what was prepared.
"""

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

_KEPT = "_sessions_app_prepared"
_PLACE = re.compile("%s")
_names = itertools.count(1)  # a connection of a pool belongs to one process


def execute(connection: BaseDatabaseWrapper, cursor: Any, statement: str, parameters: Sequence[Any]) -> None:
    """Run *statement*, in which each ``%s`` stands for one of *parameters*, on *cursor* of *connection*."""
    if connection.vendor != "postgresql" or "pool" not in connection.settings_dict["OPTIONS"]:
        cursor.execute(statement, parameters)
        return
    name, text, call = _as_prepared(statement)
    there: set[str] = vars(connection.connection).setdefault(_KEPT, set())
    if name not in there:
        cursor.execute(text)
        there.add(name)
    cursor.execute(call, parameters)


@lru_cache(maxsize=32)
def _as_prepared(statement: str) -> tuple[str, str, str]:
    """Return a name, the text that prepares *statement* under it, and the call that runs it."""
    name = f"gatehouse_{next(_names)}"
    numbers = itertools.count(1)
    body = _PLACE.sub(lambda _place: f"${next(numbers)}", statement)
    places = ", ".join(["%s"] * (next(numbers) - 1))
    return name, f"PREPARE {name} AS {body}", f"EXECUTE {name} ({places})"
