"""J02, J03: raw SQL that would change the trail is refused by the database itself, whoever sends it."""

import sqlite3

import pymysql
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audit import authorizer, checks, immutability
from audit.models import Event
from tests.audit.conftest import stored

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

INSERT = (
    "INTO audit_event (id, event_type, action, actor_type, actor_label, resource, success, failure_reason, request_id) "
    "VALUES ({id}, 'ADMIN', 'changed', 'system', '', '', {true}, '', '')"
)
UPDATE = "UPDATE audit_event SET action = 'changed'"

EVERYWHERE = [
    UPDATE,
    UPDATE + " WHERE id = {id}",
    "UPDATE audit_event SET timestamp = '2001-01-01 00:00:00'",
    "UPDATE audit_event SET id = id + 1000",
    "DELETE FROM audit_event",
    "DELETE FROM audit_event WHERE id = {id}",
    f"INSERT {INSERT}",
]
BY_DATABASE = {
    "sqlite": [
        f"REPLACE {INSERT}",
        f"INSERT OR REPLACE {INSERT}",
        f"INSERT OR IGNORE {INSERT}",
        f"INSERT OR ROLLBACK {INSERT}",
        f"INSERT {INSERT} ON CONFLICT (id) DO UPDATE SET action = 'changed'",
        f"INSERT {INSERT} ON CONFLICT DO NOTHING",
        "UPDATE OR REPLACE audit_event SET action = 'changed'",
        "UPDATE OR IGNORE audit_event SET action = 'changed'",
        "WITH x AS (SELECT 1) DELETE FROM AUDIT_EVENT",
        f"INSERT {INSERT}".replace("{id}", "-1"),
        f"INSERT {INSERT}".replace("{id}", "0"),
    ],
    "postgresql": [
        "TRUNCATE audit_event",
        "TRUNCATE audit_event RESTART IDENTITY CASCADE",
        f"INSERT {INSERT} ON CONFLICT (id) DO UPDATE SET action = 'changed'",
        "WITH gone AS (DELETE FROM audit_event RETURNING id) SELECT * FROM gone",
        f"SET LOCAL session_replication_role = replica; {UPDATE}",
        "SET LOCAL session_replication_role = replica; DELETE FROM audit_event",
        "SET LOCAL session_replication_role = replica; TRUNCATE audit_event",
        "UPDATE audit_event e SET action = 'changed' FROM audit_event o WHERE o.id = e.id",
        "MERGE INTO audit_event e USING (SELECT 1) o ON true WHEN MATCHED THEN DELETE",
        "MERGE INTO audit_event e USING (SELECT 1) o ON true WHEN MATCHED THEN UPDATE SET action = 'changed'",
        "DO $$ BEGIN DELETE FROM audit_event; END $$",
    ],
    "mysql": [
        f"REPLACE {INSERT}",
        f"INSERT {INSERT} ON DUPLICATE KEY UPDATE action = 'changed'",
        "UPDATE IGNORE audit_event SET action = 'changed'",
        "DELETE IGNORE FROM audit_event",
        "DELETE QUICK FROM audit_event",
        "UPDATE audit_event a JOIN audit_event b ON a.id = b.id SET a.action = 'changed'",
        "DELETE a FROM audit_event a JOIN audit_event b ON a.id = b.id",
        "DELETE FROM audit_event ORDER BY id LIMIT 1",
        "SET STATEMENT sql_mode = '' FOR UPDATE audit_event SET action = 'changed'",
    ],
}
# What only the authorizer can stop: SQLite has no privileges.
SQLITE_STRUCTURE = [
    "DROP TRIGGER audit_event_no_update",
    "DROP TRIGGER audit_event_no_delete",
    "DROP TRIGGER IF EXISTS Audit_Event_No_Replace",
    "DROP TRIGGER main.audit_event_no_odd_key",
    "DROP TABLE audit_event",
    "DROP TABLE IF EXISTS main.AUDIT_EVENT",
    "ALTER TABLE audit_event RENAME TO elsewhere",
    "ALTER TABLE audit_event RENAME COLUMN action TO deed",
    "ALTER TABLE audit_event ADD COLUMN note text",
    "ALTER TABLE audit_event DROP COLUMN personal",
    "PRAGMA writable_schema = 1",
    "PRAGMA main.Writable_Schema(ON)",
    "CREATE TRIGGER swallow BEFORE INSERT ON audit_event BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TEMP TRIGGER swallow BEFORE INSERT ON main.audit_event BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TEMP TABLE audit_event (id integer)",
    "CREATE TABLE temp.audit_event (id integer)",
    "CREATE TEMP TABLE elsewhere (id integer); ALTER TABLE temp.elsewhere RENAME TO audit_event",
    "CREATE VIEW temp.audit_event AS SELECT 1 AS id",
    "CREATE TEMP VIEW audit_event AS SELECT 1 AS id",
]


