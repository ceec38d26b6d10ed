"""The columns and the indexes of the trail, found by name on each database."""

import pytest
from django.db import connection

from audit import queries
from audit.models import Event

pytestmark = [pytest.mark.migration, pytest.mark.django_db]

INDEXES = {
    "audit_event_timestamp": ["timestamp"],
    "audit_event_type_timestamp": ["event_type", "timestamp"],
    "audit_event_user_timestamp": ["user_id", "timestamp"],
    "audit_event_actor_timestamp": ["actor_type", "actor_id", "timestamp"],
    "audit_event_ok_timestamp": ["success", "timestamp"],
    "audit_event_action": ["action", "timestamp"],
    "audit_event_session": ["session_id", "timestamp"],
    "audit_event_request": ["request_id"],
    "audit_event_resource": ["resource"],
}
LENGTHS = {
    "event_type": 50,
    "action": 100,
    "resource": 1000,
    "failure_reason": 50,
}
PRIVATE_LENGTHS = {"ip_address": 45, "user_agent": 500, "email": 254, "error_message": None, "details": None}


@pytest.mark.parametrize("name", INDEXES)
def test_the_index_is_there_under_its_name(name):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "audit_event")

    assert found[name]["index"]
    assert found[name]["columns"] == INDEXES[name]
    assert not found[name]["unique"]


def test_the_columns_are_those_of_the_documents():
    columns = {field.column for field in Event._meta.concrete_fields}

    assert Event._meta.db_table == "audit_event"
    assert columns == {
        *("id", "timestamp", "event_type", "action", "user_id", "actor_type", "actor_id", "actor_label"),
        *("resource", "success", "failure_reason", "request_id", "session_id", "network", "personal"),
    }
    assert {name: Event._meta.get_field(name).max_length for name in LENGTHS} == LENGTHS
    assert {name: attribute.length for name, attribute in Event.private.items()} == PRIVATE_LENGTHS


def test_the_index_on_resource_serves_a_prefix():
    question = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE name = 'audit_event_resource'",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE indexname = 'audit_event_resource'",
        "mysql": "SELECT SUB_PART FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'audit_event_resource'",
    }
    expected = {"sqlite": '("resource")', "postgresql": "varchar_pattern_ops", "mysql": "255"}
    with connection.cursor() as cursor:
        cursor.execute(question[connection.vendor])
        (made,) = cursor.fetchone()

    assert expected[connection.vendor] in str(made)


@pytest.mark.skipif(connection.vendor == "mysql", reason="it scans a table as small as this one")
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"resource": "/files/00"}, "audit_event_resource"),
        ({"types": ["ADMIN"]}, "audit_event_type_timestamp"),
        ({"users": ["7"], "as_role": "subject"}, "audit_event_user_timestamp"),
        ({"users": ["7"], "as_role": "actor"}, "audit_event_actor_timestamp"),
    ],
)
def test_a_query_is_answered_from_its_index(filters, index):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")

    assert index in queries.events(**filters).order_by().explain()
