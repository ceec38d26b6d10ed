"""What is wrong with the ``ADMINPANEL`` setting, said at start-up."""

import difflib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from adminpanel.conf import AdminPanelSettings, app_settings


@register
def check_settings(*, app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Name every fault of the setting at once."""
    given: dict[str, Any] = getattr(settings, "ADMINPANEL", {})
    known = [field.name for field in fields(AdminPanelSettings)]
    unknown = [name for name in given if name not in known]
    if unknown:
        return [_unknown(name, known) for name in unknown]
    conf = app_settings()
    return [
        Error(f"ADMINPANEL['{name}'] is no number of rows.", hint="Put in 1 or more.", id="adminpanel.E002")
        for name in known
        if getattr(conf, name) < 1
    ]


def _unknown(name: str, known: list[str]) -> CheckMessage:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}."
    return Error(f"ADMINPANEL has no key {name}.", hint=hint, id="adminpanel.E001")
