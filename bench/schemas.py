"""Copies of the tables in schemas of their own: one that stays as it is, and one that grows, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection

from audit.models import Event
from sessions_app.models import Device, Session

MODELS: tuple[Any, ...] = (get_user_model(), Device, Session)
FILLED = [model._meta.db_table for model in MODELS]
TRAIL = Event._meta.db_table  # a rotation writes a row there; it begins empty

# Everything that an insert keeps in step, in the order in which it can be made. Names are as the search path finds
# them, so that the same words make the same thing in another schema.
STRUCTURE = """
SELECT format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', relname, conname, pg_get_constraintdef(c.oid, true)),
       format('ALTER TABLE %%I DROP CONSTRAINT %%I', relname, conname), contype = 'f'
FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid
WHERE t.relname = ANY(%(tables)s) AND pg_table_is_visible(t.oid) AND contype IN ('p', 'u', 'f')
  AND NOT conname = ANY(%(without)s::text[])
UNION ALL
SELECT pg_get_indexdef(indexrelid, 0, true), format('DROP INDEX %%I', i.relname), false
FROM pg_index JOIN pg_class t ON t.oid = indrelid JOIN pg_class i ON i.oid = indexrelid
WHERE t.relname = ANY(%(tables)s) AND pg_table_is_visible(t.oid)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
  AND NOT i.relname = ANY(%(without)s::text[])
ORDER BY 3, 1
"""


@dataclass(frozen=True)
class Copy:
    """The tables that sessions live in, once more: with the same indexes and constraints under the same names."""

    name: str
    structure: tuple[tuple[str, str], ...]  # what makes and what drops each index and constraint

    @classmethod
    def make(cls, name: str, *, without: Sequence[str] = (), fillfactor: int = 100) -> "Copy":
        """Copy the migrated tables into the new schema *name*, empty and as yet without an index.

        The indexes and constraints *without* will not be made; *fillfactor* is the percentage of a page of sessions
        that inserts fill. Both are for trying what they give.
        """
        leave()
        found = _rows(STRUCTURE, {"tables": FILLED, "without": list(without)})
        structure = tuple((made, dropped) for made, dropped, _foreign in found)
        _execute(f"CREATE SCHEMA {name}")
        _execute(f"CREATE TABLE {name}.{TRAIL} (LIKE public.{TRAIL} INCLUDING ALL) WITH (autovacuum_enabled = off)")
        for table in FILLED:
            # autovacuum would run in the middle of a round; sweep() does its work before
            _execute(
                f"CREATE TABLE {name}.{table} (LIKE public.{table} INCLUDING ALL EXCLUDING INDEXES)"
                " WITH (autovacuum_enabled = off)"
            )
        _execute(f"ALTER TABLE {name}.{Session._meta.db_table} SET (fillfactor = {fillfactor})")
        return cls(name, structure)

    def use(self) -> None:
        """Have every statement from here on mean these tables."""
        _execute(f"SET search_path TO {self.name}, public")

    def strip(self) -> None:
        """Drop indexes and constraints: many rows are written in a fraction of the time without them."""
        for _made, dropped in reversed(self.structure):
            _execute(dropped)

    def build(self) -> None:
        """Make indexes and constraints, as the migrations made them."""
        for made, _dropped in self.structure:
            _execute(made)

    def sweep(self) -> None:
        """Do what autovacuum would, so that it does not fall into what is measured."""
        self.use()
        for table in (*FILLED, TRAIL):
            _execute(f"VACUUM ANALYZE {table}")

    def count(self, table: str) -> int:
        """Return how many rows *table* has."""
        return int(_rows(f"SELECT count(*) FROM {self.name}.{table}")[0][0])

    def updates(self) -> tuple[int, int]:
        """Return how many session rows were updated, and how many of these left every index alone (HOT)."""
        if int(_rows("SHOW server_version_num")[0][0]) >= 150000:
            _execute("SELECT pg_stat_force_next_flush()")
        asked = (
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = %(name)s AND relname = %(of)s"
        )
        found = _rows(asked, {"name": self.name, "of": Session._meta.db_table})
        return int(found[0][0]), int(found[0][1])

    def size(self) -> int:
        """Return how many bytes the tables and their indexes take."""
        asked = "SELECT sum(pg_total_relation_size(one::regclass)) FROM unnest(%(tables)s::text[]) one"
        return int(_rows(asked, {"tables": [f"{self.name}.{table}" for table in FILLED]})[0][0])

    def drop(self) -> None:
        """Remove the copy."""
        leave()
        _execute(f"DROP SCHEMA {self.name} CASCADE")


def leave() -> None:
    """Have every statement mean the site's own tables again."""
    _execute("SET search_path TO DEFAULT")


def checkpoint() -> bool:
    """Have the server write out what it holds; return False where this user may not ask for it."""
    allowed = bool(_rows("SELECT usesuper FROM pg_user WHERE usename = current_user")[0][0])
    if allowed:
        _execute("CHECKPOINT")
    return allowed


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _rows(statement: str, given: dict[str, Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return list(cursor.fetchall())
