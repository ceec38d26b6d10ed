"""Every limit in one table, and the only way to count against one.

1. Limits of sign-in, codes and mails are counted in the database by one atomic statement (ASVS 6.3.1, 2.4.1); a
   database that is away refuses everything anyway.
2. The wide limit and that of refreshing count in the cache through django-ratelimit, and in this process where the
   cache is away: they are never open. A refresh token cannot be guessed, so its limit only holds down load, and must
   not cost what it holds down: a write.
3. A refused attempt uses up only the limit that refused it: who is stopped at his address uses up nobody else's tries.
4. What a challenge counts in its own row (the pause between two codes, their number) is decided there, in the same
   statement that changes it; its refusals come from here, by reached(). A quiet limit refuses nobody to his face.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from . import apikeys, memory
from .client import client_of
from .conf import app_settings
from .counting import Counted
from .hashing import keyed_hash
from .models import Counter
from .problems.answers import problem_answer
from .problems.problem import Problem
from .signals import note_limit

_MINUTE, _QUARTER, _HALF, _HOUR, _DAY = (timedelta(minutes=number) for number in (1, 15, 30, 60, 1440))

Hit = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Limit:
    """One row of the table."""

    name: str
    key: str  # ip (its network), address (an email's key), address_ip, account, device, api_key, link, sessions …
    number: int
    window: timedelta
    says: str
    answer: str = "rate_limited"
    store: Literal["database", "memory", "challenge"] = "database"
    quiet: bool = False  # what it stops is answered as ever, and nothing is done

    @property
    def scaled(self) -> int:
        """The number under ``LIMITS_SCALE``, at least 1. What a challenge counts has settings of its own instead."""
        if self.store == "challenge":
            return self.number
        return max(1, round(self.number * app_settings().LIMITS_SCALE))

    @property
    def seconds(self) -> int:
        """The window in whole seconds."""
        return int(self.window.total_seconds())


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a limit is used up."""

    limit: Limit
    hits: int
    reset: int  # whole seconds until the window ends, at least 1

    @property
    def is_over(self) -> bool:
        """Whether this hit was one too many."""
        return self.hits > self.limit.scaled

    @property
    def is_first_over(self) -> bool:
        """Whether this very hit was the first one too many, which is worth an event."""
        return self.hits == self.limit.scaled + 1

    @property
    def remaining(self) -> int:
        """How many hits are left."""
        return max(0, self.limit.scaled - self.hits)


class LimitReached(Problem):
    """Raised by take(), made by reached(): the limit's own answer, with the usage that refused."""

    def __init__(self, usage: Usage, wait: int) -> None:
        super().__init__(usage.limit.answer, retry_after=wait)
        self.usage = usage


