"""“This wasn't me”: the mails about a sign-in from a new device and changed factors, and what their link undoes."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.links import LinkState
from accounts.models import Link, LinkPurpose, Status, User
from accounts.services import codes, deletion, own_account, undoing
from accounts.services.reauthentication import owes_app
from accounts.signals import announce
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor
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


@dataclass(frozen=True)
class Disavowed:
    """What a disavowal did: how many sessions ended, whether a mail leaves that lets the owner in, what stayed."""

    sessions_ended: int
    everywhere: bool = False  # not only there: changes of the factors were undone
    mailed: bool = True
    keeps_factors: bool = False  # changes of the factors there stay, since the owner confirmed without the app


def offer(*, session: Session, client: Client, now: datetime) -> None:
    """Mail the owner of *session*, opened from a device that is new to the account, a link that disavows it.

    In the transaction of the sign-in. Each session has its own link; they are open side by side (ASVS 6.3.5).
    """
    life = app_settings().DISAVOW_TTL
    link = links.issue(
        user=session.user, purpose=LinkPurpose.DISAVOW, life=life, client=client, now=now, session_id=session.pk
    )
    mails.new_device(link, client)


def link_for(user: User, session: Session, client: Client, now: datetime) -> Link:
    """Return the link that disavows *session* for DISAVOW_TTL from now, the one of an earlier mail where that is open.

    The caller holds the transaction, and mails it.
    """
    life = app_settings().DISAVOW_TTL
    return links.prolong_or_issue(
        user=user, purpose=LinkPurpose.DISAVOW, life=life, client=client, now=now, session_id=session.pk
    )


def disavow(*, token: str, client: Client) -> Disavowed:
    """Undo the sign-in that the owner of the account did not make, and what came of it.

    1. Every session of that device ends, the one of the link first; where it has ended already, the rest still happens.
    2. The device is forgotten, and the trust in all others withdrawn: whoever came in could trust a device of theirs
       under any name, and trust stands in for the code.
    3. What that session, and no other, changed of the factors within DISAVOW_TTL is undone (undoing.py); where anything
       was, every other session ends, too, since a factor that is void may have opened it.
    4. Half-done sign-ins end, a change of the address that waits is given up, and the link that sets a new password is
       mailed; this one sets none itself.
    An account that is not active stays as it is, and so does one that left the address which the link was mailed to.
    Raises token_invalid, token_expired, token_used.
    """
    now, actor = timezone.now(), Actor.anonymous()

    def disavowed(link: Link | None) -> events.SignInDisavowed:
        about = str(link.session_id) if link else None
        return events.SignInDisavowed(
            client=client, user_id=links.owner_of(link), session_id=about, actor=actor, sessions_ended=0
        )

    with (
        links.recording(token=token, purpose=LinkPurpose.DISAVOW, event=disavowed),
        transaction.atomic(durable=True),
    ):
        link = links.consume(token=token, purpose=LinkPurpose.DISAVOW, now=now)
        user = User.objects.select_for_update().get(pk=link.user_id)
        if not _may_disavow(link, user):
            raise Problem("token_invalid")
        ended = _leave(user, link.session_id, client, now, actor=actor)
        codes.cancel_all(user=user)
        lately = undoing.Doings(session_id=link.session_id, lately=now - app_settings().DISAVOW_TTL)
        everywhere = undoing.undo_factors(user=user, doings=lately, client=client, actor=actor)
        if everywhere:
            ended += _end_others(user, client, actor)
        undoing.mail_way_in(user=user, client=client, now=now)
        announce(replace(disavowed(link), sessions_ended=ended))
        return Disavowed(ended, everywhere)


def disavow_own(*, user: User, session: Session, session_id: str | None, client: Client) -> Disavowed:
    """Undo what *user*, signed in by *session*, finds among the activity and did not do.

    The same as disavow(), but for *session*, which goes on: with a *session_id* the sessions of that device end, else
    every other one, as they do where factors were undone. Those are undone only for whoever confirmed lately with the
    app, where one is set up: a stranger with the password in a session of the owner's would else be rid of it (ASVS
    7.5.1). The mail counts as one that was asked for; where there were too many, the newest of them still works.
    Raises session_revoked.
    """
    now, actor, key = timezone.now(), Actor.user(user), _as_key(session_id)
    asked = events.SignInDisavowed(
        client=client, user_id=str(user.pk), session_id=session_id, actor=actor, sessions_ended=0
    )
    may_mail = _may_mail(user.email_key)
    with own_account.recording_end(asked), transaction.atomic(durable=True):
        held = own_account.hold(user=user, session=session)
        ended = _leave(held, key, client, now, actor=actor, keep=session)
        codes.cancel_all(user=held)
        keeps = keeps_factors(current=session, session_id=session_id)
        doings = undoing.Doings(session_id=key)
        everywhere = not keeps and undoing.undo_factors(user=held, doings=doings, client=client, actor=actor)
        if everywhere:
            ended += _end_others(held, client, actor, keep=session)
        if may_mail:
            undoing.mail_way_in(user=held, client=client, now=now)
        announce(replace(asked, sessions_ended=ended))
    return Disavowed(ended, everywhere, mailed=may_mail, keeps_factors=keeps)


def keeps_factors(*, current: Session, session_id: str | None) -> bool:
    """Tell whether changes of the factors there would stay, since *current* owes a code of the app."""
    done = undoing.has_changed_factors(user=current.user, session_id=_as_key(session_id))
    return done and owes_app(user=current.user, session=current)


def peek(token: str) -> DisavowalView:
    """Tell a page what became of a link, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.DISAVOW)
    if link is None:
        return DisavowalView(LinkState.UNKNOWN)
    if link.used_at is not None:
        return DisavowalView(LinkState.USED)
    if link.open_key is None or not _may_disavow(link, link.user):
        return DisavowalView(LinkState.UNKNOWN)
    if link.is_expired(timezone.now()):
        return DisavowalView(LinkState.EXPIRED)
    named = _session_of(link)
    if named is None:  # purged meanwhile
        return DisavowalView(LinkState.OPEN, "", link.created_at, link.ip)
    return DisavowalView(LinkState.OPEN, named.device_name, named.created_at, link.ip)


