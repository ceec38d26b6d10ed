"""Mails about sessions: queued in the transaction of what they tell of."""

from typing import Any

from accounts import mails
from gatehouse.events import SecurityEvent
from sessions_app.events import TokenReused


def mail_about_session(*, event: SecurityEvent, **_kwargs: Any) -> None:
    """Queue the mail that *event* deserves."""
    if isinstance(event, TokenReused) and event.user_id is not None:
        mails.refresh_reused(event.user_id, event.client)
