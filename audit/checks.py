"""System checks: the settings say what they mean, and the triggers stand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from gatehouse.conf import app_settings as ground

from . import archive_files, kinds, lines
from .access import load_access, load_authentication
from .conf import app_settings, load_source, unknown_keys
from .endpoints import targets
from .immutability import missing_triggers
from .signing import public_keys, signing_key

INSTALLED_BY = ("audit", "0002_triggers")


@register()
def check_settings(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find keys that are no settings, and sources that are no signals."""
    if faults := unknown_keys():
        return [Error(fault, id="audit.E001") for fault in faults]
    if not app_settings().KEYS or not all(app_settings().KEYS):
        hint = 'Give it one or more secrets of 32 bytes or more, the one that writes first: AUDIT = {"KEYS": (...)}.'
        return [
            Error("AUDIT['KEYS'] holds no key, or an empty one: nothing can be recorded.", hint=hint, id="audit.E004")
        ]
    return [fault for path in app_settings().SOURCES for fault in _source_fault(path)]


@register()
def check_keys(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find keys of the seals that cannot be read, no key at all, and checkpoints that go nowhere."""
    if unknown_keys():
        return []
    settings, found = app_settings(), list[CheckMessage]()
    try:
        public_keys()
    except ImproperlyConfigured as error:
        hint = "`manage.py audit keys` shows public keys as they are written; docs/audit.md says how a key is made."
        return [Error(str(error), hint=hint, id="audit.E005")]
    try:
        signing_key()
    except ImproperlyConfigured as error:
        if not settings.PUBLIC_KEYS:  # they belong where nothing is sealed
            found.append(Warning(f"Nothing is sealed here. {error}", hint="Set AUDIT['SIGNING_KEY'].", id="audit.W001"))
    if ground().PRODUCTION and not settings.CHECKPOINTS:
        hint = "Set AUDIT_CHECKPOINTS to a place that whoever owns the database cannot change: docs/audit.md."
        says = "No checkpoint of the audit trail is published: nobody would see that its newest seals were cut off."
        found.append(Warning(says, hint=hint, id="audit.W002"))
    return found


@register()
def check_access(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find no function, or no class, where the settings say who comes to the trail over HTTP."""
    if unknown_keys():
        return []
    try:
        load_access(app_settings().ACCESS)
        for path in app_settings().AUTHENTICATION:
            load_authentication(path)
    except ImproperlyConfigured as error:
        hint = "ACCESS is a function (request, permission), AUTHENTICATION lists classes of REST framework."
        return [Error(str(error), hint=hint, id="audit.E006")]
    return []


@register()
def check_report(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find receivers of the monthly report that are no mail addresses."""
    wrong = [] if unknown_keys() else [one for one in app_settings().REPORT_TO if not _is_address(one)]
    if not wrong:
        return []
    hint = "Name mail addresses, with commas between them."
    return [Error(f"AUDIT['REPORT_TO'] names {wrong[0]!r}, no mail address.", hint=hint, id="audit.E007")]


@register()
def check_kinds(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find types and actions of events that clash, or that no name can be, among what apps add."""
    hint = "An app lists what it adds as KINDS in its audit_kinds.py: docs/audit.md."
    return [Error(fault, hint=hint, id="audit.E008") for fault in kinds.faults()]


@register()
def check_log(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find a form of log lines that there is not."""
    if unknown_keys() or app_settings().LOG in lines.FORMS:
        return []
    return [Error(f"AUDIT['LOG'] is {app_settings().LOG!r}, not one of {', '.join(lines.FORMS)}.", id="audit.E009")]


@register()
def check_webhooks(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find webhooks that cannot be sent as they are named."""
    if unknown_keys():
        return []
    try:
        targets()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="docs/webhooks.md says how they are named.", id="audit.E010")]
    return []


@register()
def check_archive(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Find a folder for the archive that takes no files, or that others can open."""
    if unknown_keys() or not app_settings().ARCHIVE_DIR:
        return []
    folder = Path(app_settings().ARCHIVE_DIR)
    hint = "Only the worker needs it: give the other processes no AUDIT_ARCHIVE_DIR, or the same folder."
    # a warning: this process may not be the one that archives, and that one refuses by itself
    says = f"AUDIT['ARCHIVE_DIR'] {str(folder)!r}: {', '.join(archive_files.faults(folder))}."
    return [Warning(says, hint=hint, id="audit.W003")] if archive_files.faults(folder) else []


@register(Tags.database)
def check_triggers(app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Find databases where the trail could be changed, because a trigger is gone or altered."""
    return [fault for alias in databases or () for fault in _trigger_fault(alias)]


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


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
