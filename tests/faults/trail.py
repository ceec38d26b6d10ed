"""A trail that the database takes no row of any more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection


@contextmanager
def no_new_events() -> Iterator[None]:
    """Let every INSERT into the trail fail inside the block, as on a full disk."""
    with connection.execute_wrapper(_refuse):
        yield


def _refuse(execute: Callable[..., Any], sql: str, params: Any, many: Any, context: dict[str, Any]) -> Any:
    if sql.lstrip().upper().startswith("INSERT") and "audit_event" in sql:
        raise DatabaseError("disk full")
    return execute(sql, params, many, context)
