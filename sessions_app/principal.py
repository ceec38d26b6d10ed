"""Who is calling: a session joined with its account, asked for anew on every request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, router

from gatehouse.problems import Problem
from sessions_app import lookup, state_cache
from sessions_app.conf import app_settings
from sessions_app.models import Session
from sessions_app.reasons import EXPIRY, RevokeReason


@dataclass(frozen=True, slots=True)
class Principal:
    """A live session and its active account; never made for anything less."""

    session: Session
    user: Any

    def is_fresh(self, now: datetime) -> bool:
        """Whether identity was proved recently enough for what is delicate (ASVS 7.5.3)."""
        return now - self.session.authenticated_at < app_settings().REAUTH_TTL


def load(sid: UUID, now: datetime) -> Principal:
    """Return who session *sid* stands for, by one query.

    Raises access_invalid where there is no such session, session_revoked, session_expired.
    """
    session = find(sid)
    if session is None:
        raise Problem("access_invalid")
    return admit(session, now)


def find(sid: UUID) -> Session | None:
    """Return session *sid* with its account, live or not, by one query; for whoever is about to change it."""
    values = lookup.ask(sid, lookup.whole())
    return None if values is None else lookup.session_of(lookup.whole(), values)


def current(sid: UUID, now: datetime) -> Session | None:
    """Return session *sid* with its account as a request finds it, live or not: by one query, or by none.

    A cache only ever says that a session is live; whoever is to be refused is refused by the database. What a request
    seldom asks for is read when it does: the password hash, and what is known of the refresh token.
    """
    columns = lookup.usual()
    found = _cached(sid)
    if found.state is not None:
        known = lookup.unpack(columns, found.state)
        if known is not None:
            session = lookup.session_of(columns, known)
            if end_of(session, now) is None:
                return session
    values = lookup.ask(sid, columns)
    if values is None:
        return None
    session = lookup.session_of(columns, values)
    if found.lease is not None and end_of(session, now) is None:
        state_cache.store(sid, found.lease, lookup.pack(columns, values))
    return session


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


def _cached(sid: UUID) -> state_cache.Found:
    """Ask the cache, where there is one; a transaction sees another moment than the cache, and asks the database."""
    if not state_cache.is_on() or connections[router.db_for_read(Session)].in_atomic_block:
        return state_cache.Found()
    return state_cache.look(sid)
