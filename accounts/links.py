"""One-time links: the only code that makes and uses them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn
from uuid import UUID

from accounts.models import Link, LinkPurpose, User
from accounts.signals import refuse
from gatehouse import hashing
from gatehouse.client import Client
from gatehouse.conf import app_settings as site_settings
from gatehouse.events import FailureReason, SecurityEvent
from gatehouse.problems import Problem
from gatehouse.text import normalise_email

REFUSALS = frozenset({"token_invalid", "token_expired", "token_used"})  # all that using a link is refused with
PATHS = {
    LinkPurpose.VERIFY: "/account/verify/",
    LinkPurpose.ENROL: "/account/enrol/",
    LinkPurpose.RESET: "/account/password/reset/",
    LinkPurpose.DISAVOW: "/account/disavow/",
    LinkPurpose.UNDO_DELETION: "/account/delete/undo/",
    LinkPurpose.ADDRESS: "/account/email/confirm/",
    LinkPurpose.ADDRESS_UNDO: "/account/email/undo/",
    LinkPurpose.UNLOCK: "/account/unlock/",
}
_OUR_PAGES = {LinkPurpose.ENROL, LinkPurpose.ADDRESS_UNDO, LinkPurpose.UNLOCK}  # the API uses none of them up
# They take away, or keep, no more than that: whoever came in must not be able to close them.
LASTING = (LinkPurpose.DISAVOW, LinkPurpose.ADDRESS_UNDO, LinkPurpose.UNDO_DELETION)
_PASS = "link-pass"  # noqa: S105  (a label)


class LinkState(StrEnum):
    """What became of a link."""

    OPEN = "open"
    EXPIRED = "expired"
    USED = "used"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


def issue(
    *,
    user: User,
    purpose: LinkPurpose,
    life: timedelta,
    client: Client,
    now: datetime,
    session_id: UUID | None = None,
    email: str | None = None,
) -> Link:
    """Make a link for *user* and close the one that was open; the caller holds the transaction.

    With *session_id* it is about that session, and closes none that is about another; so it is with each address that
    an account left, and with a disavowal mailed to another address. It proves *email*, or else the account's own one.
    Raises conflict where the address is not *user*'s any more: no link is made, or mailed, for one that was erased.
    """
    if not User.objects.lock(user.pk, email_key=user.email_key):
        raise Problem("conflict")
    proves = user.email if email is None else email
    open_key = _open_key(user, purpose, proves, session_id)
    Link.objects.filter(open_key=open_key).update(open_key=None)
    link = Link(user=user, purpose=purpose, email=proves, created_at=now, expires_at=now + life, ip=client.ip)
    link.session_id = session_id
    link.held_key = normalise_email(proves)[1] if purpose == LinkPurpose.ADDRESS_UNDO else None
    return _save(link, open_key)


def prolong_or_issue(
    *,
    user: User,
    purpose: LinkPurpose,
    life: timedelta,
    client: Client,
    now: datetime,
    session_id: UUID | None = None,
) -> Link:
    """Let the open link of *user*, which an earlier mail to the address in force carries, begin again; else make one.

    It works for *life* from now. With *session_id* it is about that session from now on. The caller holds the
    transaction.
    """
    User.objects.lock(user.pk)
    own = _open_key(user, purpose, user.email, session_id)
    link = Link.objects.filter(open_key=own, email=user.email, expires_at__gt=now).first()
    if link is None:
        return issue(user=user, purpose=purpose, life=life, client=client, now=now, session_id=session_id)
    link.created_at, link.expires_at = now, now + life
    link.session_id = session_id or link.session_id
    link.save(update_fields=["created_at", "expires_at", "session_id"])
    return link


def address_of(link: Link) -> str:
    """Return the URL that a mail carries; its last segment is the token. Some lead to this server's own pages only."""
    here = site_settings().BASE_URL
    root = here if link.purpose in _OUR_PAGES else site_settings().FRONTEND_URL or here
    return f"{root.rstrip('/')}{PATHS[LinkPurpose(link.purpose)]}{token_of(link)}"


def token_of(link: Link) -> str:
    """Derive the token of *link* again, under the mail key that it was made with."""
    for key in hashing.mail_keys():
        token = hashing.derive_token(f"link:{link.purpose}", link.pk, 1, key)
        if link.token_hash in hashing.keyed_hashes("link", link.purpose, token):
            return token
    raise Problem("token_invalid")


def find(*, token: str, purpose: LinkPurpose) -> Link | None:
    """Return the link that *token* belongs to, in whatever state, or None."""
    return Link.objects.for_token(token, purpose).select_related("user").first()


def holding(email_key: str, now: datetime) -> Link | None:
    """Return the open link by which the account that left the address may take it back; None where it is free.

    Asked after nobody was found to have the address: whoever leaves it leaves this link in the same transaction.
    """
    return Link.objects.holding([email_key], now).first()


def consume(*, token: str, purpose: LinkPurpose, now: datetime) -> Link:
    """Use up the link of *token*; of two who race one wins. The caller holds the transaction.

    Raises token_invalid, token_expired, token_used. ASVS 6.5.1, 2.3.4.
    """
    link = usable(token=token, purpose=purpose, now=now)
    _take(link, now, open_key=None)
    return link


def exchange(*, token: str, purpose: LinkPurpose, now: datetime, until: datetime) -> tuple[Link, str]:
    """Use the link of *token* for a pass, good until then; of two who race one wins. The caller holds the transaction.

    close_all() and close() end the pass, a newer link does not. Raises token_invalid, token_expired, token_used.
    """
    link = usable(token=token, purpose=purpose, now=now)
    own = hashing.keyed_hash("open-link", link.user_id, purpose, link.pk)
    _take(link, now, open_key=own, expires_at=until)
    link.used_at, link.open_key, link.expires_at = now, own, until
    return link, f"{link.pk}.{hashing.keyed_hash(_PASS, purpose, link.pk)}"


