"""What the services share: how rows are locked, aged and kept in step with the object in hand."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import state_cache
from sessions_app.conf import app_settings
from sessions_app.models import Door, Session


def require_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("A session changes inside the transaction of its cause.")


def lock(user: Any) -> bool:
    """Lock the row of *user* until the transaction ends; return whether the account is active."""
    return any(lock_all({user.pk}))


def lock_all(keys: set[Any]) -> list[bool]:
    """Lock the accounts of *keys*, in one order, until the transaction ends; return of each whether it is active."""
    no_key = transaction.get_connection().features.has_select_for_no_key_update  # lets rows that point to it be written
    rows = get_user_model()._default_manager.select_for_update(no_key=no_key).filter(pk__in=keys).order_by("pk")
    return list(rows.values_list("is_active", flat=True))


def forget_states(*sids: UUID) -> None:
    """Have the database asked for *sids* from the commit of the caller's transaction on, at the latest."""
    if sids and state_cache.is_on():
        transaction.on_commit(partial(state_cache.bury, sids))


def forget_state(*, user: Any, but: Session | None = None) -> None:
    """Have the database asked for every session of *user*, whose account the caller's transaction changes.

    Whoever writes an account that may be signed in calls this beside it: a state in the cache holds the account, too.
    *but* is a session that was opened in this transaction, so that nobody knows it yet.
    """
    if state_cache.is_on():
        transaction.on_commit(partial(_bury_all, user, but))


def lives(door: str) -> tuple[timedelta, timedelta]:
    """Return how long a session of *door* waits to be used, and how long it lives at most."""
    conf = app_settings()
    match door:
        case Door.PAGE:
            return conf.PAGE_IDLE, conf.PAGE_ABSOLUTE
        case Door.STAFF:
            return conf.STAFF_IDLE, conf.STAFF_ABSOLUTE
        case _:
            return conf.REFRESH_IDLE, conf.REFRESH_ABSOLUTE


def take_over(session: Session, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(session, name, value)


def network(client: Client) -> dict[str, Any]:
    return {"ip": client.ip, "user_agent": client.user_agent}


def whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _bury_all(user: Any, but: Session | None) -> None:
    """Look for the sessions after the commit, so that one that was being opened meanwhile is among them."""
    try:
        live = {*Session.objects.live(timezone.now()).for_user(user).values_list("pk", flat=True)}
    except DatabaseError as error:
        state_cache.note_lost(1, type(error).__name__)
    else:
        state_cache.bury([*(live - {but and but.pk})])
