"""What the database does for each statement: its plan, and the pages it takes from memory and from elsewhere."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) "


@dataclass
class Statement:
    """One statement as the database ran it."""

    verb: str
    scans: list[tuple[str, str, str]]  # table, kind of scan, index
    hit: int  # pages found in the server's own memory
    read: int  # pages that came from the system or the disk
    wal: int  # bytes of log

    @property
    def unindexed(self) -> list[str]:
        """The tables that it reads from end to end."""
        return [table for table, kind, index in self.scans if kind == "Seq Scan" or not index]


@dataclass
class Explained:
    """The statements of some calls."""

    statements: list[Statement] = field(default_factory=list)

    @property
    def unindexed(self) -> list[str]:
        """The tables that some statement reads from end to end."""
        return sorted({table for one in self.statements for table in one.unindexed})

    @property
    def indexes(self) -> list[str]:
        """What each statement reads by which index, each once."""
        found = (
            f"{one.verb} {table} by {index or kind}" for one in self.statements for table, kind, index in one.scans
        )
        return list(dict.fromkeys(found))

    def total(self, of: str) -> int:
        """Return the sum of *of*: hit, read or wal."""
        return sum(int(getattr(one, of)) for one in self.statements)


def explained(calls: list[Callable[[], Any]]) -> Explained:
    """Make *calls*, each statement explained right before it runs; what that wrote is taken back."""
    result = Explained()
    with _explaining(result):
        for call in calls:
            call()
    return result


@contextmanager
def _explaining(result: Explained) -> Iterator[None]:
    def explain(execute: Any, sql: str, params: Any, many: Any, context: dict[str, Any]) -> Any:
        verb = sql.split(maxsplit=1)[0].upper()
        if verb in {"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE"} and not many:
            writes = verb != "SELECT"
            if writes:
                execute("SAVEPOINT explained", None, many, context)
            execute(EXPLAIN + sql, params, many, context)
            (found,) = context["cursor"].fetchone()
            result.statements.append(_statement(json.loads(found) if isinstance(found, str) else found))
            if writes:
                execute("ROLLBACK TO SAVEPOINT explained", None, many, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield


def _statement(found: list[dict[str, Any]]) -> Statement:
    top = found[0]["Plan"]
    verb = str(top.get("Operation", "Select")).upper()
    scans = []
    for node in _nodes(top):
        kind = node["Node Type"]
        if "Relation Name" in node and kind != "ModifyTable":
            below = [node] if "Index Name" in node else _nodes(node)  # a bitmap is made from indexes below it
            names = dict.fromkeys(one["Index Name"] for one in below if "Index Name" in one)
            scans.append((node["Relation Name"], kind, " and ".join(names)))
    hit, read, wal = (top.get(name, 0) for name in ("Shared Hit Blocks", "Shared Read Blocks", "WAL Bytes"))
    return Statement(verb, scans, hit, read, wal)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
