"""Reading the answer to a challenge: an attempt is taken first, then the code is read, then all is consumed at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts import events
from accounts.conf import app_settings
from accounts.models import Challenge, Method, User
from accounts.services import codes, factors, tries
from accounts.signals import announce, refuse
from gatehouse import hashing, limits
from gatehouse.client import Client
from gatehouse.events import FailureReason
from gatehouse.problems import Problem, validation


@dataclass(frozen=True)
class Attempt:
    """One of the few answers that a challenge takes, counted before it is read."""

    challenge: Challenge
    user: User
    method: Method
    remaining: int


class _Refused(Exception):  # noqa: N818  (a condition; it never leaves this module)
    """Raised inside the transaction of an answer, so that all it took is given back; a Problem outside of it."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason)
        self.reason = reason


def take_attempt(*, challenge_id: UUID | str, method: str | None, client: Client, now: datetime) -> Attempt:
    """Take one attempt of a challenge by a conditional UPDATE.

    Raises challenge_expired; rate_limited after too many wrong codes of the account in a day; validation_failed.
    """
    try:
        challenge = codes.live_challenge(challenge_id, now)
    except Problem:
        refuse_unknown(client, codes.found(challenge_id))
    chosen = Method(method) if method in Method.values else Method(challenge.methods[0])
    if method is not None and method not in challenge.methods:
        raise validation("method", "invalid_choice")
    user = codes.owner_of(challenge)
    allowed = app_settings().OTP_ATTEMPTS
    mine = Challenge.objects.live(now, allowed).filter(pk=challenge.pk)
    if not mine.update(attempts=F("attempts") + 1):
        refuse_unknown(client, challenge)
    _reserve(user, challenge, chosen, client)  # last, so that what is never read uses up nothing of the day
    taken = Challenge.objects.filter(pk=challenge.pk).values_list("attempts", flat=True).first()
    if taken is None:  # it went with its account, which was erased meanwhile
        give_back(user)
        refuse_unknown(client)
    return Attempt(challenge, user, chosen, max(0, allowed - taken))


@contextmanager
def reading(attempt: Attempt, client: Client) -> Iterator[list[str]]:
    """Give the factors that a right answer proves, and turn a wrong one into its refusal.

    Raises otp_invalid, otp_expired, challenge_expired.
    """
    try:
        yield ["password", attempt.method.value]
    except _Refused as refused:
        _refuse(attempt, refused.reason, client)
    except Problem as problem:  # the account was disabled while the code was read
        give_back(attempt.user)
        refuse(problem, _failed(attempt, FailureReason.DISABLED, client, None))


def consume(attempt: Attempt, code: str, client: Client, now: datetime) -> None:
    """Check the code and use it up with its challenge, in the caller's transaction."""
    mine = Challenge.objects.filter(pk=attempt.challenge.pk, consumed_at__isnull=True, expires_at__gt=now)
    if not mine.update(consumed_at=now, method_used=attempt.method):
        raise _Refused(FailureReason.CODE_REPLAYED)
    if attempt.method == Method.EMAIL:
        _check_mailed(attempt.challenge, code, now)
    elif not factors.use_code(user=attempt.user, method=attempt.method.value, code=code, client=client, now=now):
        raise _Refused(FailureReason.CODE_WRONG)


def give_back(user: User) -> None:
    """Give *user* the day's attempt back: only wrong codes count."""
    limits.release(("code_account", str(user.pk)))


def refuse_unknown(client: Client, challenge: Challenge | None = None) -> NoReturn:
    """Refuse an answer to a challenge that is over, foreign or was never there, all alike."""
    replayed = challenge is not None and challenge.consumed_at is not None
    refuse(
        Problem("challenge_expired"),
        events.CodeFailed(
            client=client,
            user_id=str(challenge.user_id) if challenge and challenge.user_id else None,
            failure_reason=FailureReason.CODE_REPLAYED if replayed else FailureReason.CHALLENGE_EXPIRED,
            challenge_id=str(challenge.pk) if challenge else "",
            method="",
        ),
    )


def _reserve(user: User, challenge: Challenge, method: Method, client: Client) -> None:
    """Count an answer against the account's day; when it is used up that is recorded, and the owner told once."""
    refused = events.CodeFailed(
        client=client,
        user_id=str(user.pk),
        email=user.email,
        failure_reason=FailureReason.RATE_LIMITED,
        challenge_id=str(challenge.pk),
        method=method.value,
    )
    tries.count(("code_account", str(user.pk)), user=user, client=client, refused=refused)


def _check_mailed(challenge: Challenge, code: str, now: datetime) -> None:
    fits = any(hashing.same(challenge.code_hash, known) for known in hashing.keyed_hashes("code", challenge.pk, code))
    if not challenge.code_hash or not fits:
        raise _Refused(FailureReason.CODE_WRONG)
    if challenge.code_expires_at is None or now >= challenge.code_expires_at:
        raise _Refused(FailureReason.CODE_EXPIRED)


def _refuse(attempt: Attempt, reason: FailureReason, client: Client) -> NoReturn:
    match reason:
        case FailureReason.CODE_REPLAYED:
            problem, remaining = Problem("challenge_expired"), None
        case FailureReason.CODE_EXPIRED:
            problem, remaining = Problem("otp_expired"), attempt.remaining
        case _:
            problem, remaining = Problem("otp_invalid", attempts_remaining=attempt.remaining), attempt.remaining
    wrong = reason == FailureReason.CODE_WRONG
    if not wrong:
        give_back(attempt.user)
    if reason == FailureReason.CODE_EXPIRED:  # what was once too old stays so, though the clock be set back
        same = Challenge.objects.filter(pk=attempt.challenge.pk, code_hash=attempt.challenge.code_hash)
        same.update(code_expires_at=F("created_at"))
    spent = wrong and attempt.remaining == 0
    event = _failed(attempt, reason, client, remaining)
    if spent:
        _note_exhausted(event)
    refuse(problem, event)


def _failed(attempt: Attempt, reason: FailureReason, client: Client, remaining: int | None) -> events.CodeFailed:
    return events.CodeFailed(
        client=client,
        user_id=str(attempt.user.pk),
        email=attempt.user.email,
        failure_reason=reason,
        challenge_id=str(attempt.challenge.pk),
        method=attempt.method.value,
        attempts_remaining=remaining,
    )


def _note_exhausted(event: events.CodeFailed) -> None:
    with transaction.atomic(durable=True):
        announce(
            events.CodesExhausted(
                client=event.client,
                user_id=event.user_id,
                email=event.email,
                failure_reason=FailureReason.CODE_EXHAUSTED,
                challenge_id=event.challenge_id,
            )
        )
