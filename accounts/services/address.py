"""Changing the address of an account: asking for another one, and giving that up; address_links.py does the rest.

1. Asking looks nothing up: the worker decides what the new address deserves, so that every address takes the same time
   and nobody learns whose it is (ASVS 6.3.8).
2. The open link to the new address is the change that waits. It proves the address in its own row and no other, and
   the old address stays in force until it is used (CVE-2026-32700).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.models import Link, LinkPurpose, Mail, Status, User
from accounts.services import own_account, reauthentication
from accounts.services.registration import checked_address
from accounts.signals import announce, refuse
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason, SecurityEvent
from gatehouse.problems import Problem, validation
from gatehouse.text import mask_email, normalise_email
from sessions_app.models import Session


class ChangeOutcome(StrEnum):
    """What an address that an account is to get deserves."""

    LINK = "link"
    TAKEN = "taken"
    NOTHING = "nothing"


@own_account.changes_account
def ask(*, user: User, session: Session, new_email: str, client: Client) -> None:
    """Let *user* have another address once it is proved; the one in force is told, and can cancel it.

    The caller learns nothing about whether somebody has the address. An earlier change that waits is given up.
    Raises validation_failed (no address, or the present one), permission_denied, factor_required, session_revoked.
    ASVS 7.5.1.
    """
    address = checked_address(new_email, field="new_email")
    asked = events.AddressChangeRequested(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk),
        email=address,
        before=mask_email(user.email),
        after=mask_email(address),
    )
    with _recording(asked):
        if reauthentication.owes_app(user=user, session=session):
            raise reauthentication.app_missing()
        now, conf = timezone.now(), app_settings()
        with transaction.atomic(durable=True):
            held = own_account.hold(user=user, session=session)
            if normalise_email(address)[1] == held.email_key:
                raise validation("new_email", "invalid", _("Enter an address that is not the one in force now"))
            link = links.issue(
                user=held, purpose=LinkPurpose.ADDRESS, life=conf.ADDRESS_TTL, client=client, now=now, email=address
            )
            mails.address_request(link, client)
            mails.address_asked(undo_link(held, client, now, session), client, after=mask_email(address))
            announce(asked)


def answer_request(*, request: Mail) -> None:
    """Mail the address of a *request* in the outbox what it deserves: the worker's half of ask().

    The link where it is free, or was never proved. Where it is somebody's, or another account may take it back, that
    somebody tried. Nothing to the address of an account that staff deleted or invited, nor to one that was mailed too
    often.
    """
    link = Link.objects.filter(pk=request.context["link"]).first()
    holder = User.objects.by_address(request.to)
    left = links.holding(normalise_email(request.to)[1], timezone.now()) if holder is None else None
    if left is not None and left.user_id == request.user_id:  # one's own
        left = None
    outcome = _outcome(link, holder, left, request.to)
    client = Client(ip=request.context["ip"], device_name=request.context["device"])
    with transaction.atomic(durable=True):
        if outcome == ChangeOutcome.LINK and link is not None:
            mails.address_confirm(link, client)
        elif outcome == ChangeOutcome.TAKEN and holder is not None:
            mails.address_taken(holder, client)
        elif outcome == ChangeOutcome.TAKEN and left is not None:
            mails.address_held(left, client)
        mails.answered(request)
        announce(
            events.AddressChangeAnswered(
                client=client,
                user_id=str(request.user_id),
                actor=Actor.system("worker"),
                email=request.to,
                outcome=outcome.value,
            )
        )


def cancel(*, user: User, session: Session, client: Client) -> bool:
    """Give up the change that waits; return whether there was one. Raises session_revoked."""
    cancelled = events.AddressChangeCancelled(
        client=client, user_id=str(user.pk), actor=Actor.user(user), session_id=str(session.pk), by_link=False
    )
    with _recording(cancelled), transaction.atomic(durable=True):
        held = own_account.hold(user=user, session=session)
        if not links.close(user=held, purpose=LinkPurpose.ADDRESS):
            return False
        links.close(user=held, purpose=LinkPurpose.ADDRESS_UNDO, email=held.email)  # nothing is left to undo
        announce(cancelled)
        return True


def pending(user: User, now: datetime) -> Link | None:
    """Return the change of *user* that waits for its proof."""
    return Link.objects.open().filter(user=user, purpose=LinkPurpose.ADDRESS, expires_at__gt=now).first()


def undo_link(user: User, client: Client, now: datetime, session: Session | None = None) -> Link:
    """Return the link by which the address in force stays, or is put back; the caller holds the transaction.

    It is about the *session* that asked for the change, and begins again when that takes effect.
    """
    return links.prolong_or_issue(
        user=user,
        purpose=LinkPurpose.ADDRESS_UNDO,
        life=app_settings().ADDRESS_UNDO_TTL,
        client=client,
        now=now,
        session_id=session.pk if session else None,
    )


def makes_way(holder: User) -> bool:
    """Tell whether an account holds an address that nobody proved."""
    unproved = holder.status == Status.INACTIVE and not holder.email_verified and holder.last_login is None
    return unproved and not holder.is_staff


def _outcome(link: Link | None, holder: User | None, left: Link | None, email: str) -> ChangeOutcome:
    if link is None or not link.is_open(timezone.now()):  # cancelled, or replaced, since
        return ChangeOutcome.NOTHING
    try:
        limits.take(None, ("address_new", normalise_email(email)[1]))
    except limits.LimitReached:
        return ChangeOutcome.NOTHING
    if left is not None:
        return ChangeOutcome.TAKEN
    if holder is None or makes_way(holder):
        return ChangeOutcome.LINK
    told = holder.pk != link.user_id and holder.status in (Status.ACTIVE, Status.DISABLED)
    return ChangeOutcome.TAKEN if told else ChangeOutcome.NOTHING


@contextmanager
def _recording(event: SecurityEvent) -> Iterator[None]:
    """Record what was refused to somebody signed in."""
    try:
        yield
    except Problem as problem:
        match problem.code:
            case "factor_required":
                reason = FailureReason.FACTOR_MISSING
            case "session_revoked":
                reason = FailureReason.SESSION_ENDED
            case _other:
                raise
        refuse(problem, replace(event, success=False, failure_reason=reason))
