"""The two links of a change of address: the one that the new address proves itself by, and the one that undoes it.

1. The unique key of an address decides who gets it. Whoever never proved it makes way for whoever does.
2. An address that was left goes to nobody else while the link that puts it back is open.
3. The link to the old address stays open through whatever somebody who is signed in can do: it withdraws what waits,
   and puts back what took effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.erasers import erase_elsewhere
from accounts.links import LinkState
from accounts.models import Link, LinkPurpose, Status, User
from accounts.services import address, codes, deletion, factors, undoing
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor
from gatehouse.problems import Problem
from gatehouse.text import mask_email, normalise_email
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

T = TypeVar("T")


@dataclass(frozen=True)
class ChangeView:
    """What a page may tell of a link before it is used; the address that its reader need not know is masked."""

    state: LinkState
    before: str = ""
    after: str = ""
    user_id: UUID | None = None
    in_force: bool = False  # whether the change that a link undoes has taken effect


def confirm(*, token: str, client: Client, session: Session | None = None) -> User:
    """Put the address in force that the link proves, and end what was opened and asked for under the old one.

    Every session ends but *session*, where it is one of the account's own. Of two accounts that race for an address one
    gets it; the other keeps its old one, and its link. Nobody is signed in.
    Raises token_invalid, token_expired, token_used, conflict. ASVS 6.3.7, 6.5.1, 7.4.3.
    """

    def tried(link: Link | None) -> events.AddressChanged:
        return events.AddressChanged(client=client, user_id=links.owner_of(link))

    with links.recording(token=token, purpose=LinkPurpose.ADDRESS, event=tried):
        return _settled(partial(_take_effect, token, client, session))


def undo(*, token: str, client: Client) -> bool:
    """Withdraw the change that waits, or put the old address back; return whether it was put back.

    Then every session ends, no device is trusted, and a link that sets a new password is mailed to the old address:
    whoever changed it knew the one in force. No device is known any more either, so that none gets in by a password
    alone under any OTP_POLICY. Links to addresses that the account had in between are closed. What was changed of the
    factors since the address was left, and lately by the session that asked for the change, is undone (undoing.py).
    Raises token_invalid, token_expired, token_used, conflict (somebody else has the old address by now).
    """

    def tried(link: Link | None) -> events.AddressRestored:
        return events.AddressRestored(client=client, user_id=links.owner_of(link), actor=Actor.anonymous())

    with links.recording(token=token, purpose=LinkPurpose.ADDRESS_UNDO, event=tried):
        return _settled(partial(_put_back, token, client))


def peek(token: str) -> ChangeView:
    """Tell a page what a link to a new address would do, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.ADDRESS)
    state = links.state_of(link, timezone.now())
    if link is None or not _may_move(link.user):
        return ChangeView(LinkState.UNKNOWN)
    return ChangeView(state, before=mask_email(link.user.email), after=link.email, user_id=link.user_id)


