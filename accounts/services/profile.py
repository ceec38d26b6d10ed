"""What owners change of their account besides what lets them in: the name they go by.

A password is not compared with a new name: it was chosen before it, and only its owner could say what it is.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import events, lengths
from accounts.models import User
from accounts.services import own_account
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import validation
from gatehouse.text import UnsafeText, clean_text
from sessions_app import services as sessions
from sessions_app.models import Session


@own_account.changes_account
def change_name(*, user: User, session: Session, name: str, client: Client) -> User:
    """Call *user* by *name* from now on, or by none where it is empty; return the account as it is then.

    Raises validation_failed, permission_denied, session_revoked.
    """
    name = _checked(name)
    asked = _event(user, session, client)
    with own_account.recording_end(asked), transaction.atomic(durable=True):
        held = own_account.hold(user=user, session=session)
        if held.display_name != name:
            held.display_name = name
            held.save(update_fields=["display_name", "updated_at"])
            sessions.forget_state(user=held)
            announce(asked)
    return held


def _checked(name: str) -> str:
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
