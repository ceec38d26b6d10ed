"""What a browser of staff holds between two pages: a half-done action. Ids, a reason and a role are no secrets."""

from dataclasses import asdict, dataclass, field, fields
from uuid import UUID

from django.http import HttpRequest

_ACT = "act"


@dataclass(frozen=True)
class HeldAct:
    """An action on some rows that waits for its reason, or for a fresh proof of identity, with what was typed."""

    name: str
    ids: list[str]
    back: str
    typed: dict[str, str] = field(default_factory=dict)


def hold_act(request: HttpRequest, act: HeldAct) -> None:
    """Keep a half-done action."""
    request.session[_ACT] = asdict(act)


def act_of(request: HttpRequest) -> HeldAct | None:
    """Return the half-done action, or None."""
    found = request.session.get(_ACT)
    if not isinstance(found, dict) or found.keys() != {held.name for held in fields(HeldAct)}:
        return None  # nothing, or what another release held
    return HeldAct(**found)


def forget_act(request: HttpRequest) -> None:
    """Let the half-done action go."""
    request.session.pop(_ACT, None)


def ids_in(values: list[str]) -> list[str]:
    """Return those of *values* that are ids, each once."""
    found: dict[str, None] = {}
    for value in values:
        try:
            found[str(UUID(value))] = None
        except ValueError:
            continue
    return list(found)
