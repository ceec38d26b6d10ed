"""Exchanging a refresh token: one conditional UPDATE, and the verdict on a token that it did not take."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor, FailureReason
from gatehouse.ids import uuid7
from gatehouse.problems import Problem
from sessions_app import keyring, principal, refusals, tokens
from sessions_app.conf import app_settings
from sessions_app.events import SessionRenewed, TokenReused
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from sessions_app.services import exchange
from sessions_app.services.ending import revoke, use_after_end
from sessions_app.services.rows import forget_states, lock, network, whole
from sessions_app.signals import announce


@dataclass(frozen=True)
class _Verdict:
    """What became of a refresh token whose signature is good."""

    session: Session | None
    reused: bool = False  # a token of the past, which ends the session
    ended: RevokeReason | None = None


def rotate(*, raw_refresh: str, client: Client) -> tokens.Tokens:
    """Exchange a refresh token for its successor and a fresh access token.

    Raises refresh_invalid, session_revoked, session_expired, refresh_reused, in that order.
    RFC 9700, 4.14.2: of a token used twice nobody can tell who used it first, so the session ends.
    """
    claims = _read(raw_refresh, client)
    now = timezone.now()
    verdict = _judged(claims, client, now)
    if verdict.session is None:
        raise _noted(Problem("refresh_invalid"), client, claims.sid)
    if verdict.ended is not None:
        use_after_end(session=verdict.session, reason=verdict.ended, client=client, now=now)
        raise principal.problem_of(verdict.ended)
    if verdict.reused:
        raise Problem(_end_reused(verdict.session, client))
    return tokens.issue(verdict.session)


def _read(raw: str, client: Client) -> tokens.RefreshClaims:
    try:
        return tokens.read_refresh(raw, allow_expired=True)
    except Problem as problem:
        raise _noted(problem, client) from None


def _noted(problem: Problem, client: Client, sid: UUID | None = None) -> Problem:
    refusals.note_refused_token(kind=tokens.REFRESH, problem=problem, client=client, session_id=sid)
    return problem


@again_after_deadlock
def _judged(claims: tokens.RefreshClaims, client: Client, now: datetime) -> _Verdict:
    with transaction.atomic(durable=True):
        return _judge(claims, client, now)


def _judge(claims: tokens.RefreshClaims, client: Client, now: datetime) -> _Verdict:
    renewed = _rotate_row(claims, client, now)
    if renewed is not None:
        forget_states(claims.sid)
    session = renewed or principal.find(claims.sid)
    if session is None or str(session.user_id) != claims.sub:
        return _Verdict(None)
    ended = principal.end_of(session, now)
    if ended is not None:
        return _Verdict(session, ended=ended)
    if renewed is not None or _may_have_again(session, claims.jti, now):
        announce(_renewed(session, client, grace=renewed is None))
        return _Verdict(session)
    return _Verdict(session, reused=True)


def _rotate_row(claims: tokens.RefreshClaims, client: Client, now: datetime) -> Session | None:
    """Put the successor of the current token in its place and return the session; of any number of callers one does."""
    successor = {
        "refresh_id": uuid7(),
        "refresh_kid": keyring.signing_key().kid,
        "refresh_issued_at": whole(now),
        "previous_refresh_id": claims.jti,
        "rotated_at": now,
        "last_used_at": now,
        **network(client),
    }
    end = whole(now) + app_settings().REFRESH_IDLE
    return exchange.put(claims.sid, claims.jti, successor, end=end, now=now)


def _may_have_again(session: Session, jti: UUID, now: datetime) -> bool:
    """Whether *jti* is the immediate predecessor and its use is fresh enough for a lost answer."""
    grace = app_settings().REUSE_GRACE
    if not grace or session.rotated_at is None or session.previous_refresh_id != jti:
        return False
    return now - session.rotated_at <= grace


@again_after_deadlock
def _end_reused(session: Session, client: Client) -> str:
    """End *session* for a used token that came back; return the code to refuse with. The first end stands."""
    reused = TokenReused(
        client=client,
        user_id=str(session.user_id),
        session_id=str(session.pk),
        rotation=session.rotation,
        success=False,
        failure_reason=FailureReason.TOKEN_REUSED,
    )
    with transaction.atomic(durable=True):
        lock(session.user)
        if not revoke(session, reason=RevokeReason.REFRESH_REUSED, client=client, actor=Actor.system()):
            return "session_revoked"
        announce(reused)
    return "refresh_reused"


def _renewed(session: Session, client: Client, *, grace: bool) -> SessionRenewed:
    return SessionRenewed(
        client=client,
        user_id=str(session.user_id),
        session_id=str(session.pk),
        rotation=session.rotation,
        grace=grace,
    )
