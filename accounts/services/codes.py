"""Mailed codes: making them, sending them again, and telling how a challenge stands.

A code is derived from the challenge and its send number, never drawn, so that the worker finds it again and nothing
secret waits in the outbox; the challenge holds a keyed hash of the newest one only (ASVS 6.5.2 to 6.5.5).
"""

import math
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, mails
from accounts.conf import app_settings
from accounts.models import Challenge, Method, Status, User
from accounts.signals import announce, refuse
from gatehouse import hashing, limits
from gatehouse.client import Client
from gatehouse.events import FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.text import mask_email


@dataclass(frozen=True)
class MethodView:
    """A way to answer, with a hint of where the code goes."""

    type: str
    hint: str | None


@dataclass(frozen=True)
class ChallengeView:
    """A challenge as pages and API show it; the seconds are whole."""

    id: UUID
    methods: list[MethodView]
    expires_at: datetime
    code_expires_at: datetime | None
    resend_after: int
    sends_left: int
    attempts_remaining: int

    @property
    def method(self) -> str:
        """The method that is offered first."""
        return self.methods[0].type


def describe(challenge_id: UUID | str) -> ChallengeView:
    """Tell how a challenge stands; raises challenge_expired for an unknown, spent or finished one."""
    now = timezone.now()
    return view_of(live_challenge(challenge_id, now), now)


def send(*, challenge_id: UUID | str, client: Client, method: str | None = None) -> ChallengeView:
    """Mail a new code for a challenge; the earlier one is worth nothing from then on.

    Raises challenge_expired; rate_limited before its time or after the last send; validation_failed for another method.
    """
    now = timezone.now()
    try:
        challenge = live_challenge(challenge_id, now)
    except Problem as problem:
        refuse(problem, _not_sent(found(challenge_id), client, FailureReason.CHALLENGE_EXPIRED))
    if method not in (None, *challenge.methods):
        raise validation("method", "invalid_choice", _("Choose one of the ways that this sign-in offers."))
    if Method.EMAIL.value not in challenge.methods or method not in (None, Method.EMAIL.value):
        return view_of(challenge, now)  # an app shows its codes by itself: nothing is sent
    if reached := _limit_reached(challenge, now):
        refuse(reached, _not_sent(challenge, client, FailureReason.RATE_LIMITED))
    owner = owner_of(challenge)
    count_send(owner, client)
    try:
        _send_next(challenge, client, now)
    except limits.LimitReached as problem:
        limits.release(("code_send_account", str(owner.pk)))  # nothing was sent
        refuse(problem, _not_sent(challenge, client, FailureReason.RATE_LIMITED))
    return view_of(challenge, now)


def next_code(challenge: Challenge, now: datetime) -> None:
    """Set the next code on *challenge*, unsaved."""
    conf = app_settings()
    challenge.sends += 1
    code = hashing.derive_code("sign-in", challenge.pk, challenge.sends, conf.OTP_LENGTH)
    challenge.code_hash = hashing.keyed_hash("code", challenge.pk, code)
    challenge.code_expires_at = now + conf.OTP_TTL
    challenge.last_sent_at = now


def count_send(user: User, client: Client, *given_back: limits.Hit) -> None:
    """Count a mailed code against the account, and give other hits back; raises rate_limited, and records it."""
    try:
        limits.exchange(("code_send_account", str(user.pk)), *given_back)
    except limits.LimitReached as problem:
        refuse(problem, _not_sent(Challenge(user=user, email=user.email), client, FailureReason.RATE_LIMITED))


def live_challenge(challenge_id: UUID | str, now: datetime) -> Challenge:
    """Return the challenge while it can be answered; raises challenge_expired."""
    try:
        key = UUID(str(challenge_id))
    except ValueError:
        raise Problem("challenge_expired") from None
    live = Challenge.objects.live(now, app_settings().OTP_ATTEMPTS).select_related("user")
    challenge = live.filter(pk=key, user__status=Status.ACTIVE).first()
    if challenge is None:
        raise Problem("challenge_expired")
    return challenge


