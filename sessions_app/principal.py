"""Who is calling: a session joined with its account, asked for anew on every request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gatehouse.problems import Problem
from sessions_app.models import Session
from sessions_app.reasons import EXPIRY, RevokeReason


@dataclass(frozen=True, slots=True)
class Principal:
    """A live session and its active account; never made for anything less."""

    session: Session
    user: Any


def load(sid: UUID, now: datetime) -> Principal:
    """Return who session *sid* stands for, by one query.

    Raises access_invalid where there is no such session, session_revoked, session_expired.
    """
    session = find(sid)
    if session is None:
        raise Problem("access_invalid")
    return admit(session, now)


def find(sid: UUID) -> Session | None:
    """Return session *sid* with its account, live or not, by one query."""
    return next(iter(Session.objects.select_related("user").filter(pk=sid)), None)  # first() would sort


def admit(session: Session, now: datetime) -> Principal:
    """Return the principal of *session*; raises session_revoked, session_expired."""
    reason = end_of(session, now)
    if reason is not None:
        raise problem_of(reason)
    return Principal(session, session.user)


def end_of(session: Session, now: datetime) -> RevokeReason | None:
    """Return why *session* opens nothing at *now*, or None where it does.

    An act, and an account that is not active, come before the clock.
    """
    reason = session.end(now)
    if (reason is None or reason in EXPIRY) and not session.user.is_active:
        return RevokeReason.DISABLED
    return reason


def problem_of(reason: RevokeReason) -> Problem:
    """Return the refusal that a session ended for *reason* meets."""
    return Problem("session_expired" if reason in EXPIRY else "session_revoked")