def find_pass(*, given: str, purpose: LinkPurpose, now: datetime) -> Link | None:
    """Return the link that the pass *given* was exchanged for, while it is in force; a forged one asks no database."""
    name, _dot, proof = given.partition(".")
    try:
        pk = UUID(name)
    except ValueError:
        return None
    if not any(hashing.same(proof, good) for good in hashing.keyed_hashes(_PASS, purpose, pk)):
        return None
    link = Link.objects.filter(pk=pk, purpose=purpose).select_related("user").first()
    return link if link is not None and link.is_in_force(now) else None


def usable(*, token: str, purpose: LinkPurpose, now: datetime) -> Link:
    """Return the open link of *token* and leave it open.

    Raises token_invalid, token_expired, token_used.
    """
    link = find(token=token, purpose=purpose)
    if link is None or not link.is_open(now):
        _refuse(link, now)
    return link


def close_all(*, user: User, but: tuple[LinkPurpose, ...] = ()) -> int:
    """Close every open link of *user* but those of some purposes; the caller holds the transaction."""
    return Link.objects.filter(user=user, open_key__isnull=False).exclude(purpose__in=but).update(open_key=None)


def close(*, user: User, purpose: LinkPurpose, email: str | None = None, since: datetime | None = None) -> int:
    """Close the open links of *user* of one purpose; the caller holds the transaction.

    With *email* the one that is about it, with *since* those made then or later.
    """
    mine = Link.objects.filter(user=user, purpose=purpose, open_key__isnull=False)
    if email is not None:
        mine = mine.filter(open_key=_open_key(user, purpose, email))
    if since is not None:
        mine = mine.filter(created_at__gte=since)
    return mine.update(open_key=None)


def state_of(link: Link | None, now: datetime) -> LinkState:
    """Return what became of a link as such; whether its account may still use it is its service's to say."""
    if link is None:
        return LinkState.UNKNOWN
    if link.used_at is not None:
        return LinkState.USED
    if link.open_key is None:
        return LinkState.SUPERSEDED
    return LinkState.EXPIRED if link.is_expired(now) else LinkState.OPEN


def owner_of(link: Link | None) -> str | None:
    """Return the id of the account of *link*, as events name it."""
    return str(link.user_id) if link else None


def named_reason(problem: Problem) -> FailureReason | None:
    """Return the reason that is called like the code of *problem*."""
    return FailureReason(problem.code)


@contextmanager
def recording(
    *,
    token: str,
    purpose: LinkPurpose,
    event: Callable[[Link | None], SecurityEvent],
    reason: Callable[[Problem], FailureReason | None] = named_reason,
) -> Iterator[None]:
    """Record what is refused to whoever comes with the link of *token*; opened around the transaction.

    *event* says what was tried, of the link where there is one. *reason* reads a refusal; what it has None for is
    raised and not recorded.
    """
    try:
        yield
    except Problem as problem:
        why = reason(problem)
        if why is None:
            raise
        link = find(token=token, purpose=purpose)
        if why == FailureReason.TOKEN_INVALID:
            why = why_invalid(link)
        refuse(problem, replace(event(link), success=False, failure_reason=why))


def is_for_address_in_force(link: Link, user: User) -> bool:
    """Tell whether *link* was mailed to the address that *user* has now.

    Whoever reads the mail of an address that the account left has no say any more, but for the link that puts it back
    (ASVS 6.3.8); what it was mailed before works again then.
    """
    return bool(normalise_email(link.email)[1] == user.email_key)


def why_invalid(link: Link | None) -> FailureReason:
    """Return what the trail says of a link that was refused with token_invalid; to the caller all are alike."""
    if link is None:
        return FailureReason.TOKEN_INVALID
    return FailureReason.NOT_PERMITTED if link.open_key else FailureReason.TOKEN_SUPERSEDED  # still open: its account


def _take(link: Link, now: datetime, **becomes: object) -> None:
    """Use *link* up by one conditional UPDATE; raises token_used where another was first."""
    User.objects.lock(link.user_id)
    free = Link.objects.filter(pk=link.pk, used_at__isnull=True, open_key__isnull=False, expires_at__gt=now)
    if not free.update(used_at=now, **becomes):
        raise Problem("token_used")


def _refuse(link: Link | None, now: datetime) -> NoReturn:
    if link is not None and link.used_at is not None:
        raise Problem("token_used")
    if link is not None and link.is_expired(now):
        raise Problem("token_expired")
    raise Problem("token_invalid")


def _open_key(user: User, purpose: LinkPurpose, email: str, session_id: UUID | None = None) -> str:
    """Return what one open link at a time has: sessions, and addresses that were left, have one each.

    So has each address a session is disavowed from: whoever moves the account closes no link of the one before.
    """
    about: list[object] = []
    if purpose in (LinkPurpose.ADDRESS_UNDO, LinkPurpose.DISAVOW):
        about.append(normalise_email(email)[1])
    if session_id is not None and purpose != LinkPurpose.ADDRESS_UNDO:
        about.append(session_id)
    return hashing.keyed_hash("open-link", user.pk, purpose, *about)


def _save(link: Link, open_key: str) -> Link:
    token = hashing.derive_token(f"link:{link.purpose}", link.pk, 1)
    link.token_hash = hashing.keyed_hash("link", link.purpose, token)
    link.open_key = open_key
    link.save(force_insert=True)
    return link
