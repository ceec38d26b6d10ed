"""Lockout: every try of a password is reserved before it is hashed, and given back when it was right.

1. The reservation is one atomic statement, so that of any number of tries at once no more than the limit are
   read (ASVS 6.3.1). It is the same for addresses that nobody has (ASVS 6.3.8).
2. An address is counted together with the network that the try came from, and alone; a device that the account
   trusts has a count of its own, and so has a browser that the link of a mail let past a lockout, so that a stranger
   cannot keep the owner out.
3. The limit of the ip goes into the same statement, refuses first, and is used up by every try, right or wrong.
4. A success gives back only its own reservation. Nobody resets somebody else's count by signing in to his own account.
5. django-axes records the failures for staff to see and lift. It decides nothing, and this is its only importer.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from gatehouse import hashing, limits
from gatehouse.client import Client
from gatehouse.deadlocks import is_deadlock
from gatehouse.limits import Hit, LimitReached, Usage
from gatehouse.text import InvalidEmail, normalise_email

log = structlog.get_logger(__name__)

_TRIES = 5
_PATIENCE = 1.2  # seconds
_ADDRESS, _ADDRESS_IP, _DEVICE, _UNLOCKED = "login_address", "login_address_ip", "login_device", "login_unlocked"


@dataclass(frozen=True)
class LockState:
    """How an address stands: when the last of its running lockouts ends, and how many failures are on record."""

    until: datetime | None = None
    failures: int = 0


@dataclass(frozen=True)
class Reservation:
    """One try that was counted before it was read."""

    email_key: str
    client: Client
    hits: tuple[Hit, ...]

    def release(self) -> None:
        """Give the try back: the password was right."""
        limits.release(*self.hits)

    def record_failure(self) -> None:
        """Tell django-axes of a wrong password, for staff to see.

        Many failures at once may deadlock over its row (MariaDB): the statement that lost is sent again. A database
        that takes its time over anything else is away: raises OperationalError, since what follows would wait, too.
        """
        started = time.monotonic()
        for _attempt in range(_TRIES):
            try:
                AxesProxyHandler.user_login_failed(__name__, {"username": self.email_key}, _request_of(self.client))
                return
            except OperationalError as error:
                if not is_deadlock(error) and time.monotonic() - started > _PATIENCE:
                    raise
        log.warning("failure_not_recorded")  # the count that decides is kept elsewhere


def named(email: str) -> tuple[str, str]:
    """Return the address and its key; what is no address gets a key all the same, and is counted like one."""
    try:
        return normalise_email(email)
    except InvalidEmail:
        return email[:254], email[:254].casefold()


def reserve(
    *,
    email_key: str,
    client: Client,
    ip_limit: str,
    usages: dict[str, Usage],
    device: UUID | None = None,
    link: UUID | None = None,
) -> Reservation:
    """Count a try of a password for *email_key*.

    *device* is one that its account trusts, *link* one that let the browser past a lockout: either has a count of its
    own, which no stranger's tries use up; the link's goes first. *ip_limit* is the limit that the door sets to an ip;
    *usages* is told how much of it is used up.
    Raises gatehouse.limits.LimitReached (rate_limited by *ip_limit*, else account_locked).
    """
    ip: Hit = (ip_limit, client.network)
    hits: tuple[Hit, ...] = ((_ADDRESS_IP, f"{email_key} {client.network}"), (_ADDRESS, email_key))
    if link is not None:
        hits = (_own(_UNLOCKED, email_key, link),)
    elif device is not None:
        hits = (_own(_DEVICE, email_key, device),)
    try:
        usages[ip_limit] = limits.take(None, ip, *hits)[0]
    except LimitReached as problem:
        _use_up(ip, problem, usages)
        raise
    return Reservation(email_key, client, hits)


def forget_failures(*, email_key: str, client: Client) -> None:
    """Forget the failures of this address from this network, after a whole sign-in."""
    limits.reset((_ADDRESS_IP, f"{email_key} {client.network}"))
    AccessAttempt.objects.filter(username=pseudonym(email_key), ip_address=client.ip).delete()


def lift(*, email_key: str, devices: Iterable[UUID] = (), links: Iterable[UUID] = ()) -> int:
    """Let everybody try again at *email_key*, and return how many running counts and records of failures were removed.

    *devices* and *links* are those of its account, whose own counts go, too. A count that a right password gave back
    to none, or whose time is over, held nobody up: it goes and is not told.
    """
    attempts = AccessAttempt.objects.filter(username=pseudonym(email_key))
    networks = {Client(ip=ip).network for ip in attempts.values_list("ip_address", flat=True).distinct()}
    hits: list[Hit] = [
        (_ADDRESS, email_key),
        *((_ADDRESS_IP, f"{email_key} {network}") for network in networks),
        *(_own(_DEVICE, email_key, device) for device in devices),
        *(_own(_UNLOCKED, email_key, link) for link in links),
    ]
    running = [usage for usage in limits.peek_all(hits, timezone.now()).values() if usage.hits]
    limits.reset(*hits)
    return int(attempts.delete()[0]) + len(running)


def is_own_link(refused: LimitReached) -> bool:
    """Tell whether it was the tries of a browser that a link had let past which were used up."""
    return refused.usage.limit.name == _UNLOCKED


def states(email_keys: Iterable[str]) -> dict[str, LockState]:
    """Return how each of *email_keys* stands towards a stranger, by two queries for all of them.

    A lockout is one from anywhere, or from one of the networks that failures are on record from.
    """
    now = timezone.now()
    names = {pseudonym(key): key for key in email_keys}
    hits: dict[Hit, str] = {(_ADDRESS, key): key for key in names.values()}
    failures = dict.fromkeys(names.values(), 0)
    recent = now - limits.LIMITS[_ADDRESS_IP].window
    records = AccessAttempt.objects.filter(username__in=names)
    for name, ip, number, at in records.values_list("username", "ip_address", "failures_since_start", "attempt_time"):
        failures[names[name]] += number
        if at > recent:
            hits[(_ADDRESS_IP, f"{names[name]} {Client(ip=ip).network}")] = names[name]
    ends: dict[str, datetime] = {}
    for hit, usage in limits.peek_all(hits, now).items():
        if usage.remaining == 0:
            ends[hits[hit]] = max(ends.get(hits[hit], now), now + timedelta(seconds=usage.reset))
    return {key: LockState(ends.get(key), number) for key, number in failures.items()}


def locked_until(*, email_key: str) -> datetime | None:
    """Return when the last lockout of *email_key* that runs ends, None where none does."""
    return states([email_key])[email_key].until


def failed_sign_ins(*, email_key: str) -> int:
    """Return how many failures django-axes holds for *email_key*."""
    return states([email_key])[email_key].failures


def failures_of(*, email_key: str) -> Iterator[dict[str, Any]]:
    """Yield what django-axes holds of failures at *email_key*, one record a network address and browser."""
    columns = {
        "ip": "ip_address",
        "user_agent": "user_agent",
        "last_at": "attempt_time",
        "failures": "failures_since_start",
    }
    records = AccessAttempt.objects.filter(username=pseudonym(email_key)).order_by("pk")
    for values in records.values_list(*columns.values()).iterator():
        yield dict(zip(columns, values, strict=True))


def failures_before(moment: datetime) -> "QuerySet[Any]":
    """Return the records of failures of which the last was before *moment*."""
    rows: QuerySet[Any] = AccessAttempt.objects.filter(attempt_time__lt=moment)
    return rows


def pseudonym(email_key: str) -> str:
    """Return what django-axes knows an address by: a keyed hash."""
    return hashing.keyed_hash("axes", email_key)


def axes_username(request: HttpRequest | None, credentials: dict[str, str] | None) -> str:
    """Give django-axes the name it stores (its setting AXES_USERNAME_CALLABLE)."""
    return pseudonym((credentials or {}).get("username") or "")


def axes_ip(request: HttpRequest) -> str | None:
    """Give django-axes the address that the client has for all of us (its setting AXES_CLIENT_IP_CALLABLE)."""
    client = getattr(request, "client", None)
    return client.ip if client else request.META.get("REMOTE_ADDR")


def _own(name: str, email_key: str, pk: UUID) -> Hit:
    return name, f"{email_key} {pk}"


def _use_up(ip: Hit, refused: LimitReached, usages: dict[str, Usage]) -> None:
    """Count a refused try against its ip: whoever knocks at a locked address uses up his own tries all the same."""
    name = ip[0]
    if refused.usage.limit.name == name:
        usages[name] = refused.usage
        return
    try:
        usages[name] = limits.take(None, ip)[0]
    except LimitReached as problem:
        usages[name] = problem.usage
        if not refused.usage.is_first_over:  # a lockout that begins is told, whatever else refuses
            raise


def _request_of(client: Client) -> HttpRequest:
    """Build the bare request that django-axes wants."""
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": client.ip, "HTTP_USER_AGENT": client.user_agent[:255]}
    request.client = client  # type: ignore[attr-defined]
    return request