_LOCKED = "account_locked"
_OWN: Final = "challenge"
_ROWS = (
    Limit("wide_ip", "ip", 600, _MINUTE, "Requests of any kind.", store="memory"),
    Limit("wide_service_ip", "ip", 6000, _MINUTE, "The same with API keys, where they are taken.", store="memory"),
    Limit("service_key", "api_key", 1200, _MINUTE, "Requests with one key, if it has no own number.", store="memory"),
    Limit("role_anonymous", "ip", 60, _MINUTE, "API, nobody known; number: `LIMIT_ANONYMOUS`.", store="memory"),
    Limit("role_guest", "account", 60, _MINUTE, "API, a guest; number: `LIMIT_GUEST`.", store="memory"),
    Limit("role_user", "account", 300, _MINUTE, "API, a user; number: `LIMIT_USER`.", store="memory"),
    Limit("role_staff", "account", 600, _MINUTE, "API, staff; number: `LIMIT_STAFF`.", store="memory"),
    Limit("register_ip", "ip", 20, _HOUR, "Registrations."),
    Limit("register_address", "address", 5, _HOUR, "Registrations of one address."),
    Limit("login_ip", "ip", 100, _HOUR, "Passwords tried."),
    Limit("login_address_ip", "address_ip", 10, _QUARTER, "Passwords tried for one address from one ip.", _LOCKED),
    Limit("login_address", "address", 20, _HOUR, "Passwords tried for one address, from anywhere.", _LOCKED),
    Limit("login_device", "device", 10, _QUARTER, "Passwords tried from a device the account trusts.", _LOCKED),
    Limit("login_unlocked", "link", 10, _HOUR, "Passwords tried in a browser that a mailed link let past.", _LOCKED),
    Limit("code_send_ip", "ip", 60, _HOUR, "Codes asked for."),
    Limit("code_send_account", "account", 30, _HOUR, "Codes sent to one account."),
    Limit("challenge_pause", _OWN, 1, _MINUTE, "Codes of one sign-in; window: `OTP_RESEND_AFTER`.", store=_OWN),
    Limit("challenge_sends", _OWN, 5, _HALF, "The same; number: `OTP_SENDS`, window: `CHALLENGE_TTL`.", store=_OWN),
    Limit("code_verify_ip", "ip", 100, _HOUR, "Codes tried."),
    Limit("code_account", "account", 20, _DAY, "Wrong codes for one account."),
    Limit("resend_ip", "ip", 20, _HOUR, "Mails asked for once more, passwords forgotten."),
    Limit("resend_address", "address", 5, _HOUR, "Mails asked for once more for one address."),
    Limit("reset_address", "address", 3, _HOUR, "Links to reset a password, for one address.", quiet=True),
    Limit("no_account_address", "address", 1, _DAY, "Mails that one address has no account.", quiet=True),
    Limit("disavow_account", "account", 10, _HOUR, "What was not its owner's undone, from the activity."),
    Limit("address_account", "account", 5, _HOUR, "Changes of an account's address asked for."),
    Limit("address_new", "address", 3, _HOUR, "Mails to one address that an account is to get.", quiet=True),
    Limit("link_ip", "ip", 100, _HOUR, "Tokens of links tried."),
    Limit("refresh_ip", "ip", 600, _HOUR, "Sessions refreshed.", store="memory"),
    Limit("reauth_account", "account", 10, _QUARTER, "Passwords tried to confirm who it is."),
    Limit("acts_account", "account", 120, _HOUR, "Changes to one's own account, by whoever is signed in to it."),
    Limit("export_account", "account", 5, _DAY, "Exports of one's data asked for; one is open at a time."),
    Limit("staff_ip", "ip", 60, _HOUR, "Attempts at the staff door."),
    Limit("invalid_token_ip", "ip", 300, _HOUR, "Tokens that were refused."),
    Limit("mismatch_sessions", "sessions", 1, _DAY, "Records of one account's cookie beside another's.", quiet=True),
)
LIMITS: Final[dict[str, Limit]] = {limit.name: limit for limit in _ROWS}


def take(request: Any, *hits: Hit) -> list[Usage]:
    """Count one hit against each limit, all in one statement, before anything costly is done.

    *hits* are pairs of a limit's name and what it is counted by. *request*, where there is one (Django's or DRF's),
    remembers the usages for the ``RateLimit`` headers. Returns them in the order given.

    Raises LimitReached, with the first of *hits* that refused: it alone keeps the hit, so that hits which are about
    to be given back make no other limit seem reached. Its pause is that of the limit that lets in last.
    """
    if any(LIMITS[name].store == "challenge" for name, _value in hits):
        raise ValueError("A challenge counts by itself: see reached().")
    now = timezone.now()
    usages = _spent(hits, now) or _count_in_database(hits, now) | _count_in_memory(request, hits)
    ordered = [usages[hit] for hit in hits if hit in usages]
    if request is not None:
        usages_of(request).update({usage.limit.name: usage for usage in ordered})
    over = [usage for usage in ordered if usage.is_over]
    if not over:
        return ordered
    refusing = over[0]
    if len(ordered) == len(hits):
        _give_back([hit for hit in hits if usages[hit] is not refusing], now)
    if request is not None and refusing.is_first_over:  # without one, a service asks, which records what it knows
        note_limit(client_of(request), refusing.limit.name)
    raise LimitReached(refusing, wait=max(usage.reset for usage in over))


def take_own(request: Any, hit: Hit, number: int | None) -> Usage:
    """Count a hit against a limit of the memory, by *number* or else by that of the table; raises LimitReached."""
    limit = LIMITS[hit[0]] if number is None else replace(LIMITS[hit[0]], number=number)
    usage = _count_one(request, hit, limit)
    if request is not None:
        usages_of(request)[limit.name] = usage
        if usage.is_first_over:
            note_limit(client_of(request), limit.name)
    if usage.is_over:
        raise LimitReached(usage, wait=usage.reset)
    return usage


def reached(name: str, *, wait: int) -> LimitReached:
    """Return the refusal of a limit that a challenge counts in its own row, for its caller to raise.

    Its settings decide the number and the window; *wait* is what is left of it, in seconds, and at least 1 is told.
    """
    if (limit := LIMITS[name]).store != "challenge":
        raise ValueError(f"{name} is counted by take() alone.")
    pause = max(1, wait)
    return LimitReached(Usage(limit, limit.number + 1, pause), pause)


def release(*hits: Hit) -> None:
    """Give one hit back to each limit, never below none: what was reserved was not used up."""
    _give_back(hits, timezone.now())


