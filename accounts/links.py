"""One-time links: the only code that makes and uses them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn
from uuid import UUID

from accounts.models import Link, LinkPurpose, User
from gatehouse import hashing
from gatehouse.client import Client
from gatehouse.conf import app_settings as site_settings
from gatehouse.events import FailureReason
from gatehouse.problems import Problem

REFUSALS = frozenset({"token_invalid", "token_expired", "token_used"})  # all that using a link is refused with
PATHS = {
    LinkPurpose.VERIFY: "/account/verify/",
    LinkPurpose.ENROL: "/account/enrol/",
    LinkPurpose.RESET: "/account/password/reset/",
    LinkPurpose.DISAVOW: "/account/disavow/",
}


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
) -> Link:
    """Make a link for *user* and close the one that was open; the caller holds the transaction.

    With *session_id* it is about that session, and closes none that is about another.
    """
    User.objects.lock(user.pk)
    about = () if session_id is None else (session_id,)
    open_key = hashing.keyed_hash("open-link", user.pk, purpose, *about)
    Link.objects.filter(open_key=open_key).update(open_key=None)
    link = Link(user=user, purpose=purpose, email=user.email, created_at=now, expires_at=now + life, ip=client.ip)
    link.session_id = session_id
    return _save(link, open_key)


def address_of(link: Link) -> str:
    """Return the URL that a mail carries; its last segment is the token. Staff enrol on this server's own pages."""
    here = site_settings().BASE_URL
    root = here if link.purpose == LinkPurpose.ENROL else site_settings().FRONTEND_URL or here
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


def consume(*, token: str, purpose: LinkPurpose, now: datetime) -> Link:
    """Use up the link of *token*; of two who race one wins. The caller holds the transaction.

    Raises token_invalid, token_expired, token_used. ASVS 6.5.1, 2.3.4.
    """
    link = usable(token=token, purpose=purpose, now=now)
    User.objects.lock(link.user_id)
    taken = Link.objects.filter(pk=link.pk, used_at__isnull=True, open_key__isnull=False, expires_at__gt=now)
    if not taken.update(used_at=now, open_key=None):
        raise Problem("token_used")
    return link


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


def close(*, user: User, purpose: LinkPurpose) -> int:
    """Close every open link of *user* of one purpose; the caller holds the transaction."""
    return Link.objects.filter(user=user, purpose=purpose, open_key__isnull=False).update(open_key=None)


def why_invalid(link: Link | None) -> FailureReason:
    """Return what the trail says of a link that was refused with token_invalid; to the caller all are alike."""
    if link is None:
        return FailureReason.TOKEN_INVALID
    return FailureReason.NOT_PERMITTED if link.open_key else FailureReason.TOKEN_SUPERSEDED  # still open: its account


def _refuse(link: Link | None, now: datetime) -> NoReturn:
    if link is not None and link.used_at is not None:
        raise Problem("token_used")
    if link is not None and link.is_expired(now):
        raise Problem("token_expired")
    raise Problem("token_invalid")


def _save(link: Link, open_key: str) -> Link:
    token = hashing.derive_token(f"link:{link.purpose}", link.pk, 1)
    link.token_hash = hashing.keyed_hash("link", link.purpose, token)
    link.open_key = open_key
    link.save(force_insert=True)
    return link
