"""What happened: the append-only trail of security events.

``audit.record(...)`` is the public way for host code to write one event. It is
looked up on first use, because this package is imported before the models are.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.recording import record

__all__ = ["record"]


def __getattr__(name: str) -> object:
    if name == "record":
        return import_module("audit.recording").record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