def exchange(hit: Hit, *given_back: Hit) -> Usage:
    """Count *hit* and give *given_back* back, all in the database and in one statement: one wait for it, not two.

    Raises LimitReached for *hit*; what was given back stays given back.
    """
    now = timezone.now()
    usage = _count_in_database([hit], now, given_back)[hit]
    if usage.is_over:
        raise LimitReached(usage, wait=usage.reset)
    return usage


def usages_of(request: Any) -> dict[str, Usage]:
    """Return what *request* tells its client of limits, by name: a service, which sees no request, adds to it."""
    http = getattr(request, "_request", request)
    if not hasattr(http, "limit_usages"):
        http.limit_usages = {}
    usages: dict[str, Usage] = http.limit_usages
    return usages


def reset(*hits: Hit) -> int:
    """Forget what was counted against each limit, in the order that counting locks them in; return how many were."""
    keys = sorted(_key(*hit) for hit in hits)
    return sum(Counter.objects.filter(key=key).delete()[0] for key in keys)


def peek(name: str, value: str) -> Usage | None:
    """Return how much of a limit in the database is used up, without counting; None where nothing is."""
    return peek_all([(name, value)], timezone.now()).get((name, value))


def peek_all(hits: Iterable[Hit], now: datetime) -> dict[Hit, Usage]:
    """Return how much of each limit in the database is used up, without counting; not of those where nothing is."""
    keys = {_key(*hit): hit for hit in hits}
    found = Counter.objects.read(keys, now) if keys else {}
    return {keys[key]: _usage(LIMITS[keys[key][0]], counted, now) for key, counted in found.items()}


class LimitsMiddleware:
    """Count every request against the wide limit, and tell each client where it stands.

    The headers follow the IETF draft "RateLimit header fields for HTTP", the stricter policy first.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wide = "wide_service_ip" if apikeys.are_taken_from(request) else "wide_ip"
        try:
            take(request, (wide, client_of(request).network))
        except LimitReached as problem:
            response = problem_answer(problem, request)
        else:
            response = self.get_response(request)
        _write_headers(response, usages_of(request))
        return response


def _spent(hits: Sequence[Hit], now: datetime) -> dict[Hit, Usage]:
    """Return the limits among *hits* that are over already, so that a flood stopped by one raises no other.

    This reads only and lets nobody in: who passes here is counted by the one statement.
    """
    stored = [hit for hit in hits if LIMITS[hit[0]].store == "database"]
    usages = peek_all(stored, now) if len(stored) > 1 else {}
    return {hit: replace(usage, hits=usage.hits + 1) for hit, usage in usages.items() if usage.is_over}


def _count_in_database(hits: Iterable[Hit], now: datetime, given_back: Iterable[Hit] = ()) -> dict[Hit, Usage]:
    keys = {hit: _key(*hit) for hit in hits if LIMITS[hit[0]].store == "database"}
    raised = [(key, LIMITS[hit[0]].window) for hit, key in keys.items()]
    counted = Counter.objects.raise_all(raised, now, lowered=[_key(*hit) for hit in given_back])
    return {hit: _usage(LIMITS[hit[0]], counted[key], now) for hit, key in keys.items()}


def _count_in_memory(request: Any, hits: Iterable[Hit]) -> dict[Hit, Usage]:
    return {hit: _count_one(request, hit, LIMITS[hit[0]]) for hit in hits if LIMITS[hit[0]].store == "memory"}


def _count_one(request: Any, hit: Hit, limit: Limit) -> Usage:
    return Usage(limit, *memory.count_for(request, limit.name, _key(*hit), limit.scaled, limit.seconds))


def _usage(limit: Limit, counted: Counted, now: datetime) -> Usage:
    left = counted.window_start + limit.window - now
    return Usage(limit, counted.hits, max(1, math.ceil(left.total_seconds())))


def _give_back(hits: Iterable[Hit], now: datetime) -> None:
    keys = [_key(*hit) for hit in hits if LIMITS[hit[0]].store == "database"]
    if keys:
        Counter.objects.lower(keys, now)


def _key(name: str, value: str) -> str:
    return keyed_hash("limit", name, value)


def _write_headers(response: HttpResponse, usages: Mapping[str, Usage]) -> None:
    strictest = sorted(usages.values(), key=lambda usage: usage.limit.scaled / usage.limit.seconds)
    if strictest:
        policies = [f'"{u.limit.name}";q={u.limit.scaled};w={u.limit.seconds}' for u in strictest]
        response["RateLimit-Policy"] = ", ".join(policies)
        response["RateLimit"] = ", ".join(f'"{u.limit.name}";r={u.remaining};t={u.reset}' for u in strictest)
