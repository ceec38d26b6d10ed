"""“This wasn't me”: the mail about a sign-in from a new device, and what its link undoes."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.links import LinkState
from accounts.models import Link, LinkPurpose, Status, User
from accounts.services import codes, passwords
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason


@dataclass(frozen=True)
class DisavowalView:
    """What a page may tell about a link before it is used, and about the sign-in that it belongs to."""

    state: LinkState
    device_name: str = ""
    at: datetime | None = None
    ip: str | None = None  # that of the sign-in; the session's own moves with its use


def offer(*, session: Session, client: Client, now: datetime) -> None:
    """Mail the owner of *session*, opened from a device that is new to the account, a link that disavows it.

    In the transaction of the sign-in. Each session has its own link; they are open side by side (ASVS 6.3.5).
    """
    life = app_settings().DISAVOW_TTL
    link = links.issue(
        user=session.user, purpose=LinkPurpose.DISAVOW, life=life, client=client, now=now, session_id=session.pk
    )
    mails.new_device(link, client)


def disavow(*, token: str, client: Client) -> bool:
    """Undo the sign-in that the owner of the account did not make; return whether a reset mail leaves.

    1. Every session of that device ends, the one of the link first; where it has ended already, the rest still happens.
    2. The device is forgotten, and the trust in all others withdrawn: whoever came in could trust a device of theirs
       under any name, and trust stands in for the code.
    3. Half-done sign-ins end, and the link that sets a new password is mailed; this one, maybe years in a mailbox,
       sets none itself. It goes only to the address that this link proves.
    An account that is not active stays as it is. Raises token_invalid, token_expired, token_used. FEATURES 29.
    """
    now = timezone.now()
    try:
        with transaction.atomic(durable=True):
            link = links.consume(token=token, purpose=LinkPurpose.DISAVOW, now=now)
            user = User.objects.get(pk=link.user_id)
            if user.status != Status.ACTIVE:
                raise Problem("token_invalid")
            ended = _leave(user, link, client, now)
            codes.cancel_all(user=user)
            proved = user.email == link.email
            if proved:
                passwords.queue_reset(user=user, client=client)
            announce(_event(link, client, sessions_ended=ended))
            return proved
    except Problem as problem:
        found = links.find(token=token, purpose=LinkPurpose.DISAVOW)
        reason = FailureReason(problem.code)
        if found is not None and problem.code == "token_invalid":  # the account is no longer in use, or was closed
            reason = FailureReason.NOT_PERMITTED
        refuse(problem, _event(found, client, failure_reason=reason, success=False))


def peek(token: str) -> DisavowalView:
    """Tell a page what became of a link, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.DISAVOW)
    if link is None:
        return DisavowalView(LinkState.UNKNOWN)
    if link.used_at is not None:
        return DisavowalView(LinkState.USED)
    if link.open_key is None or link.user.status != Status.ACTIVE:
        return DisavowalView(LinkState.UNKNOWN)
    if link.is_expired(timezone.now()):
        return DisavowalView(LinkState.EXPIRED)
    named = _session_of(link)
    return DisavowalView(LinkState.OPEN, named.device_name if named else "", link.created_at, link.ip)


def _leave(user: User, link: Link, client: Client, now: datetime) -> int:
    """End the sessions of the device that *link* disavows and let go of all trust; return how many ended.

    Where that device was forgotten meanwhile, its sessions are among those that name none.
    """
    named = _session_of(link)
    device = named.device if named is not None else None
    there = Q(device=device) if device is not None else Q(pk=link.session_id) | Q(device__isnull=True)
    live = list(Session.objects.live(now).for_user(user).filter(there).order_by("pk"))
    live.sort(key=lambda session: session.pk != link.session_id)
    actor = Actor.anonymous()
    ended = [sessions.revoke(one, reason=RevokeReason.DISAVOWED, client=client, actor=actor) for one in live]
    if device is not None:
        devices.remove(user=user, client=client, device=device, actor=actor)
    devices.forget(user=user, client=client, actor=actor)
    return sum(ended)


def _session_of(link: Link) -> Session | None:
    if link.session_id is None:
        return None
    return Session.objects.filter(pk=link.session_id, user_id=link.user_id).select_related("device").first()


def _event(
    link: Link | None,
    client: Client,
    *,
    sessions_ended: int = 0,
    success: bool = True,
    failure_reason: FailureReason | None = None,
) -> events.SignInDisavowed:
    return events.SignInDisavowed(
        client=client,
        user_id=str(link.user_id) if link else None,
        session_id=str(link.session_id) if link else None,
        actor=Actor.anonymous(),
        success=success,
        failure_reason=failure_reason,
        sessions_ended=sessions_ended,
    )