def _may_disavow(link: Link, user: User) -> bool:
    return user.status == Status.ACTIVE and links.is_for_address_in_force(link, user)


def _may_mail(email_key: str) -> bool:
    """Count a mail that lets the owner in, like one that was asked for."""
    try:
        limits.take(None, ("reset_address", email_key))
    except limits.LimitReached:
        return False
    return True


def _leave(
    user: User, session_id: UUID | None, client: Client, now: datetime, *, actor: Actor, keep: Session | None = None
) -> int:
    """End the sessions of the device of *session_id*, but *keep*, let go of all trust, and give up a change of the
    address, or a deletion of the account, that waits; return how many ended.

    Where that device was forgotten meanwhile, its sessions are among those that name none. Without a session, all end.
    """
    named = _named(user.pk, session_id)
    device = named.device if named is not None else None
    if device is not None:
        there = Q(device=device)
    else:
        there = Q() if session_id is None else Q(pk=session_id) | Q(device__isnull=True)
    live = Session.objects.live(now).for_user(user).filter(there)
    if keep is not None:
        live = live.exclude(pk=keep.pk)
    ending = sorted(live.order_by("pk"), key=lambda session: session.pk != session_id)
    ended = [sessions.revoke(one, reason=RevokeReason.DISAVOWED, client=client, actor=actor) for one in ending]
    if device is not None and (keep is None or keep.device_id != device.pk):
        devices.remove(user=user, client=client, device=device, actor=actor)
    devices.forget(user=user, client=client, actor=actor)
    links.close(user=user, purpose=LinkPurpose.ADDRESS)  # whoever came in may have asked for a change of it
    deletion.keep(user=user, client=client, actor=actor)
    return sum(ended)


def _end_others(user: User, client: Client, actor: Actor, keep: Session | None = None) -> int:
    """End every session but *keep*, like any change of factors; return how many.

    One that was opened by a thief's app would else live on, and add the next one.
    """
    return sessions.revoke_all(user=user, reason=RevokeReason.FACTORS_CHANGED, client=client, actor=actor, keep=keep)


def _session_of(link: Link) -> Session | None:
    return _named(link.user_id, link.session_id)


def _named(user_id: UUID, session_id: UUID | None) -> Session | None:
    if session_id is None:
        return None
    return Session.objects.filter(pk=session_id, user_id=user_id).select_related("device").first()


def _as_key(session_id: str | None) -> UUID | None:
    return UUID(session_id) if session_id else None
