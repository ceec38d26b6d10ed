"""Resetting a forgotten password: a link asked for, mailed, and used.

1. Asking looks nothing up: the worker decides what an address deserves, so that every address takes the same time
   (ASVS 6.3.8).
2. A reset proves the mailbox and nothing more: where an authenticator app is set up, its code is asked for too
   (ASVS 6.4.3), and nobody is signed in by it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from accounts import events, links, mails, passwords
from accounts.models import Link, LinkPurpose, Mail, Method, RecoveryCode, Status, TotpDevice, User
from accounts.services import factors, lockouts, tries
from accounts.services.passwords import queue_reset, reason_of, replace_password, reused
from accounts.services.registration import checked_address
from accounts.signals import announce, user_verified
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from gatehouse.text import normalise_email
from sessions_app import services as sessions
from sessions_app.reasons import RevokeReason


class ResetOutcome(StrEnum):
    """What an address that asked for a reset deserves."""

    LINK = "link"
    NO_ACCOUNT = "no_account"
    NOTHING = "nothing"


@dataclass(frozen=True)
class ResetView:
    """What a page may tell of a reset link before it is used."""

    user: User
    asks_code: bool


def request_reset(*, email: str, client: Client) -> None:
    """Ask for a link that sets a new password.

    Looks nothing up. An address that was asked for too often is answered alike, and mailed nothing more: the newest
    of its links still works. Raises validation_failed.
    """
    address = checked_address(email)
    asked = events.ResetRequested(client=client, email=address, actor=Actor.anonymous())
    try:
        limits.take(None, ("reset_address", normalise_email(address)[1]))
    except limits.LimitReached:
        with transaction.atomic(durable=True):
            announce(replace(asked, success=False, failure_reason=FailureReason.RATE_LIMITED))
        return
    with transaction.atomic(durable=True):
        mails.reset_request(address, client)
        announce(asked)


def answer_request(*, request: Mail) -> None:
    """Mail the address of a *request* in the outbox what it deserves: the worker's half of request_reset().

    A link where the account may be reset. Where nobody has one, that, at most once a day. Nothing to an account that
    staff disabled, deleted or invited: the first two were told by staff, the last has a link of its own.
    """
    user = User.objects.by_address(request.to)
    outcome = _outcome(user, request.to)
    client = Client(ip=request.context["ip"], device_name=request.context["device"])
    with transaction.atomic(durable=True):
        if outcome == ResetOutcome.LINK and user is not None:
            queue_reset(user=user, client=client)
        elif outcome == ResetOutcome.NO_ACCOUNT:
            mails.no_account(request.to, client)
        mails.answered(request)
        announce(
            events.ResetAnswered(
                client=client,
                user_id=str(user.pk) if user else None,
                actor=Actor.system("worker"),
                email=request.to,
                outcome=outcome.value,
            )
        )


def peek_reset(token: str) -> ResetView:
    """Tell a page whose password a link sets, without using it.

    Raises token_invalid, token_expired, token_used.
    """
    user = _open_link(token, timezone.now()).user
    return ResetView(user, _asks_code(user))


def reset_password(
    *, token: str, new_password: str, client: Client, method: str | None = None, code: str | None = None
) -> User:
    """Set a new password by the link of a mail, end everything that the old one opened, and sign nobody in.

    An address that was never proved is proved by this, and what was set up without that proof goes. A refused
    password, a missing or a wrong code leaves the link open; a wrong code counts against the account's day.
    Raises token_invalid, token_expired, token_used, validation_failed, factor_required, otp_invalid (with
    ``attempts_remaining``), rate_limited, service_unavailable. ASVS 6.4.3, 6.5.1, 7.4.3.
    """
    now = timezone.now()

    def tried(link: Link | None) -> events.PasswordReset:
        return _event(link.user if link else None, client)

    with links.recording(token=token, purpose=LinkPurpose.RESET, event=tried, reason=reason_of):
        user = _open_link(token, now).user
        passwords.check_policy(new_password, about=(user.email, user.display_name), field="new_password")
        code = _code_owed(user, code)
        with _counting(user, code, client) as left:
            same, _fresh = passwords.verify(new_password, user.password)
            encoded = passwords.hash_new_password(new_password)
            with transaction.atomic(durable=True):
                held = _consume(token, now)
                code = _code_owed(held, code)
                if code and not factors.use_code(user=held, method=method, code=code, client=client, now=now):
                    raise Problem("otp_invalid", attempts_remaining=left)
                if same:  # told only to whoever has the code as well
                    raise reused()
                _prove_address(held, client, now)
                replace_password(user=held, encoded=encoded, client=client, now=now)
                mails.password_changed(held, client, reset=True)
                ended = sessions.revoke_all(user=held, reason=RevokeReason.PASSWORD_RESET, client=client)
                announce(_event(held, client, sessions_ended=ended))
    lockouts.lift(held)  # what was guessed at is in force no more
    return held


def _outcome(user: User | None, email: str) -> ResetOutcome:
    if user is not None:
        return ResetOutcome.LINK if _may_be_reset(user) else ResetOutcome.NOTHING
    try:
        limits.take(None, ("no_account_address", normalise_email(email)[1]))
    except limits.LimitReached:
        return ResetOutcome.NOTHING
    return ResetOutcome.NO_ACCOUNT


def _may_be_reset(user: User) -> bool:
    return user.status == Status.ACTIVE or (user.status == Status.INACTIVE and not user.is_staff)


def _open_link(token: str, now: datetime) -> Link:
    link = links.usable(token=token, purpose=LinkPurpose.RESET, now=now)
    _check_owner(link.user, link)
    return link


def _consume(token: str, now: datetime) -> User:
    """Use the link up and return its account, locked, in the caller's transaction."""
    link = links.consume(token=token, purpose=LinkPurpose.RESET, now=now)
    held = User.objects.select_for_update().get(pk=link.user_id)
    _check_owner(held, link)
    return held


