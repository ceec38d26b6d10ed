"""Ending sessions, each end with its reason."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor, FailureReason, together
from gatehouse.problems import Problem
from sessions_app import devices, principal, refusals, tokens
from sessions_app.events import SessionDenied, SessionExpired, SessionRevoked, SignedOut
from sessions_app.models import Session
from sessions_app.reasons import EXPIRY, RevokeReason
from sessions_app.services.rows import forget_states, lock, require_transaction, take_over
from sessions_app.signals import announce


def revoke(session: Session, *, reason: RevokeReason, client: Client, actor: Actor | None = None, by: str = "") -> bool:
    """End *session* in the caller's transaction; return whether it was this call that ended it."""
    require_transaction()
    now = timezone.now()
    changes = _ending(reason, now, actor, by)
    if not Session.objects.live(now).filter(pk=session.pk).update(**changes):
        return False
    forget_states(session.pk)
    take_over(session, changes)
    announce(_ended(session, client, actor))
    return True


def revoke_all(
    *,
    user: Any,
    reason: RevokeReason,
    client: Client,
    keep: Session | None = None,
    actor: Actor | None = None,
    by: str = "",
) -> int:
    """End every live session of *user* but *keep*, in the caller's transaction; return how many.

    Those that time has ended are marked as such by the way, so that none comes back where a clock is put back.
    """
    require_transaction()
    lock(user)
    now = timezone.now()
    others = Session.objects.for_user(user).filter(revoked_at__isnull=True)
    if keep is not None:
        others = others.exclude(pk=keep.pk)
    held = list(others.select_for_update().order_by("pk"))
    ending = [session for session in held if session.end(now) is None]
    expire_locked([session for session in held if session.end(now) is not None], client=client, now=now)
    _end_locked(ending, _ending(reason, now, actor, by), client, actor)
    return len(ending)


@again_after_deadlock
def end_own(*, user: Any, session_id: UUID, current: Session, client: Client) -> bool:
    """End one of the sessions of *user*, who asks from *current*; return whether it was still live.

    Raises not_found, for another's session as for none (ASVS 8.2.2); asking for another's is recorded.
    """
    session = Session.objects.filter(pk=session_id).first()
    if session is None:
        raise Problem("not_found")
    if session.user_id != user.pk:
        refusals.note(_denied(session_id, current, client))
        raise Problem("not_found")
    reason = RevokeReason.SIGNED_OUT if session.pk == current.pk else RevokeReason.SIGNED_OUT_ELSEWHERE
    with transaction.atomic(durable=True):
        return revoke(session, reason=reason, client=client)


@again_after_deadlock
def end_others(*, current: Session, client: Client) -> int:
    """End every session of its owner but *current*; return how many."""
    with transaction.atomic(durable=True):
        ended = revoke_all(user=current.user, reason=RevokeReason.SIGNED_OUT_ELSEWHERE, client=client, keep=current)
        devices.forget(user=current.user, client=client, keep=current.device_id)
        return ended


@again_after_deadlock
def end_every(*, current: Session, client: Client) -> int:
    """End every session of the owner of *current*, which goes last; return how many."""
    with transaction.atomic(durable=True):
        others = revoke_all(user=current.user, reason=RevokeReason.SIGNED_OUT_ELSEWHERE, client=client, keep=current)
        devices.forget(user=current.user, client=client)
        return others + revoke(current, reason=RevokeReason.SIGNED_OUT, client=client)


def end_by_refresh(*, raw_refresh: str, client: Client) -> Session | None:
    """Sign out of the session that a refresh token of ours names, expired and used ones included.

    Return that session, or None where the token does not verify or its session has ended.
    """
    try:
        claims = tokens.read_refresh(raw_refresh, allow_expired=True)
    except Problem:
        return None
    return _end_claimed(claims, client)


def end_by_access(*, raw_access: str, client: Client) -> Session | None:
    """Sign out of the session that an access token of ours names, an expired one included."""
    try:
        claims = tokens.read_access(raw_access, allow_expired=True)
    except Problem:
        return None
    return _end_claimed(claims, client)


@again_after_deadlock
def use_after_end(*, session: Session, reason: RevokeReason, client: Client, now: datetime) -> None:
    """Record that *session*, ended for *reason*, was shown; the first to find that time ended it marks the row."""
    if reason in EXPIRY and not session.is_revoked:
        with transaction.atomic(durable=True):
            marked = expire(session=session, reason=reason, client=client, now=now)
        if marked:
            return
    refusals.note_use_after_end(session=session, reason=reason, client=client)


def expire(*, session: Session, reason: RevokeReason, client: Client, now: datetime) -> bool:
    """Mark, in the caller's transaction, a session that time has ended; return whether nobody had yet."""
    require_transaction()
    changes = _ending(reason, now, Actor.system(), "")
    if not Session.objects.due(now).filter(pk=session.pk).update(**changes):
        return False
    forget_states(session.pk)
    take_over(session, changes)
    announce(_ended(session, client, Actor.system()))
    return True


def expire_locked(ending: list[Session], *, client: Client, now: datetime) -> None:
    """Mark *ending*, sessions that time has ended, whose rows the caller's transaction holds; an event each."""
    require_transaction()
    for reason in sorted(EXPIRY):
        over = [one for one in ending if one.end(now) == reason]
        _end_locked(over, _ending(reason, now, Actor.system(), ""), client, Actor.system())


def revoke_locked(ending: list[Session], *, reason: RevokeReason, client: Client, actor: Actor, by: str) -> None:
    """End *ending*, live sessions, whose rows the caller's transaction holds; an event each."""
    require_transaction()
    _end_locked(ending, _ending(reason, timezone.now(), actor, by), client, actor)


def _end_locked(ending: list[Session], changes: dict[str, Any], client: Client, actor: Actor | None) -> None:
    if not ending:
        return
    keys = [session.pk for session in ending]
    Session.objects.filter(pk__in=keys).update(**changes)
    forget_states(*keys)
    with together():
        for session in ending:
            take_over(session, changes)
            announce(_ended(session, client, actor))


@again_after_deadlock
def _end_claimed(claims: tokens.Claims, client: Client) -> Session | None:
    with transaction.atomic(durable=True):
        session = principal.find(claims.sid)
        if session is None or str(session.user_id) != claims.sub:
            return None
        return session if revoke(session, reason=RevokeReason.SIGNED_OUT, client=client) else None


def _denied(session_id: UUID, current: Session, client: Client) -> SessionDenied:
    return SessionDenied(
        client=client,
        user_id=str(current.user_id),
        actor=Actor.user(current.user),
        session_id=str(current.pk),
        resource=f"session:{session_id}",
        success=False,
        failure_reason=FailureReason.NOT_PERMITTED,
    )


def _ended(session: Session, client: Client, actor: Actor | None) -> SessionRevoked:
    reason = RevokeReason(session.revoked_reason)
    kind = SignedOut if reason == RevokeReason.SIGNED_OUT else SessionExpired if reason in EXPIRY else SessionRevoked
    return kind(
        client=client,
        user_id=str(session.user_id),
        session_id=str(session.pk),
        actor=actor,
        reason=reason.value,
        by=session.revoked_by or None,
    )


def _ending(reason: RevokeReason, now: datetime, actor: Actor | None, by: str) -> dict[str, Any]:
    return {"revoked_at": now, "revoked_reason": reason, "revoked_by": (by or (actor and actor.id) or "")[:100]}
