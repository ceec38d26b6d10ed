"""The ``ADMINPANEL`` setting is checked at start-up."""

from typing import Any

import pytest
from django.core.checks import run_checks

from adminpanel.checks import check_settings


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"LIST_PAGE": 20}, []),
        ({"LIST_PAGES": 20}, [("adminpanel.E001", "Did you mean LIST_PAGE?")]),
        ({"COLOUR": "red"}, [("adminpanel.E001", "Known keys: LIST_PAGE, LIST_COUNTED, TIMELINE.")]),
        ({"TIMELINE": 0}, [("adminpanel.E002", "Put in 1 or more.")]),
    ],
)
def test_faults_are_named(settings: Any, given: dict[str, Any], found: list[tuple[str, str]]):
    settings.ADMINPANEL = given
    assert [(fault.id, fault.hint) for fault in check_settings(app_configs=None)] == found


@pytest.mark.django_db
def test_djangos_own_checks_of_the_admin_pass():
    assert [fault for fault in run_checks() if (fault.id or "").startswith("admin") and not fault.is_silenced()] == []
