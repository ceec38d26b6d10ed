"""System checks: the settings say what they mean, and the triggers stand."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from .conf import app_settings, load_source, unknown_keys
from .immutability import missing_triggers

INSTALLED_BY = ("audit", "0002_triggers")


@register()
def check_settings(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find keys that are no settings, and sources that are no signals."""
    if faults := unknown_keys():
        return [Error(fault, id="audit.E001") for fault in faults]
    return [fault for path in app_settings().SOURCES for fault in _source_fault(path)]


@register(Tags.database)
def check_triggers(app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Find databases where the trail could be changed, because a trigger is gone or altered."""
    return [fault for alias in databases or () for fault in _trigger_fault(alias)]


def _source_fault(path: str) -> list[CheckMessage]:
    try:
        load_source(path)
    except ImproperlyConfigured as error:
        hint = "Name the security_event signal of an installed app by its dotted path."
        return [Error(str(error), hint=hint, id="audit.E002")]
    return []


def _trigger_fault(alias: str) -> list[CheckMessage]:
    connection = connections[alias]
    missing = missing_triggers(connection)
    # A first migrate that was interrupted between table and triggers must be able to go on.
    if not missing or INSTALLED_BY not in MigrationRecorder(connection).applied_migrations():
        return []
    return [
        Error(
            f"The audit trail on {alias!r} can be changed: {', '.join(missing)} missing, disabled or altered.",
            hint=(
                f"Find out who took them away; `manage.py migrate --database {alias} "
                "--skip-checks` puts them back. On MariaDB, only a database user with the "
                "TRIGGER privilege can see them."
            ),
            id="audit.E003",
        )
    ]
