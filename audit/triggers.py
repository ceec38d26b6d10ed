"""The triggers that make a table append-only, written for each database.

Each table has the same promise: no UPDATE, no DELETE, no insert that replaces a row, and where
the database has a trigger for it no TRUNCATE. What each database needs differs:

* SQLite's REPLACE deletes without firing a delete trigger (unless ``recursive_triggers`` is
  on), so an insert with a key that is taken is refused before it starts. A key below 1 is
  refused too: a row -1 would match the placeholder that a BEFORE INSERT trigger sees for
  every automatic key, and block all inserts from then on.
* PostgreSQL skips ordinary triggers while ``session_replication_role`` is ``replica``, so ours
  are ENABLE ALWAYS. TRUNCATE has a trigger of its own.
* MariaDB's REPLACE fires the delete trigger. Nothing there can stop TRUNCATE but a database
  user without the DROP privilege.
"""

from collections.abc import Callable
from dataclasses import dataclass

# The key of each table whose key is not called id.
KEYS = {"audit_seal": "number", "audit_sealedevent": "event_id"}


@dataclass(frozen=True)
class Trigger:
    """One trigger: the statement that makes it, and how the catalogue describes it then."""

    name: str
    create: str
    state: tuple[object, ...]


@dataclass(frozen=True)
class Dialect:
    """How one database makes, describes and drops the triggers of a table."""

    triggers: Callable[[str], list[Trigger]]
    standing: str  # a query for the name and the state of each trigger of the table %s
    drop: str
    before: str = ""  # what must exist before the triggers
    after: str = ""  # what goes when they are gone


def _sqlite(table: str) -> list[Trigger]:
    key = KEYS.get(table, "id")
    taken = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - our own names
    parts = [
        ("no_update", "BEFORE UPDATE", ""),
        ("no_delete", "BEFORE DELETE", ""),
        ("no_replace", "BEFORE INSERT", taken),
        ("no_odd_key", "AFTER INSERT", f"WHEN NEW.{key} < 1"),
    ]
    triggers = []
    for suffix, moment, condition in parts:
        name = f"{table}_{suffix}"
        create = (
            f"CREATE TRIGGER {name} {moment} ON {table} FOR EACH ROW {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        triggers.append(Trigger(name, create, (create,)))
    return triggers


POSTGRESQL_BODY = "BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END"


def _postgresql(table: str) -> list[Trigger]:
    # tgtype adds up: 1 row, 2 before, 8 delete, 16 update, 32 truncate
    parts = [
        ("no_change", "BEFORE UPDATE OR DELETE", "ROW", 1 + 2 + 8 + 16),
        ("no_truncate", "BEFORE TRUNCATE", "STATEMENT", 2 + 32),
    ]
    body = POSTGRESQL_BODY.format(table=table)
    triggers = []
    for suffix, moment, level, kind in parts:
        name = f"{table}_{suffix}"
        create = (
            f"CREATE TRIGGER {name} {moment} ON {table} FOR EACH {level} "
            f"EXECUTE FUNCTION {table}_refuse(); "
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
        )
        triggers.append(Trigger(name, create, (kind, "A", True, body)))
    return triggers


def _mysql(table: str) -> list[Trigger]:
    body = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{table} is append-only'"
    triggers = []
    for deed in ("UPDATE", "DELETE"):
        name = f"{table}_no_{deed.lower()}"
        create = f"CREATE TRIGGER {name} BEFORE {deed} ON {table} FOR EACH ROW {body}"
        triggers.append(Trigger(name, create, ("BEFORE", deed, body)))
    return triggers


DIALECTS = {
    "sqlite": Dialect(
        triggers=_sqlite,
        standing="SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
        drop="DROP TRIGGER IF EXISTS {name}",
    ),
    "postgresql": Dialect(
        triggers=_postgresql,
        standing=(
            "SELECT t.tgname, t.tgtype, t.tgenabled, t.tgqual IS NULL AND t.tgattr = '', p.prosrc "
            "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = to_regclass(%s)"
        ),
        drop="DROP TRIGGER IF EXISTS {name} ON {table}",
        before=(
            "CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql "
            f"AS $body${POSTGRESQL_BODY}$body$"
        ),
        after="DROP FUNCTION IF EXISTS {table}_refuse() CASCADE",
    ),
    "mysql": Dialect(
        triggers=_mysql,
        standing=(
            "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT "
            "FROM information_schema.TRIGGERS "
            "WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = %s"
        ),
        drop="DROP TRIGGER IF EXISTS {name}",
    ),
}
