"""Which kinds of events the trail knows: our types, and what the apps of a host add to them.

An app lists its own as ``KINDS`` in its ``audit_kinds.py``; that is all it has to do (docs/audit.md). This module is
imported before models are, and knows none.

1. The actions of our types stay open to record(), as the events of our apps have names of their own. Those of
   FILE_ACCESS, and of a type that an app adds, are what is declared, and nothing else.
2. Other services write only what is declared with ``over_http``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from django.core.signals import setting_changed

from gatehouse.declared import in_apps
from gatehouse.events import EventType, SecurityEvent

from .file_details import FILE_ACTIONS, faults_of_file_details

TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,49}")
ACTION = re.compile(r"[a-z][a-z0-9_.]{0,99}")
_MODULE = "audit_kinds"

#: Told the details that somebody sent, returns what is wrong with them: the path to a value, a code of REST framework's
#: fields, and words.
DetailsCheck = Callable[[Mapping[str, Any]], list[tuple[str, str, str]]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type of events with actions of it, as an app declares it."""

    event_type: str  # one of ours, or a new one
    actions: tuple[str, ...]
    over_http: bool = False  # whether other services may write them
    check_details: DetailsCheck | None = None  # of what they write; None takes any JSON object


class Declared(NamedTuple):
    """A kind, and the app that declares it."""

    app: str
    kind: Kind


FILES = Kind(
    event_type=EventType.FILE_ACCESS.value,
    actions=FILE_ACTIONS,
    over_http=True,
    check_details=faults_of_file_details,
)
_CLOSED = frozenset({EventType.FILE_ACCESS.value})


def event_types() -> tuple[str, ...]:
    """Return every type of events, ours first."""
    ours = tuple(kind.value for kind in EventType)
    return ours + tuple(sorted({one.kind.event_type for one in declared()} - {*ours}))


def require(event_type: str, action: str) -> str:
    """Return *event_type* as the trail writes it; raises ValueError for a type or an action that it does not know."""
    event_type = str(event_type)
    if event_type not in event_types():
        raise ValueError(f"{event_type!r} is not a valid EventType; {_MODULE}.py of an app may add it.")
    if not ACTION.fullmatch(action):
        raise ValueError("action: lower case letters, digits, '_' and '.', at most 100.")
    is_open = event_type in list(EventType) and event_type not in _CLOSED
    if not is_open and kind_of(event_type, action) is None:
        raise ValueError(f"action: {event_type} has no {action!r}; {_MODULE}.py of an app may add it.")
    return event_type


def kind_of(event_type: str, action: str, *, over_http: bool = False) -> Kind | None:
    """Return the kind that declares *action* of *event_type*, or None; with *over_http* one that services may write."""
    for _app, kind in declared():
        if kind.event_type == event_type and action in kind.actions and (kind.over_http or not over_http):
            return kind
    return None


def over_http() -> dict[str, tuple[str, ...]]:
    """Return what other services may write: the actions by their types."""
    found: dict[str, tuple[str, ...]] = {}
    for _app, kind in declared():
        if kind.over_http:
            found[kind.event_type] = found.get(kind.event_type, ()) + kind.actions
    return found


@cache
def declared() -> tuple[Declared, ...]:
    """Return every kind that is declared, ours first."""
    found = [Declared("audit", FILES)]
    for app, module in in_apps(_MODULE):
        found += [Declared(app, kind) for kind in module.KINDS]
    return tuple(found)


def faults() -> Iterator[str]:
    """Say what is wrong with what apps declare: names that none can be, and names that another has already."""
    taken = {kind.action: kind.__module__ for kind in _events() if kind.event_type not in _CLOSED}
    owners: dict[tuple[str, str], str] = {}
    for app, kind in declared():
        if not TYPE.fullmatch(kind.event_type):
            yield f"{app}: {kind.event_type!r} is no name of a type: capitals, digits and '_', 2 to 50."
        if not kind.actions:
            yield f"{app}: {kind.event_type} is declared without an action."
        for action in kind.actions:
            if not ACTION.fullmatch(action):
                yield f"{app}: {action!r} is no action: lower case letters, digits, '_' and '.', at most 100."
            if action in taken:
                yield f"{app}: {action!r} is the action of an event of {taken[action]}."
            owner = owners.setdefault((kind.event_type, action), app)
            if owner != app:
                yield f"{app}: {action!r} of {kind.event_type} is declared by {owner}, too."


def _events(base: type[SecurityEvent] = SecurityEvent) -> Iterator[type[SecurityEvent]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _events(kind)


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == "INSTALLED_APPS":
        declared.cache_clear()


setting_changed.connect(_forget, dispatch_uid="audit.kinds")
