"""Who is calling: a session joined with its account, asked for anew on every request."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from gatehouse.problems import Problem
from sessions_app.models import Session
from sessions_app.reasons import EXPIRY, RevokeReason

_KEPT = "_sessions_app_principal"


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
    connection = connections[router.db_for_read(Session)]
    compiler, statement = _look_up(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement, [Session._meta.pk.get_db_prep_value(sid, connection)])
        rows = cursor.fetchmany(1)
    for values in compiler.results_iter([rows]):
        mine, theirs = _columns()
        session = Session.from_db(connection.alias, mine, values[: len(mine)])
        session.user = get_user_model().from_db(connection.alias, theirs, values[len(mine) :])
        return session
    return None


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


def _look_up(connection: BaseDatabaseWrapper) -> tuple[SQLCompiler, str]:
    """Return the one query, written once a connection: every request asks it, and writing it costs more than asking."""
    kept: tuple[SQLCompiler, str] | None = vars(connection).get(_KEPT)
    if kept is None:
        mine, theirs = _columns()
        names = [*mine, *(f"user__{name}" for name in theirs)]
        compiler = Session.objects.filter(pk=UUID(int=0)).values_list(*names).query.get_compiler(connection=connection)
        kept = vars(connection)[_KEPT] = compiler, compiler.as_sql()[0]
    return kept


@cache
def _columns() -> tuple[list[str], list[str]]:
    """Return the columns of a session, and those of its account."""
    models = (Session, get_user_model())
    mine, theirs = ([field.attname for field in model._meta.concrete_fields] for model in models)
    return mine, theirs