def _check_owner(user: User, link: Link) -> None:
    if user.email != link.email or not _may_be_reset(user):
        raise Problem("token_invalid")


def _asks_code(user: User) -> bool:
    return user.email_verified and factors.has_app(user)


def _code_owed(user: User, code: str | None) -> str | None:
    """Return *code* where the account asks for one; raises factor_required where none came."""
    if not _asks_code(user):
        return None
    if not code:
        raise Problem("factor_required", methods=[Method.TOTP.value, Method.RECOVERY.value])
    return code


@contextmanager
def _counting(user: User, code: str | None, client: Client) -> Iterator[int]:
    """Count a code against the account's day, and give it back unless it was wrong; give how many are left."""
    if code is None:
        yield 0
        return
    hit = ("code_account", str(user.pk))
    left = tries.count(hit, user=user, client=client)
    try:
        yield left
    except Problem as problem:
        if problem.code != "otp_invalid":
            limits.release(hit)
        raise
    limits.release(hit)


def _prove_address(held: User, client: Client, now: datetime) -> None:
    """Take the link for a proof of the address; before it, anybody may have signed up with it (ASVS 6.3.8)."""
    if held.email_verified:
        return
    held.email_verified_at = now
    held.set_status(Status.ACTIVE)
    held.save(update_fields=["email_verified_at", "status", "is_active", "updated_at"])
    TotpDevice.objects.filter(user=held).delete()
    RecoveryCode.objects.filter(user=held).delete()
    announce(events.AddressVerified(client=client, user_id=str(held.pk), email=held.email))
    transaction.on_commit(lambda: user_verified.send_robust(User, user=held, client=client))


def _event(user: User | None, client: Client, *, sessions_ended: int = 0) -> events.PasswordReset:
    return events.PasswordReset(
        client=client,
        user_id=str(user.pk) if user else None,
        email=user.email if user else None,
        sessions_ended=sessions_ended,
    )
