"""Letting go of everything that is known of where an account was used from."""

from typing import Any

from django.apps import apps

from gatehouse.client import Client
from gatehouse.events import Actor
from sessions_app import devices
from sessions_app.browser import SID
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from sessions_app.services.ending import revoke_all
from sessions_app.services.rows import require_transaction

_BROWSERS = "django.contrib.sessions"


def erase(*, user: Any, client: Client, actor: Actor) -> int:
    """End every session of *user*, each with its event, and remove their rows, the devices and what browsers hold.

    In the caller's transaction; return how many sessions ended. Tokens of theirs are as unknown afterwards as any.
    """
    require_transaction()
    ended = revoke_all(user=user, reason=RevokeReason.DELETED, client=client, actor=actor)
    mine = Session.objects.for_user(user)
    if apps.is_installed(_BROWSERS):
        _forget_browsers({str(pk): at for pk, at in mine.values_list("pk", "absolute_expires_at")})
    mine.delete()
    devices.remove(user=user, client=client, actor=actor)
    return ended


def _forget_browsers(ends: dict[str, Any]) -> None:
    """Remove the rows of Django's table that speak for a session of *ends*: theirs end when it does (browser.py)."""
    rows = apps.get_model("sessions", "Session").objects.filter(expire_date__in=set(ends.values()))
    going = [row.pk for row in rows if row.get_decoded().get(SID) in ends]
    rows.model.objects.filter(pk__in=going).delete()
