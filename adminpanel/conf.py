"""Every key of the ``ADMINPANEL`` setting, with its default."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver


@dataclass(frozen=True, kw_only=True)
class AdminPanelSettings:
    """Every key of the ``ADMINPANEL`` setting, with its default."""

    LIST_PAGE: int = 50  # rows on one page of a list
    LIST_COUNTED: int = 10_000  # rows that are counted and paged through; beyond them a list asks for a filter
    TIMELINE: int = 20  # sessions and events shown beside an account


@cache
def app_settings() -> AdminPanelSettings:
    """Return the settings in force; raises TypeError for an unknown key."""
    given: dict[str, Any] = getattr(settings, "ADMINPANEL", {})
    return AdminPanelSettings(**given)


@receiver(setting_changed, dispatch_uid="adminpanel.conf")
def forget_settings(*, setting: str, **_: object) -> None:
    """Read the setting again after a test changed it."""
    if setting == "ADMINPANEL":
        app_settings.cache_clear()