def peek_undo(token: str) -> ChangeView:
    """Tell a page what a link to an old address would do, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.ADDRESS_UNDO)
    state = links.state_of(link, timezone.now())
    if link is None or link.user.status != Status.ACTIVE:
        return ChangeView(LinkState.UNKNOWN)
    if state != LinkState.OPEN:
        return ChangeView(state)
    user, waits = link.user, address.pending(link.user, timezone.now())
    if user.email_key != normalise_email(link.email)[1]:
        return ChangeView(state, link.email, mask_email(user.email), user.pk, in_force=True)
    if waits is None:
        return ChangeView(LinkState.SUPERSEDED)
    return ChangeView(state, link.email, mask_email(waits.email), user.pk)


@again_after_deadlock
def _take_effect(token: str, client: Client, session: Session | None) -> User:
    now = timezone.now()
    with transaction.atomic(durable=True):
        link = links.consume(token=token, purpose=LinkPurpose.ADDRESS, now=now)
        user = User.objects.select_for_update().get(pk=link.user_id)
        if not _may_move(user):
            raise Problem("token_invalid")
        before, undo_link = user.email, address.undo_link(user, client, now)
        _move(user, link.email, client, now)
        keep = session if session is not None and session.user_id == user.pk else None
        ended = sessions.revoke_all(user=user, reason=RevokeReason.ADDRESS_CHANGED, client=client, keep=keep)
        mails.address_changed(user, client)
        mails.address_left(undo_link, client, after=mask_email(user.email))
        done = events.AddressChanged(client=client, user_id=str(user.pk), email=user.email, sessions_ended=ended)
        announce(replace(done, before=mask_email(before), after=mask_email(user.email)))
        return user


@again_after_deadlock
def _put_back(token: str, client: Client) -> bool:
    now, actor = timezone.now(), Actor.anonymous()
    with transaction.atomic(durable=True):
        link = links.consume(token=token, purpose=LinkPurpose.ADDRESS_UNDO, now=now)
        user = User.objects.select_for_update().get(pk=link.user_id)
        if user.status != Status.ACTIVE:
            raise Problem("token_invalid")
        if user.email_key == normalise_email(link.email)[1]:
            _withdraw(user, client, now)
            return False
        before = user.email
        devices.remove(user=user, client=client, actor=actor)
        _move(user, link.email, client, now, actor)
        links.close(user=user, purpose=LinkPurpose.ADDRESS_UNDO, since=link.created_at)
        ended = sessions.revoke_all(user=user, reason=RevokeReason.ADDRESS_CHANGED, client=client, actor=actor)
        deletion.keep(user=user, client=client, actor=actor)
        for to in (before, user.email):
            mails.address_restored(user, client, to=to, before=mask_email(before))
        lately = now - app_settings().DISAVOW_TTL
        doings = undoing.Doings(session_id=link.session_id, lately=lately, since=link.created_at)
        undoing.undo_factors(user=user, doings=doings, client=client, actor=actor)
        undoing.mail_way_in(user=user, client=client, now=now)
        done = events.AddressRestored(client=client, user_id=str(user.pk), actor=actor, email=user.email)
        announce(replace(done, before=mask_email(before), after=mask_email(user.email), sessions_ended=ended))
        return True


def _withdraw(user: User, client: Client, now: datetime) -> None:
    if address.pending(user, now) is None:
        raise Problem("token_invalid")
    links.close(user=user, purpose=LinkPurpose.ADDRESS)
    announce(events.AddressChangeCancelled(client=client, user_id=str(user.pk), actor=Actor.anonymous(), by_link=True))


def _move(user: User, email: str, client: Client, now: datetime, actor: Actor | None = None) -> None:
    """Put *email*, which a link has proved, in force, and end what hung on the one before, but for sessions.

    Raises conflict, or IntegrityError where somebody gets the address at this very moment.
    """
    _make_way(user, email, client)
    user.email, user.email_verified_at = email, now
    user.save(update_fields=["email", "email_verified_at", "updated_at"])
    sessions.forget_state(user=user)
    links.close_all(user=user, but=links.LASTING)
    links.close(user=user, purpose=LinkPurpose.ADDRESS_UNDO, email=email)
    codes.cancel_all(user=user)
    devices.forget(user=user, client=client, actor=actor)


def _make_way(user: User, email: str, client: Client) -> None:
    """Remove a sign-up with the address that nobody proved.

    Raises conflict where the address is somebody's, or another account left it and may take it back.
    """
    key = normalise_email(email)[1]
    holder = User.objects.filter(email_key=key).exclude(pk=user.pk).select_for_update().first()
    if holder is None:
        left = links.holding(key, timezone.now())
        if left is not None and left.user_id != user.pk:
            raise Problem("conflict", detail=_("Another account left this address lately. Yours stays as it was."))
        return
    if not address.makes_way(holder):
        raise _taken()
    erase_elsewhere(user_id=holder.pk)
    announce(events.RegistrationExpired(client=client, user_id=str(holder.pk), actor=Actor.user(user)))
    holder.delete()


def _taken() -> Problem:
    return Problem("conflict", detail=_("Another account has this address by now. Yours stays as it was."))


def _settled(work: Callable[[], T]) -> T:
    """Do *work*; where somebody got the address at the same moment, look at once at who it is."""
    for _attempt in range(2):
        try:
            return work()
        except IntegrityError:
            continue
    raise _taken()


def _may_move(user: User) -> bool:
    """Tell whether a link may change the address: staff have an app by which they asked for it."""
    return user.status == Status.ACTIVE and (not user.is_staff or factors.has_app(user))
