"""The one road for reading the trail: the API, the admin and commands all ask here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from django.db.models import F, Q, QuerySet
from django.utils.timezone import is_naive

from gatehouse.events import EventType

from . import indexing
from .columns import BeginsWith
from .models import Event

_MAX_ID_DIGITS = 18


class FilterError(ValueError):
    """Raised by events() for a filter that cannot be right; ``name`` says which one."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


def events(
    *,
    types: Sequence[str] = (),
    actions: Sequence[str] = (),
    users: Sequence[object] = (),
    as_role: Literal["actor", "subject"] | None = None,
    email: str | None = None,
    success: bool | None = None,
    ip: str | None = None,
    resource: str | None = None,
    session: object = None,
    request_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    q: str | None = None,
) -> QuerySet[Event]:
    """Return the events that pass every filter given, newest first.

    *users* are those concerned or those who acted, as *as_role* says, or either. *ip* is an address
    or a /24 or /16 of IPv4, a /64 or /48 of IPv6. *resource* is a prefix. *since* is inclusive,
    *until* exclusive. *q* is exactly an address, an event, request or session id.

    Raises FilterError.
    """
    wanted = _kinds(types, actions) & _people(users, as_role) & _times(since, until)
    if email is not None:
        wanted &= indexing.by_email(_clean("email", email))
    if success is not None:
        wanted &= Q(success=success)
    if ip is not None:
        wanted &= _network(ip)
    if resource:
        wanted &= Q(BeginsWith(F("resource"), _clean("resource", resource)))
    if session is not None:
        wanted &= Q(session_id=_clean("session", str(session)))
    if request_id is not None:
        wanted &= Q(request_id=_clean("request_id", request_id))
    if q is not None:
        wanted &= _anything(_clean("q", q).strip())
    return Event.objects.filter(wanted).order_by("-timestamp", "-pk")


def timeline(user_id: object) -> QuerySet[Event]:
    """Return what happened to one account, newest first."""
    return events(users=[user_id], as_role="subject")


def find(event_id: int) -> Event | None:
    """Return one event, or None."""
    return Event.objects.filter(pk=event_id).first()


def _kinds(types: Sequence[str], actions: Sequence[str]) -> Q:
    if unknown := [kind for kind in types if kind not in list(EventType)]:
        raise FilterError("types", f"no event type is called {unknown[0]!r}.")
    wanted = Q(event_type__in=[str(kind) for kind in types]) if types else Q()
    if actions:
        wanted &= Q(action__in=[_clean("actions", action) for action in actions])
    return wanted


def _people(users: Sequence[object], as_role: str | None) -> Q:
    if as_role not in (None, "actor", "subject"):
        raise FilterError("as_role", "it is 'actor' or 'subject'.")
    if not users:
        return Q()
    ids = [_clean("users", str(user)) for user in users]
    subject = Q(user_id__in=ids)
    actor = Q(actor_type="user", actor_id__in=ids)
    match as_role:
        case "subject":
            return subject
        case "actor":
            return actor
        case _:
            return subject | actor


def _times(since: datetime | None, until: datetime | None) -> Q:
    wanted = Q()
    for name, moment, lookup in (("since", since, "gte"), ("until", until, "lt")):
        if moment is None:
            continue
        if is_naive(moment):
            raise FilterError(name, "a time needs its zone.")
        wanted &= Q(**{f"timestamp__{lookup}": moment})
    return wanted


def _network(ip: str) -> Q:
    try:
        return indexing.by_place(ip)
    except ValueError as error:
        raise FilterError("ip", str(error)) from error


def _anything(text: str) -> Q:
    if "@" in text:
        return indexing.by_email(text)
    wanted = Q(request_id=text) | Q(session_id=text)
    if text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS:
        wanted |= Q(pk=int(text))
    return wanted


def _clean(name: str, text: str) -> str:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError(name, "it holds a character that no row can hold.")
    return text
