"""Mails about sessions: queued in the transaction of what they tell of."""

from typing import Any

from accounts import mails
from gatehouse.events import SecurityEvent
from sessions_app.events import DeviceAdded, TokenReused


def mail_about_session(*, event: SecurityEvent, **_kwargs: Any) -> None:
    """Queue the mail that *event* deserves."""
    match event:
        case DeviceAdded(first=False, user_id=str(user_id)):
            mails.new_device(user_id, event.client, device=event.device_name)
        case TokenReused(user_id=str(user_id)):
            mails.refresh_reused(user_id, event.client)
