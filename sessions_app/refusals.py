"""What is recorded of tokens and sessions that open nothing or do not fit together, without a flood of rows."""

from uuid import UUID

from django.db import transaction

from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import FailureReason, SecurityEvent
from gatehouse.problems import Problem
from sessions_app.events import OriginRefused, SessionMismatch, SessionUsedAfterEnd, TokenRefused
from sessions_app.models import Session
from sessions_app.reasons import EXPIRY, RevokeReason
from sessions_app.signals import announce


def note_refused_token(*, kind: str, problem: Problem, client: Client, session_id: UUID | None = None) -> None:
    """Record that a token of *kind* was refused with *problem*."""
    expired = problem.code == "access_expired"
    note(
        TokenRefused(
            client=client,
            kind=kind,
            success=False,
            failure_reason=FailureReason.TOKEN_EXPIRED if expired else FailureReason.TOKEN_INVALID,
            session_id=str(session_id) if session_id else None,
        )
    )


def note_use_after_end(*, session: Session, reason: RevokeReason, client: Client) -> None:
    """Record that *session*, ended for *reason*, was used once more."""
    note(
        SessionUsedAfterEnd(
            client=client,
            user_id=str(session.user_id),
            session_id=str(session.pk),
            reason=reason.value,
            success=False,
            failure_reason=FailureReason.SESSION_EXPIRED if reason in EXPIRY else FailureReason.SESSION_ENDED,
        )
    )


def note_mismatch(*, session: Session, cookie: Session, client: Client) -> None:
    """Record, once a day, that *session* was used beside the cookie of *cookie*, another account's session."""
    try:
        limits.take(None, ("mismatch_sessions", f"{session.pk}:{cookie.pk}"))
    except Problem:
        return
    with transaction.atomic(durable=True):
        announce(
            SessionMismatch(
                client=client,
                user_id=str(session.user_id),
                session_id=str(session.pk),
                other_user_id=str(cookie.user_id),
                other_session_id=str(cookie.pk),
            )
        )


def note_refused_origin(*, origin: str, client: Client) -> None:
    """Record that *origin* may not use our cookies."""
    note(
        OriginRefused(client=client, origin=origin[:200], success=False, failure_reason=FailureReason.ORIGIN),
    )


def note(event: SecurityEvent) -> None:
    """Record *event* in a transaction of its own, as long as its address stays under the limit.

    Over the limit nothing is written, so that forged tokens cannot fill the trail; the refusal stands all the same.
    """
    try:
        limits.take(None, ("invalid_token_ip", event.client.network))
    except Problem:
        return
    with transaction.atomic(durable=True):
        announce(event)
