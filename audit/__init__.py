"""What happened: the append-only trail of security events.

``audit.record(...)`` is the public way for host code to write one event, ``audit.files`` that to
record what is done with files. They are looked up on first use, because this package is imported
before the models are.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit import files
    from audit.recording import record

__all__ = ["files", "record"]


def __getattr__(name: str) -> object:
    if name == "files":
        return import_module("audit.files")
    if name == "record":
        return import_module("audit.recording").record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
