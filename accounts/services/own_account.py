"""Changing one's own account: the gate that a role has to pass, and the account as it is at that moment.

1. Guests read what is theirs, and change nothing of it: a guest's account may have several readers, none of whom is to
   take it from the others. What every role keeps takes nothing but access, or is a right of the person: signing out,
   ending sessions, naming and forgetting devices, reading the activity, a copy of the data, disavowing a sign-in,
   undoing a change of the address, answering about consents, and having the account erased.
2. A password is reset by the link of a mail whatever the role: whoever reads the mailbox owns the account.
3. What a request believes may be seconds old: the role is read anew before the service begins, the account while it
   is held. Whoever loses the role in between loses the session with it, and is refused for that (ASVS 8.3.2).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

from django.db import transaction
from django.utils import timezone

from accounts import events
from accounts.models import User
from accounts.roles import permissions_of
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason, SecurityEvent
from gatehouse.problems import Problem
from sessions_app.models import Session

CHANGE = "account.change"  # the permission; guests have it not

S = TypeVar("S", bound=Callable[..., Any])


def changes_account(service: S) -> S:
    """Keep everybody whose role lacks the permission from *service*; raises permission_denied, with its row."""

    @wraps(service)
    def asked(*, user: User, session: Session, client: Client, **given: Any) -> Any:
        held = User.objects.filter(pk=user.pk).first()
        if held is not None and CHANGE not in permissions_of(held.role) and CHANGE not in held.given_permissions():
            refuse(Problem("permission_denied"), _refused(held, session, client))
        return service(user=user, session=session, client=client, **given)

    return cast(S, asked)


def hold(*, user: User, session: Session) -> User:
    """Lock the account of whoever acts by *session*, in the caller's transaction, and return it read anew.

    Raises session_revoked where the account or the session has ended meanwhile.
    """
    return still_in(User.objects.select_for_update().filter(pk=user.pk).first(), session)


def still_in(held: User | None, session: Session) -> User:
    """Return *held*, whose row the caller has locked, while it is active and *session* lives.

    Raises session_revoked.
    """
    live = Session.objects.live(timezone.now())  # after the lock: it may have been waited for
    if held is None or not held.is_active or not live.filter(pk=session.pk).exists():
        raise Problem("session_revoked")
    return held


@contextmanager
def recording_end(*asked: SecurityEvent) -> Iterator[None]:
    """Record that each of *asked* was refused where the session has ended meanwhile; outside of the transaction."""
    try:
        yield
    except Problem as problem:
        if problem.code == "session_revoked":
            with transaction.atomic(durable=True):
                for event in asked:
                    announce(replace(event, success=False, failure_reason=FailureReason.SESSION_ENDED))
        raise


def _refused(user: User, session: Session, client: Client) -> events.PermissionRefused:
    return events.PermissionRefused(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk),
        failure_reason=FailureReason.NOT_PERMITTED,
        permission=CHANGE,
    )
