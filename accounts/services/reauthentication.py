"""Proving again who one is, before something dangerous."""

from dataclasses import replace
from typing import NoReturn

from django.db import transaction
from django.utils import timezone

from accounts import events, passwords
from accounts.models import Method, User
from accounts.services import factors, tries
from accounts.services.gate import Entry, may_enter
from accounts.signals import announce, refuse
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Door, Session

_STRONG = frozenset({Method.TOTP.value, Method.RECOVERY.value})


def owes_app(*, user: User, session: Session) -> bool:
    """Tell whether the newest proof in *session* was made without the app that *user* has set up.

    Asked before a change of factors or of the address: whoever has a password and a session only changes neither
    (ASVS 7.5.1). How old that proof may be, Principal.is_fresh says.
    """
    return not _STRONG.intersection(session.factors[-1:]) and factors.has_app(user)


def proved_app(session: Session) -> bool:
    """Tell whether an authenticator app, or a recovery code of one, was ever proved in *session*."""
    return bool(_STRONG.intersection(session.factors))


def app_missing() -> Problem:
    """Return the refusal of whoever proved themselves without the app."""
    return Problem("factor_required", methods=[Method.TOTP.value, Method.RECOVERY.value])


def reauthenticate(
    *, user: User, session: Session, password: str, client: Client, method: str | None = None, code: str | None = None
) -> None:
    """Take the password once more and, where it is given or the door asks for it, a code of the app.

    Sets when the session was authenticated; a mailed code is never taken (ASVS 7.5.1, 7.5.3).
    Raises invalid_credentials, otp_invalid, factor_required, rate_limited, session_revoked, service_unavailable.
    """
    now = timezone.now()
    hits = [_take_password(user, session, password, client)]
    if code is None and (user.is_staff or session.door == Door.STAFF) and factors.has_app(user):
        _refuse(app_missing(), user, session, client, FailureReason.FACTOR_MISSING)
    if code is not None:  # wrong codes of an account are counted together, wherever they are given
        hits.append(("code_account", str(user.pk)))
        _count(hits[-1], user, session, client)
    proved = ["password"]
    with transaction.atomic(durable=True):
        if code is not None and factors.use_code(user=user, method=method, code=code, client=client, now=now):
            proved.append(method or Method.TOTP.value)
        if code is None or len(proved) > 1:
            sessions.reauthenticated(session, proved, now)
            announce(_event(user, session, client, tuple(proved)))
    if code is not None and len(proved) == 1:
        _refuse(Problem("otp_invalid"), user, session, client, FailureReason.CODE_WRONG)
    limits.release(*hits)


def confirm_password(*, user: User, session: Session, password: str, client: Client) -> None:
    """Take the password once more, for a step that asks for it with what it changes.

    Wrong ones are counted and recorded like those of reauthenticate(). Says nothing of the session's age.
    Raises invalid_credentials, rate_limited, session_revoked, service_unavailable.
    """
    limits.release(_take_password(user, session, password, client))


def _take_password(user: User, session: Session, password: str, client: Client) -> limits.Hit:
    """Count a try and check it; return what to give back once all that was asked for is right."""
    hit = ("reauth_account", str(user.pk))
    _count(hit, user, session, client)
    right, _fresh = passwords.verify(password, user.password)
    if not right:
        _refuse(Problem("invalid_credentials"), user, session, client, FailureReason.BAD_CREDENTIALS)
    gate = may_enter(user=user, door=Door(session.door), trusted=None, known=True)
    if gate in (Entry.DISABLED, Entry.UNKNOWN, Entry.VERIFY_ADDRESS):
        _refuse(Problem("session_revoked"), user, session, client, FailureReason.NOT_PERMITTED)
    return hit


def _count(hit: tuple[str, str], user: User, session: Session, client: Client) -> None:
    """Count a try; when too many were made, that is recorded and the owner told once."""
    tries.count(hit, user=user, client=client, refused=_failed(user, session, client, FailureReason.RATE_LIMITED))


def _event(user: User, session: Session, client: Client, proved: tuple[str, ...]) -> events.Reauthenticated:
    return events.Reauthenticated(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk),
        factors=proved,
    )


def _refuse(problem: Problem, user: User, session: Session, client: Client, reason: FailureReason) -> NoReturn:
    refuse(problem, _failed(user, session, client, reason))


def _failed(user: User, session: Session, client: Client, reason: FailureReason) -> events.Reauthenticated:
    return replace(_event(user, session, client, ()), success=False, failure_reason=reason)