def found(challenge_id: UUID | str) -> Challenge | None:
    """Return a challenge in whatever state, or None."""
    try:
        return Challenge.objects.filter(pk=UUID(str(challenge_id))).first()
    except ValueError:
        return None


def owner_of(challenge: Challenge) -> User:
    """Return whose sign-in it is; raises challenge_expired where the account is gone."""
    if challenge.user is None:
        raise Problem("challenge_expired")
    return challenge.user


def cancel(challenge_id: UUID | str) -> None:
    """End a challenge that somebody turned away from."""
    try:
        key = UUID(str(challenge_id))
    except ValueError:
        return
    Challenge.objects.filter(pk=key, consumed_at__isnull=True).update(expires_at=timezone.now())


def cancel_all(*, user: User) -> int:
    """End every half-done sign-in of *user*; the caller holds the transaction.

    Each ends at its own beginning, so that an answer on its way, which read the clock before, comes too late as well.
    """
    return Challenge.objects.filter(user=user, consumed_at__isnull=True).update(expires_at=F("created_at"))


def view_of(challenge: Challenge, now: datetime) -> ChallengeView:
    """Return what may be shown of *challenge*."""
    conf = app_settings()
    mailed = Method.EMAIL.value in challenge.methods
    return ChallengeView(
        id=challenge.pk,
        methods=[
            MethodView(method, mask_email(challenge.email) if method == Method.EMAIL.value else None)
            for method in challenge.methods
        ],
        expires_at=challenge.expires_at,
        code_expires_at=challenge.code_expires_at,
        resend_after=_resend_after(challenge, now) if mailed else 0,
        sends_left=max(0, conf.OTP_SENDS - challenge.sends) if mailed else 0,
        attempts_remaining=max(0, conf.OTP_ATTEMPTS - challenge.attempts),
    )


def _limit_reached(challenge: Challenge, now: datetime) -> limits.LimitReached | None:
    """Return the refusal of a send, by what the challenge's own row says, or None."""
    if wait := _resend_after(challenge, now):
        return limits.reached("challenge_pause", wait=wait)
    if challenge.sends >= app_settings().OTP_SENDS:
        return limits.reached("challenge_sends", wait=_seconds(challenge.expires_at, now))
    return None


def _send_next(challenge: Challenge, client: Client, now: datetime) -> None:
    """Mail the next code; raises gatehouse.limits.LimitReached where another request sent one meanwhile."""
    with transaction.atomic(durable=True):
        send_number = challenge.sends
        next_code(challenge, now)
        mine = Challenge.objects.live(now, app_settings().OTP_ATTEMPTS).filter(pk=challenge.pk, sends=send_number)
        held = ("sends", "code_hash", "code_expires_at", "last_sent_at")
        if not mine.update(**{name: getattr(challenge, name) for name in held}):
            challenge.sends = send_number
            raise limits.reached("challenge_pause", wait=_seconds(now + app_settings().OTP_RESEND_AFTER, now))
        mails.code(challenge, client)
        announce(
            events.CodeSent(
                client=client,
                user_id=str(challenge.user_id),
                email=challenge.email,
                challenge_id=str(challenge.pk),
                send=challenge.sends,
            )
        )


def _not_sent(challenge: Challenge | None, client: Client, reason: FailureReason) -> events.CodeSent:
    return events.CodeSent(
        client=client,
        user_id=str(challenge.user_id) if challenge and challenge.user_id else None,
        email=challenge.email if challenge else None,
        success=False,
        failure_reason=reason,
        challenge_id=str(challenge.pk) if challenge else "",
        send=challenge.sends if challenge else 0,
    )


def _resend_after(challenge: Challenge, now: datetime) -> int:
    if challenge.last_sent_at is None:
        return 0
    pause = app_settings().OTP_RESEND_AFTER
    return _seconds(min(challenge.last_sent_at, now) + pause, now)  # another process's clock may be ahead


def _seconds(until: datetime, now: datetime) -> int:
    return max(0, math.ceil((until - now).total_seconds()))
