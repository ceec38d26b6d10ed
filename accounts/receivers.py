"""Mails about sessions: queued in the transaction of what they tell of."""

from typing import Any

from accounts import mails
from accounts.models import User
from gatehouse.events import SecurityEvent
from sessions_app.events import SessionsEndedByCommand, TokenReused


def mail_about_session(*, event: SecurityEvent, **_kwargs: Any) -> None:
    """Queue the mail that *event* deserves.

    A command that ends the sessions of many, by role, network or all, mails nobody: it may mean a million people at
    once, and the page says at their next visit why they are signed out.
    """
    match event:
        case TokenReused(user_id=str(user_id)):
            mails.refresh_reused(user_id, event.client)
        case SessionsEndedByCommand(user_id=str(user_id), sessions_ended=number) if number:
            mails.sessions_revoked_by_staff(User.objects.get(pk=user_id), event.client, number=number)