VENDOR = connection.vendor
only_sqlite = pytest.mark.skipif(VENDOR != "sqlite", reason="SQLite's own")
only_postgresql = pytest.mark.skipif(VENDOR != "postgresql", reason="PostgreSQL's own")
only_mariadb = pytest.mark.skipif(VENDOR != "mysql", reason="MariaDB's own")


def fill(statement: str, event: Event) -> str:
    true = "true" if VENDOR == "postgresql" else "1"
    return statement.replace("{id}", str(event.pk)).replace("{true}", true)


def run(statement: str, event: Event) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(fill(statement, event))


@pytest.mark.parametrize("statement", [*EVERYWHERE, *BY_DATABASE[VENDOR]])
def test_j02_raw_sql_that_changes_a_row_is_refused(event, statement):
    before = stored(event)

    with pytest.raises(DatabaseError):
        run(statement, event)

    assert stored(event) == before
    assert Event.objects.count() == 1


@only_sqlite
@pytest.mark.parametrize("statement", SQLITE_STRUCTURE)
def test_j03_this_process_cannot_take_the_guard_away(event, statement):
    before = stored(event)

    *before_it, last = statement.split("; ") if "TRIGGER" not in statement else [statement]
    with pytest.raises(DatabaseError, match="not authorized"), transaction.atomic():
        for earlier in before_it:
            run(earlier, event)
        run(last, event)

    assert immutability.missing_triggers(connection) == []
    assert stored(event) == before


@pytest.mark.django_db(transaction=True)
@only_sqlite
def test_j03_the_file_attached_under_another_name_is_guarded_too(event):
    with connection.cursor() as cursor:
        cursor.execute("ATTACH %s AS other", [connection.settings_dict["NAME"]])
        with pytest.raises(DatabaseError, match="not authorized"):
            cursor.execute("DELETE FROM other.audit_event")
        cursor.execute("DETACH other")


@only_sqlite
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("statement", [*EVERYWHERE, *BY_DATABASE["sqlite"]])
def test_j02_the_triggers_alone_refuse_it_where_no_authorizer_asks(event, statement, recursive):
    before = stored(event)

    with authorizer.disarmed(connection):
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA recursive_triggers = {recursive}")
        with pytest.raises(DatabaseError, match="append-only"):
            run(statement, event)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA recursive_triggers = ON")

    assert stored(event) == before
    assert Event.objects.count() == 1


@only_sqlite
@pytest.mark.parametrize(
    "question",
    [
        "SELECT name, sql FROM sqlite_master",
        "PRAGMA table_info(audit_event)",
        "PRAGMA index_list(audit_event)",
        "PRAGMA foreign_key_list(audit_event)",
        "PRAGMA writable_schema",
        "PRAGMA integrity_check",
        "SELECT count(*) FROM audit_event",
        "EXPLAIN QUERY PLAN SELECT * FROM audit_event WHERE user_id = '7' ORDER BY timestamp",
        "CREATE TEMP TABLE elsewhere AS SELECT * FROM audit_event",
    ],
)
def test_the_authorizer_lets_questions_pass(event, question):
    with connection.cursor() as cursor:
        cursor.execute(question)


@pytest.mark.django_db(transaction=True)
@only_postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER audit_event_no_change ON audit_event",
        "DROP TRIGGER audit_event_no_truncate ON audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER audit_event_no_change",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "ALTER TABLE audit_event ENABLE TRIGGER audit_event_no_change",
        "ALTER TABLE audit_event ENABLE REPLICA TRIGGER audit_event_no_change",
        "ALTER TRIGGER audit_event_no_change ON audit_event RENAME TO harmless",
        "CREATE OR REPLACE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event "
        "FOR EACH ROW WHEN (false) EXECUTE FUNCTION audit_event_refuse()",
        "CREATE OR REPLACE TRIGGER audit_event_no_change BEFORE UPDATE OF action ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()",
        "CREATE OR REPLACE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NEW; END $$",
    ],
)
def test_j03_an_owner_who_disarms_a_trigger_is_found_out_and_migrate_mends_it(event, statement):
    with pytest.raises(DatabaseError, match="not authorized"):
        run(statement, event)
    with authorizer.disarmed(connection):  # as another program would
        run(statement, event)

    assert immutability.missing_triggers(connection) != []
    assert [fault.id for fault in checks.check_triggers(None, databases=["default"])] == ["audit.E003"]

    call_command("migrate", verbosity=0, skip_checks=True)
    assert immutability.missing_triggers(connection) == []
    with pytest.raises(DatabaseError):
        run(UPDATE, event)


