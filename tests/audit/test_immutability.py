"""The guard comes with a migration, comes back after each migrate, and is lifted only inside ``lifted``."""

import logging

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, models, transaction
from django.db.transaction import TransactionManagementError
from django.db.utils import NotSupportedError

from audit import authorizer, immutability
from audit.models import Event

pytestmark = [pytest.mark.migration, pytest.mark.django_db(transaction=True)]


def try_to_change(event: Event) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_event SET action = 'changed' WHERE id = %s", [event.pk])


def tables() -> list[str]:
    return connection.introspection.table_names()


def test_the_migrations_run_back_and_forth_and_the_guard_stands_again(write):
    call_command("migrate", "audit", "0001", verbosity=0)
    assert immutability.missing_triggers(connection) == []  # the hook after every migrate
    call_command("migrate", "audit", "zero", verbosity=0)
    assert "audit_event" not in tables()
    assert immutability.missing_triggers(connection) == []

    call_command("migrate", "audit", verbosity=0)

    assert immutability.missing_triggers(connection) == []
    with pytest.raises(DatabaseError):
        try_to_change(write())


def test_no_migration_is_missing():
    call_command("makemigrations", "audit", check=True, dry_run=True, verbosity=0)


def test_j03_a_table_that_an_alter_rebuilt_is_guarded_again_after_migrate(event):
    old = Event._meta.get_field("actor_label")
    new = models.CharField(max_length=200, blank=True, default="")
    new.set_attributes_from_name("actor_label")
    new.model = Event
    with authorizer.disarmed(connection):
        with connection.schema_editor() as editor:
            editor.alter_field(Event, old, new)
        lost = immutability.missing_triggers(connection)
        with connection.schema_editor() as editor:
            editor.alter_field(Event, new, old)
    assert bool(lost) is (connection.vendor == "sqlite")

    call_command("migrate", verbosity=0, skip_checks=True)

    assert immutability.missing_triggers(connection) == []
    with pytest.raises(DatabaseError):
        try_to_change(event)
    assert Event.objects.count() == 1


def test_installing_twice_changes_nothing(event):
    immutability.install(connection)
    immutability.install(connection)

    assert immutability.missing_triggers(connection) == []


def test_lifted_lets_a_row_go_restores_the_guard_and_says_why(event, caplog):
    with caplog.at_level(logging.WARNING, logger="audit"), immutability.lifted(connection, reason="a test"):
        try_to_change(event)
        assert immutability.missing_triggers(connection) != []

    assert "a test" in caplog.text
    assert immutability.missing_triggers(connection) == []
    with pytest.raises(DatabaseError):
        try_to_change(event)


def test_lifted_restores_the_guard_after_an_error(event):
    with pytest.raises(RuntimeError), immutability.lifted(connection, reason="a test"):
        raise RuntimeError

    assert immutability.missing_triggers(connection) == []
    with pytest.raises(DatabaseError):
        try_to_change(event)


def test_a_statement_prepared_while_lifted_is_refused_afterwards(event):
    with immutability.lifted(connection, reason="a test"):
        try_to_change(event)

    with pytest.raises(DatabaseError):
        try_to_change(event)


def test_lifted_inside_a_transaction_is_refused_where_it_would_commit_it(event):
    if connection.features.can_rollback_ddl:
        pytest.skip("speaks of a database that commits at DDL")

    lifting = immutability.lifted(connection, reason="a test")
    with pytest.raises(TransactionManagementError), transaction.atomic(), lifting:
        pass


def test_manage_py_flush_is_refused(event):
    with pytest.raises(CommandError):
        call_command("flush", interactive=False, verbosity=0)

    assert Event.objects.count() == 1


def test_a_new_connection_is_guarded_too(event):
    connection.close()

    with pytest.raises(DatabaseError):
        try_to_change(event)


def test_the_check_stays_quiet_while_the_triggers_stand():
    assert [fault for fault in run_checks(tags=["database"], databases=["default"]) if fault.id == "audit.E003"] == []


def test_migrate_names_the_way_back_when_triggers_are_gone(event):
    immutability.uninstall(connection)

    with pytest.raises(SystemCheckError, match="--skip-checks"):
        call_command("migrate", verbosity=0, skip_checks=False)

    call_command("migrate", verbosity=0, skip_checks=True)
    assert immutability.missing_triggers(connection) == []


def test_a_first_migrate_that_was_interrupted_can_go_on(event):
    call_command("migrate", "audit", "0001", verbosity=0)
    immutability.uninstall(connection)

    call_command("migrate", verbosity=0, skip_checks=False)

    assert immutability.missing_triggers(connection) == []


def test_a_database_without_a_guard_is_refused():
    class Oracle:
        vendor = "oracle"

    with pytest.raises(NotSupportedError):
        immutability.install(Oracle())


def test_nothing_has_a_foreign_key_to_the_trail_or_from_it():
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            relations = connection.introspection.get_relations(cursor, table)
            assert table != "audit_event" or relations == {}
            assert "audit_event" not in {target for _column, target in relations.values()}
