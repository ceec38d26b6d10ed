"""Deleting oneself: asked for by whoever is signed in, and undone until the account is due to be erased.

1. Until then the account stays as it is: its owner signs in as ever, and is shown that it is going.
2. The link that undoes it works without signing in, and a change of the password does not close it: whoever came in
   by a stolen one must not be able to take the account away for good.
3. Whether it is too late is decided here, not by the clean-up, which comes when it comes (erasure.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.links import LinkState
from accounts.models import Link, LinkPurpose, Status, User
from accounts.services import own_account
from accounts.services.authority import leaving
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason, SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Session


@dataclass(frozen=True)
class UndoView:
    """What a page may tell about a link before it is used."""

    state: LinkState
    erase_at: datetime | None = None


def request_deletion(*, user: User, session: Session, client: Client) -> datetime:
    """Have the account of *user*, who proved that again in *session*, erased after ERASURE_GRACE; return when.

    Its owner is mailed a link that undoes it. Where that was asked for before, the moment stays.
    Raises session_revoked; conflict for the last super admin. ASVS 7.5.3.
    """
    now = timezone.now()
    asked = events.DeletionRequested(
        client=client, user_id=str(user.pk), actor=Actor.user(user), session_id=str(session.pk)
    )
    with _recording(asked), leaving(user_id=user.pk) as held:
        held = own_account.still_in(held, session)
        if held.erase_at is not None:
            return held.erase_at
        grace = app_settings().ERASURE_GRACE
        _set_due(held, now + grace)
        link = links.issue(user=held, purpose=LinkPurpose.UNDO_DELETION, life=grace, client=client, now=now)
        mails.deletion_requested(link, client)
        announce(replace(asked, erase_at=link.expires_at))
        return link.expires_at


def undo_deletion(*, user: User, session: Session, client: Client) -> bool:
    """Keep the account of *user*, who is signed in; return whether it was to go.

    Raises session_revoked; conflict where it is too late.
    """
    now = timezone.now()
    undone = events.DeletionUndone(
        client=client, user_id=str(user.pk), actor=Actor.user(user), session_id=str(session.pk)
    )
    with _recording(undone), transaction.atomic(durable=True):
        held = own_account.hold(user=user, session=session)
        if held.erase_at is None:
            return False
        if held.erase_at <= now:
            raise Problem("conflict", detail=_("It is too late: the account is being erased."))
        _keep(held, client)
        announce(undone)
        return True


def undo_by_link(*, token: str, client: Client) -> User:
    """Keep the account whose deletion the link of a mail undoes, and sign nobody in; return it.

    One that staff disabled meanwhile is kept, too, and stays disabled; one that they deleted is not, nor one that left
    the address which the link was mailed to.
    Raises token_invalid, token_expired, token_used. ASVS 6.5.1.
    """
    now = timezone.now()

    def undone(link: Link | None) -> events.DeletionUndone:
        return events.DeletionUndone(client=client, user_id=links.owner_of(link), actor=Actor.anonymous())

    with (
        links.recording(token=token, purpose=LinkPurpose.UNDO_DELETION, event=undone),
        transaction.atomic(durable=True),
    ):
        link = links.consume(token=token, purpose=LinkPurpose.UNDO_DELETION, now=now)
        held = User.objects.select_for_update().get(pk=link.user_id)
        if not (held.is_leaving and links.is_for_address_in_force(link, held)):
            raise Problem("token_invalid")
        _keep(held, client)
        announce(undone(link))
        return held


def peek_undo(token: str) -> UndoView:
    """Tell a page what became of a link, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.UNDO_DELETION)
    if link is None or link.user.status == Status.DELETED:
        return UndoView(LinkState.UNKNOWN)
    if not link.user.is_leaving:
        return UndoView(LinkState.USED)  # by it, by a newer one, or signed in
    state = links.state_of(link, timezone.now())
    if state in (LinkState.OPEN, LinkState.EXPIRED) and not links.is_for_address_in_force(link, link.user):
        state = LinkState.SUPERSEDED
    return UndoView(state, link.user.erase_at if state in (LinkState.OPEN, LinkState.EXPIRED) else None)


def keep(*, user: User, client: Client, actor: Actor) -> None:
    """Keep *user*, whose row the caller holds, where it was to go: whoever came in may have asked for that."""
    if user.is_leaving:
        _keep(user, client)
        announce(events.DeletionUndone(client=client, user_id=str(user.pk), actor=actor))


def _keep(held: User, client: Client) -> None:
    _set_due(held, None)
    links.close(user=held, purpose=LinkPurpose.UNDO_DELETION)
    mails.deletion_undone(held, client)


def _set_due(held: User, at: datetime | None) -> None:
    held.erase_at = at
    held.save(update_fields=["erase_at", "updated_at"])
    sessions.forget_state(user=held)


@contextmanager
def _recording(event: SecurityEvent) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        match problem.code:
            case "session_revoked":
                reason = FailureReason.SESSION_ENDED
            case code:
                reason = FailureReason(code)
        refuse(problem, replace(event, success=False, failure_reason=reason))
