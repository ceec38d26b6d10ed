"""The triggers that make a table append-only, written for each database.

Each table has the same promise: no UPDATE, no DELETE, no insert that replaces a row, and where
the database has a trigger for it no TRUNCATE. One exception: a row of ``audit_event`` may be
deleted once the seal that holds it stands in ``audit_archive``. What each database needs differs:

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
KEYS = {"audit_seal": "number", "audit_sealedevent": "event_id", "audit_archive": "seal"}
LETS_GO = "audit_event"  # the table whose rows may go once they are archived,
ASKED = ("audit_sealedevent", "audit_archive")  # and the tables that its trigger asks
_ARCHIVED = (
    "SELECT 1 FROM {schema}audit_sealedevent s JOIN {schema}audit_archive a ON a.seal = s.seal_id "
    "WHERE s.event_id = {event}"
)


@dataclass(frozen=True)
class Trigger:
    """One trigger: the statement that makes it, and how the catalogue describes it then."""

    name: str
    create: str
    state: tuple[object, ...]


@dataclass(frozen=True)
class Dialect:
    """How one database makes, describes and drops the triggers of a table.

    The second argument says whether rows of the table may go that are archived.
    """

    triggers: Callable[[str, bool], list[Trigger]]
    standing: str  # a query for the name and the state of each trigger of the table %s
    drop: str
    before: Callable[[str, bool], str] | None = None  # what must exist before the triggers
    after: str = ""  # what goes when they are gone


def _sqlite(table: str, lets_go: bool) -> list[Trigger]:  # noqa: FBT001 - one of a table of functions
    key = KEYS.get(table, "id")
    unless = f"WHEN NOT EXISTS ({_ARCHIVED.format(schema='', event='OLD.id')})" if lets_go else ""
    taken = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - our own names
    parts = [
        ("no_update", "BEFORE UPDATE", ""),
        ("no_delete", "BEFORE DELETE", unless),
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


_REFUSE = "RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END"
_LET_GO = (
    "DECLARE archived boolean; BEGIN IF TG_OP = 'DELETE' THEN EXECUTE format('SELECT EXISTS ("
    + _ARCHIVED.format(schema="%1$I.", event="$1")
    + ")', TG_TABLE_SCHEMA) INTO archived USING OLD.id; IF archived THEN RETURN OLD; END IF; END IF; "
)
_PATH = "search_path=pg_catalog, pg_temp"


def _postgresql_body(table: str, lets_go: bool) -> str:  # noqa: FBT001 - one of a table of functions
    return (_LET_GO if lets_go else "BEGIN ") + _REFUSE.format(table=table)


def _postgresql_function(table: str, lets_go: bool) -> str:  # noqa: FBT001 - one of a table of functions
    return (
        f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql "
        f"SET {_PATH} AS $body${_postgresql_body(table, lets_go)}$body$"
    )


def _postgresql(table: str, lets_go: bool) -> list[Trigger]:  # noqa: FBT001 - one of a table of functions
    # tgtype adds up: 1 row, 2 before, 8 delete, 16 update, 32 truncate
    parts = [
        ("no_change", "BEFORE UPDATE OR DELETE", "ROW", 1 + 2 + 8 + 16),
        ("no_truncate", "BEFORE TRUNCATE", "STATEMENT", 2 + 32),
    ]
    body = _postgresql_body(table, lets_go)
    triggers = []
    for suffix, moment, level, kind in parts:
        name = f"{table}_{suffix}"
        create = (
            f"CREATE TRIGGER {name} {moment} ON {table} FOR EACH {level} "
            f"EXECUTE FUNCTION {table}_refuse(); "
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
        )
        triggers.append(Trigger(name, create, (kind, "A", True, body, _PATH)))
    return triggers


def _mysql(table: str, lets_go: bool) -> list[Trigger]:  # noqa: FBT001 - one of a table of functions
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{table} is append-only'"
    unless = f"IF NOT EXISTS ({_ARCHIVED.format(schema='', event='OLD.id')}) THEN {refuse}; END IF"
    triggers = []
    for deed in ("UPDATE", "DELETE"):
        name = f"{table}_no_{deed.lower()}"
        body = unless if deed == "DELETE" and lets_go else refuse
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
            "SELECT t.tgname, t.tgtype, t.tgenabled, t.tgqual IS NULL AND t.tgattr = '', p.prosrc, "
            "array_to_string(p.proconfig, ';') "
            "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = to_regclass(%s)"
        ),
        drop="DROP TRIGGER IF EXISTS {name} ON {table}",
        before=_postgresql_function,
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
