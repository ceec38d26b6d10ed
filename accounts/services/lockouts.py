"""What follows from a lockout: its owner is mailed, one browser is let past it, or it is lifted.

1. The request that a lockout refuses first leaves one row with the address and looks nothing up: the worker decides
   who is told, so that every address takes the same time (ASVS 6.3.8).
2. The link of the mail gives the browser that it is opened in a count of its own, for UNLOCK_TTL. It is no trust: the
   password and the code are asked for as ever, and no count of anybody else is changed (ASVS 6.1.1).
3. A newer lockout closes a link that nobody has used, and never what a used one opened: else a stranger who goes on
   elsewhere would shut the owner out again. A sign-in, and whatever closes links, ends both.
4. A browser that used its own tries up is offered no further link: whoever reads the mailbox gets no endless tries.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import events, links, lockout, mails
from accounts.conf import app_settings
from accounts.links import LinkState
from accounts.models import Link, LinkPurpose, Mail, MailState, Status, User
from accounts.signals import announce
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.limits import LimitReached
from gatehouse.problems import Problem
from gatehouse.text import InvalidEmail, normalise_email
from sessions_app.models import Device

_MOST = 1000


class Told(StrEnum):
    """What the owner of a locked address was mailed."""

    LINK = "link"
    NOTICE = "notice"
    NOTHING = "nothing"


@dataclass(frozen=True)
class UnlockView:
    """What a page may tell about a link before it is used."""

    state: LinkState


@dataclass(frozen=True)
class Unlocked:
    """What a browser is let past a lockout with, and until when."""

    token: str = field(repr=False)
    until: datetime


def record(refused: LimitReached, *, user: User | None, address: str, door: str, client: Client) -> None:
    """Record a try that a lockout refused; the first one has the owner told."""
    first, until = refused.usage.is_first_over, refused.retry_at
    kind = events.SignInLimitReached if first else events.SignInLocked
    with transaction.atomic(durable=True):
        if first and until and _is_address(address):
            mails.lockout_request(address, client, until=until, offers=not lockout.is_own_link(refused))
        announce(
            kind(
                client=client,
                user_id=str(user.pk) if user else None,
                email=address,
                failure_reason=FailureReason.LOCKED,
                door=door,
            )
        )


def answer_request(*, request: Mail) -> None:
    """Mail the address of a *request* in the outbox what its lockout deserves: the worker's half of record().

    Nothing where no account has it, or one that is not in use. Otherwise word of it, with a link past the lockout
    while that runs.
    """
    now, until = timezone.now(), parse_datetime(request.context["until"])
    client = Client(ip=request.context["ip"], device_name=request.context["device"])
    user, outcome = User.objects.by_address(request.to), Told.NOTHING
    with transaction.atomic(durable=True):
        if user is not None and user.status == Status.ACTIVE and until is not None:
            link = None
            if request.context["offers"] and until > now:
                life = app_settings().UNLOCK_TTL
                link = links.issue(user=user, purpose=LinkPurpose.UNLOCK, life=life, client=client, now=now)
            mails.locked(user, client, until=until, at=request.context["at"], link=link)
            outcome = Told.NOTICE if link is None else Told.LINK
        mails.answered(request)
        announce(
            events.LockoutTold(
                client=client,
                user_id=str(user.pk) if user else None,
                actor=Actor.system("worker"),
                email=request.to,
                outcome=outcome.value,
            )
        )


def peek(token: str) -> UnlockView:
    """Tell a page what became of a link, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.UNLOCK)
    state = links.state_of(link, timezone.now())
    if link is not None and link.used_at is None and not _holds(link, since=link.created_at):
        state = LinkState.SUPERSEDED
    return UnlockView(state)


def unlock_browser(*, token: str, client: Client) -> Unlocked:
    """Let the browser that opened the link of a mail past the lockout of its account, and nothing else.

    Of two browsers one is let past. Raises token_invalid, token_expired, token_used. ASVS 6.1.1, 6.5.1.
    """
    now = timezone.now()
    until = now + app_settings().UNLOCK_TTL

    def tried(link: Link | None) -> events.BrowserUnlocked:
        return events.BrowserUnlocked(client=client, user_id=links.owner_of(link), actor=Actor.anonymous())

    with links.recording(token=token, purpose=LinkPurpose.UNLOCK, event=tried), transaction.atomic(durable=True):
        link, given = links.exchange(token=token, purpose=LinkPurpose.UNLOCK, now=now, until=until)
        if not _holds(Link.objects.select_related("user").get(pk=link.pk), since=link.created_at):
            raise Problem("token_invalid")
        announce(tried(link))
    return Unlocked(given, until)


def let_past(*, user: User | None, token: str | None, now: datetime) -> UUID | None:
    """Return the link whose count the tries of a browser with *token* go to; None where it has nothing for *user*.

    It is looked up whoever is asked for, so that its holder learns of no other address.
    """
    if not token:
        return None
    link = links.find_pass(given=token, purpose=LinkPurpose.UNLOCK, now=now)
    if link is None or user is None or link.user_id != user.pk or link.used_at is None:
        return None
    return link.pk if _holds(link, since=link.used_at) else None


def lift(user: User, *, former: Iterable[str] = ()) -> int:
    """Forget whatever was counted against signing in to *user*; return how many counts and records that were.

    *former* are the keys of addresses that the account had before: what was counted stayed with them.
    """
    own = {
        "devices": list(Device.objects.for_user(user).values_list("pk", flat=True)),
        "links": list(Link.objects.filter(user=user, purpose=LinkPurpose.UNLOCK).values_list("pk", flat=True)),
    }
    return sum(lockout.lift(email_key=key, **own) for key in (user.email_key, *former))


def locked(users: QuerySet[User]) -> QuerySet[User]:
    """Keep of *users* those at whom a lockout refuses strangers now.

    A count names nobody, so the addresses come from what was asked of the worker lately, the newest ones of a flood.
    """
    since = timezone.now() - limits.LIMITS["login_address"].window
    asked = Mail.objects.filter(state__in=MailState.values, next_try_at__gt=since, template=mails.LOCKOUT)
    keys = {normalise_email(to)[1] for to in asked.order_by("-next_try_at").values_list("to", flat=True)[:_MOST]}
    return users.filter(email_key__in=[key for key, state in lockout.states(keys).items() if state.until])


def _holds(link: Link, *, since: datetime) -> bool:
    """Tell whether the account of *link* is in use, under its address, and nobody has signed in to it *since*."""
    user = link.user
    entered = user.last_login is not None and user.last_login > since
    return user.status == Status.ACTIVE and user.email == link.email and not entered


def _is_address(text: str) -> bool:
    try:
        normalise_email(text)
    except InvalidEmail:
        return False
    return True
