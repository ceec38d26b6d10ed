"""What apps declare in a module of an agreed name, so that nobody has to know the apps."""

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from django.apps import apps
from django.utils.module_loading import module_has_submodule


def in_apps(name: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield the name of each installed app that has a module called *name*, and this module."""
    for app in apps.get_app_configs():
        if app.module is not None and module_has_submodule(app.module, name):
            yield app.name, import_module(f"{app.name}.{name}")