@pytest.mark.django_db(transaction=True)
@only_mariadb
@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TRIGGER audit_event_no_update"],
        ["DROP TRIGGER audit_event_no_delete"],
        [
            "CREATE OR REPLACE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event "
            "FOR EACH ROW SET NEW.action = NEW.action"
        ],
        ["RENAME TABLE audit_event TO elsewhere", "CREATE OR REPLACE TABLE audit_event LIKE elsewhere"],
    ],
)
def test_j03_a_user_who_disarms_a_trigger_is_found_out_and_migrate_mends_it(event, statements):
    for statement in statements:
        with pytest.raises(DatabaseError, match="not authorized"):
            run(statement, event)
    with authorizer.disarmed(connection), connection.cursor() as cursor:  # as another program would
        for statement in statements:
            cursor.execute(statement)

    assert immutability.missing_triggers(connection) != []
    if len(statements) == 2:
        with authorizer.disarmed(connection), connection.cursor() as cursor:
            cursor.execute("DROP TABLE audit_event")
            cursor.execute("RENAME TABLE elsewhere TO audit_event")
    call_command("migrate", verbosity=0, skip_checks=True)
    assert immutability.missing_triggers(connection) == []
    with pytest.raises(DatabaseError):
        run(UPDATE, event)


@pytest.mark.django_db(transaction=True)
@only_mariadb
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE TABLE audit_event",
        "truncate `audit_event`",
        "/* x */ -- y\n TRUNCATE/**/audit_event",
        "DROP TABLE audit_event",
        "ALTER TABLE audit_event DROP COLUMN network",
        "CREATE TEMPORARY TABLE audit_event (id int)",
        "CREATE TRIGGER swallow BEFORE INSERT ON audit_event FOR EACH ROW SET NEW.action = ''",
    ],
)
def test_j03_this_process_cannot_empty_or_alter_the_table_on_mariadb(event, statement):
    with pytest.raises(DatabaseError, match="not authorized"):
        run(statement, event)

    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@only_mariadb
def test_j03_truncate_by_another_program_passes_the_triggers_of_mariadb(event):
    """No trigger can stop it there: a user without the DROP privilege must. This fails when that changes."""
    with authorizer.disarmed(connection), connection.cursor() as cursor:
        cursor.execute("TRUNCATE TABLE audit_event")

    assert Event.objects.count() == 0


STRUCTURE_BY_PRIVILEGE = [
    "TRUNCATE TABLE audit_event",
    "DROP TABLE audit_event",
    "ALTER TABLE audit_event ADD COLUMN note text",
    "UPDATE audit_event SET action = 'changed'",
    "DELETE FROM audit_event",
]


@pytest.mark.django_db(transaction=True)
@only_mariadb
@pytest.mark.parametrize(
    "statement",
    [
        *STRUCTURE_BY_PRIVILEGE,
        "DROP TRIGGER audit_event_no_update",
        "RENAME TABLE audit_event TO elsewhere",
        "CREATE OR REPLACE TABLE audit_event (id int)",
    ],
)
def test_j03_a_user_with_select_and_insert_alone_can_do_none_of_it(event, statement):
    with connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER audit_writer@'%' IDENTIFIED BY 'audit-writer'")
        cursor.execute("GRANT SELECT, INSERT ON audit_event TO audit_writer@'%'")
    settings = connection.settings_dict
    other = pymysql.connect(
        host=settings["HOST"],
        port=int(settings["PORT"] or 3306),
        user="audit_writer",
        password="audit-writer",
        database=settings["NAME"],
    )
    try:
        with pytest.raises(pymysql.MySQLError), other.cursor() as cursor:
            cursor.execute(statement)
    finally:
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP USER audit_writer@'%'")
    assert Event.objects.count() == 1


@only_postgresql
@pytest.mark.parametrize(
    "statement",
    [
        *STRUCTURE_BY_PRIVILEGE,
        "DROP TRIGGER audit_event_no_change ON audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ],
)
def test_j03_a_role_that_does_not_own_the_table_can_do_none_of_it(event, statement):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE audit_writer")  # goes with the test's transaction
        cursor.execute("GRANT SELECT, INSERT ON audit_event TO audit_writer")
        cursor.execute("SET LOCAL ROLE audit_writer")
        refusal = pytest.raises(DatabaseError, match="denied|must be owner|append-only")
        with authorizer.disarmed(connection), refusal, transaction.atomic():
            cursor.execute(statement)
        cursor.execute("RESET ROLE")
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@only_sqlite
def test_j03_another_process_can_drop_a_trigger_and_is_found_out(event):
    other = sqlite3.connect(connection.settings_dict["NAME"])
    other.execute("DROP TRIGGER audit_event_no_update")
    other.execute("UPDATE audit_event SET action = 'changed'")
    other.commit()
    other.close()

    assert immutability.missing_triggers(connection) == ["audit_event_no_update"]
    (fault,) = checks.check_triggers(None, databases=["default"])
    assert fault.id == "audit.E003"
    assert "migrate" in fault.hint

    call_command("migrate", verbosity=0, skip_checks=True)
    assert immutability.missing_triggers(connection) == []
