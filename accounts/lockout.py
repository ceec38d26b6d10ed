"""Lockout: every try of a password is reserved before it is hashed, and given back when it was right.

1. The reservation is one atomic statement, so that of any number of tries at once no more than the limit are
   read (ASVS 6.3.1). It is the same for addresses that nobody has (ASVS 6.3.8).
2. An address is counted together with the network that the try came from, and alone; a device that the account
   trusts has a count of its own, so that a stranger cannot keep the owner out.
3. The limit of the ip goes into the same statement, refuses first, and is used up by every try, right or wrong.
4. A success gives back only its own reservation. Nobody resets somebody else's count by signing in to his own account.
5. django-axes records the failures for staff to see and lift. It decides nothing, and this is its only importer.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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

log = structlog.get_logger(__name__)

_TRIES = 5
_PATIENCE = 1.2  # seconds
_ADDRESS, _ADDRESS_IP, _DEVICE = "login_address", "login_address_ip", "login_device"


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


def reserve(
    *, email_key: str, client: Client, device_id: str | None, ip_limit: str, usages: dict[str, Usage]
) -> Reservation:
    """Count a try of a password for *email_key*; *device_id* names a device that its account trusts.

    *ip_limit* is the limit that the door sets to an ip; *usages* is told how much of it is used up.
    Raises gatehouse.limits.LimitReached (rate_limited by *ip_limit*, else account_locked).
    """
    ip: Hit = (ip_limit, client.network)
    if device_id is None:
        hits: tuple[Hit, ...] = (
            (_ADDRESS_IP, f"{email_key} {client.network}"),
            (_ADDRESS, email_key),
        )
    else:
        hits = ((_DEVICE, f"{email_key} {device_id}"),)
    try:
        usages[ip_limit] = limits.take(None, ip, *hits)[0]
    except LimitReached as problem:
        _use_up(ip, problem, usages)
        raise
    return Reservation(email_key, client, hits)


def forget_failures(*, email_key: str, client: Client) -> None:
    """Forget the failures of this address from this network, after a whole sign-in."""
    limits.reset(_ADDRESS_IP, f"{email_key} {client.network}")
    AccessAttempt.objects.filter(username=pseudonym(email_key), ip_address=client.ip).delete()


def lift(*, email_key: str) -> int:
    """Let the owner of *email_key* try again, and return how many records of failures were removed."""
    limits.reset(_ADDRESS, email_key)
    attempts = AccessAttempt.objects.filter(username=pseudonym(email_key))
    for ip in attempts.values_list("ip_address", flat=True).distinct():
        limits.reset(_ADDRESS_IP, f"{email_key} {Client(ip=ip).network}")
    return int(attempts.delete()[0])


def locked_until(*, email_key: str) -> datetime | None:
    """Return when the lockout of *email_key* ends, None where there is none."""
    usage = limits.peek(_ADDRESS, email_key)
    if usage is None or usage.remaining > 0:
        return None
    return timezone.now() + timedelta(seconds=usage.reset)


def failed_sign_ins(*, email_key: str) -> int:
    """Return how many failures django-axes holds for *email_key*."""
    failures = AccessAttempt.objects.filter(username=pseudonym(email_key))
    return sum(failures.values_list("failures_since_start", flat=True))


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
