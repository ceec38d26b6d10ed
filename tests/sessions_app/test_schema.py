"""The tables as the databases have them."""

import pytest
from django.db import connection

pytestmark = [pytest.mark.migration, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (
            "sessions_app_session",
            {
                "sessions_session_user",
                "sessions_session_device",
                "sessions_session_idle",
                "sessions_session_absolute",
                "sessions_session_ended",
                "sessions_session_refresh",
            },
        ),
        (
            "sessions_app_device",
            {"sessions_device_user_secret", "sessions_device_secret", "sessions_device_last_seen"},
        ),
    ],
)
def test_the_indexes_are_there_by_name(table: str, names: set[str]) -> None:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    assert names <= set(found)
    assert found.get("sessions_session_refresh", {"unique": True})["unique"]
