"""Opening a session, using it, proving oneself anew inside it."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client, describe_device
from gatehouse.events import Actor
from gatehouse.ids import uuid7
from gatehouse.problems import Problem
from sessions_app import keyring
from sessions_app.conf import app_settings
from sessions_app.events import SessionCreated, SessionMoved
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.reasons import RevokeReason
from sessions_app.services.ending import expire_locked, revoke_locked
from sessions_app.services.rows import forget_states, lives, lock, network, require_transaction, take_over, whole
from sessions_app.signals import announce


def open(
    *,
    user: Any,
    client: Client,
    door: Door,
    transport: Transport,
    factors: list[str],
    device: Device | None = None,
    keep: bool = True,
) -> Session:
    """Open a session for *user*, in the transaction of the sign-in that proved *factors*.

    The account's row is locked first: whoever disables the account or ends all its sessions at the same moment
    either waits and then sees this session, or was first and this raises account_disabled. Where SESSION_LIMIT is
    reached, the sessions that were not used for longest end for it (ASVS 7.1.2).
    """
    require_transaction()
    if not lock(user):
        raise Problem("account_disabled")
    now = timezone.now()
    idle, absolute = lives(door)
    session = Session(
        user=user,
        device=device,
        door=door,
        transport=transport,
        keep=keep,
        ip=client.ip,
        user_agent=client.user_agent,
        device_name=client.called,
        device_kind=client.device_kind,
        factors=factors,
        created_at=now,
        authenticated_at=now,
        last_used_at=now,
        idle_expires_at=whole(now) + min(idle, absolute),
        absolute_expires_at=whole(now) + absolute,
    )
    if door == Door.API:
        session.refresh_id = uuid7()
        session.refresh_kid = keyring.signing_key().kid
        session.refresh_issued_at = whole(now)
        session.refresh_expires_at = session.idle_expires_at
    session.save(force_insert=True)
    announce(
        SessionCreated(
            client=client,
            user_id=str(session.user_id),
            session_id=str(session.pk),
            door=door,
            transport=transport,
            factors=factors,
            device_id=device.pk if device else None,
        )
    )
    _end_surplus(session, client, now)
    return session


def touch(session: Session, client: Client, now: datetime) -> None:
    """Write down that *session* was used, at most once in TOUCH_EVERY.

    The idle end of a page or staff session moves with its use; that of an API session moves with its refreshes only.
    """
    since = now - app_settings().TOUCH_EVERY
    if session.last_used_at <= since:
        _use(session, client, now, since)


def stay(session: Session, client: Client, now: datetime) -> None:
    """Begin the idle time of *session* anew, because its holder asked to stay signed in; else as touch()."""
    touch(session, client, now)
    if session.door == Door.API:
        return
    changes = {"idle_expires_at": min(whole(now) + lives(session.door)[0], session.absolute_expires_at)}
    if Session.objects.live(now).filter(pk=session.pk).update(**changes):
        forget_states(session.pk)
        take_over(session, changes)


def reauthenticated(session: Session, factors: list[str], now: datetime) -> None:
    """Write down, in the caller's transaction, that the holder of *session* proved *factors* anew at *now*.

    The last of them stands last among all that were ever proved: it tells how strong the newest proof was.
    """
    require_transaction()
    last = factors[-1]
    known = [*session.factors, *(factor for factor in factors if factor not in session.factors)]
    proved = [*(factor for factor in known if factor != last), last]
    changes: dict[str, Any] = {"authenticated_at": now, "factors": proved}
    if not Session.objects.live(now).filter(pk=session.pk).update(**changes):
        raise Problem("session_revoked")
    forget_states(session.pk)
    take_over(session, changes)


def _end_surplus(opened: Session, client: Client, now: datetime) -> None:
    """End what the account of *opened*, which the caller has locked, holds beyond SESSION_LIMIT.

    What time has ended is marked first, so that none comes back beside the others where a clock is put back.
    """
    limit = app_settings().SESSION_LIMIT
    if not limit:
        return
    over = list(Session.objects.due(now).for_user(opened.user).select_for_update().order_by("pk"))
    expire_locked(over, client=client, now=now)
    others = Session.objects.live(now).for_user(opened.user).exclude(pk=opened.pk)
    surplus = list(others.order_by("-last_used_at", "-pk").values_list("pk", flat=True)[limit - 1 :])
    if surplus:
        ending = list(others.filter(pk__in=surplus).select_for_update().order_by("pk"))
        revoke_locked(ending, reason=RevokeReason.LIMIT, client=client, actor=Actor.system(), by="")


def _use(session: Session, client: Client, now: datetime, since: datetime) -> None:
    """Write down a use at *now*, unless another request wrote one after *since*; a move is recorded with it."""
    moved = _moved(session, client)
    if moved is None:
        _write_use(session, client, now, since)
        return
    with transaction.atomic():
        if _write_use(session, client, now, since):
            announce(moved)


def _moved(session: Session, client: Client) -> SessionMoved | None:
    """Return what is recorded where *session* is used from elsewhere than before: allowed, since people travel.

    The browser is told by what it says of itself; the name that an app gave at its sign-in stays.
    """
    network_changed = Client(ip=session.ip).network != client.network
    device_changed = describe_device(session.user_agent)[0] != describe_device(client.user_agent)[0]
    if not (network_changed or device_changed):
        return None
    return SessionMoved(
        client=client,
        user_id=str(session.user_id),
        session_id=str(session.pk),
        network=network_changed,
        device=device_changed,
    )


def _write_use(session: Session, client: Client, now: datetime, since: datetime) -> bool:
    changes: dict[str, Any] = {"last_used_at": now, **network(client)}
    if session.door != Door.API:
        changes["idle_expires_at"] = min(whole(now) + lives(session.door)[0], session.absolute_expires_at)
    if not Session.objects.live(now).filter(pk=session.pk, last_used_at__lte=since).update(**changes):
        return False
    forget_states(session.pk)
    take_over(session, changes)
    return True
