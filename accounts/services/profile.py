"""What is changed of an account besides what lets its owner in: the name they go by, by themselves or by staff.

A password is not compared with a new name: it was chosen before it, and only its owner could say what it is.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import events, lengths
from accounts.models import Status, User
from accounts.services import own_account
from accounts.services.authority import holding
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.text import UnsafeText, clean_text
from sessions_app import services as sessions
from sessions_app.models import Session


@own_account.changes_account
def change_name(*, user: User, session: Session, name: str, client: Client) -> User:
    """Call *user* by *name* from now on, or by none where it is empty; return the account as it is then.

    Raises validation_failed, permission_denied, session_revoked.
    """
    name = checked_name(name)
    asked = _event(user, session, client)
    with own_account.recording_end(asked), transaction.atomic(durable=True):
        held = own_account.hold(user=user, session=session)
        if held.display_name != name:
            held.display_name = name
            held.save(update_fields=["display_name", "updated_at"])
            sessions.forget_state(user=held)
            announce(asked)
    return held


def rename(*, target: User, by: User, name: str | None, client: Client) -> User:
    """Have staff call *target* by *name*, or by none where it is empty; None leaves it. Return the account then.

    Raises validation_failed, role_not_allowed, self_action_forbidden, conflict (a deleted account).
    """
    name = None if name is None else checked_name(name)
    told: dict[str, Any] = {
        "client": client,
        "user_id": str(target.pk),
        "actor": Actor.user(by),
        "before": target.display_name,
    }
    failed = events.AccountRenamed(
        **told, after=target.display_name, success=False, failure_reason=FailureReason.CONFLICT
    )
    with holding(target=target, by=by, permission="users.change", client=client, failed=failed) as user:
        if user.status == Status.DELETED:
            raise Problem("conflict", detail=_("The account is deleted."))
        if name is not None and user.display_name != name:
            told["before"], user.display_name = user.display_name, name
            user.save(update_fields=["display_name", "updated_at"])
            sessions.forget_state(user=user)
            announce(events.AccountRenamed(**told, after=name))
    return user


def checked_name(name: str) -> str:
    """Return *name* as it is kept; raises validation_failed."""
    try:
        name = clean_text(name).strip()
    except UnsafeText:
        raise validation("display_name", "invalid", _("Take out characters that cannot be seen.")) from None
    if len(name) > lengths.DISPLAY_NAME:
        raise validation("display_name", "max_length", _("Use 100 characters or fewer"))
    return name


def _event(user: User, session: Session, client: Client) -> events.AccountUpdated:
    return events.AccountUpdated(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk),
        attributes=("display_name",),
    )
