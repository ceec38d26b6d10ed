"""Signing in: the password, the code, and the one gate that every session comes through."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import events, links, lockout, mails, passwords
from accounts.conf import app_settings
from accounts.models import Challenge, ChallengePurpose, LinkPurpose, Method, Status, User
from accounts.services import answers, codes, disavowal, lockouts, registration
from accounts.services.gate import TAKEN, Entry, Overtaken, find, hold, is_known, may_enter
from accounts.signals import announce, refuse, user_signed_in
from gatehouse import prepared
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.limits import LimitReached, Usage
from gatehouse.problems import Problem
from gatehouse.signals import note_limit
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport


@dataclass(frozen=True)
class SignedIn:
    """A whole sign-in: the session it opened, and the tokens that make the device known."""

    user: User
    session: Session
    device_token: str | None = field(default=None, repr=False)
    trust_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class CodeNeeded:
    """The password was right; a code is asked for."""

    challenge: codes.ChallengeView


@dataclass(frozen=True)
class AddressUnverified:
    """The password was right, but the address is not proved yet; a new link is on its way."""

    email: str


SignInStep = SignedIn | CodeNeeded | AddressUnverified


@dataclass(frozen=True)
class Arrival:
    """How somebody comes in: the door, the transport, and what the client said of itself."""

    door: Door
    transport: Transport
    client: Client
    device_token: str | None = field(default=None, repr=False)
    unlock_token: str | None = field(default=None, repr=False)  # accounts/services/lockouts.py
    keep: bool = True
    usages: dict[str, Usage] = field(default_factory=dict, repr=False)  # told to the client: gatehouse.limits.usages_of


_IP_LIMITS = {Door.API: "login_ip", Door.PAGE: "login_ip", Door.STAFF: "staff_ip"}


def begin(*, email: str, password: str, arrival: Arrival) -> SignInStep:
    """Take the first step of a sign-in: one hash whatever the address, then what the gate says.

    Raises rate_limited, account_locked, invalid_credentials, account_disabled, factor_required, service_unavailable.
    ASVS 6.3.1, 6.3.3, 6.3.8.
    """
    now = timezone.now()
    address, key = lockout.named(email)
    user = find(address)
    trusted = devices.is_trusted(user=user, token=arrival.device_token, now=now) if user else None
    let_past = lockouts.let_past(user=user, token=arrival.unlock_token, now=now)
    reservation = _reserve(user, address, key, trusted, let_past, arrival)
    right, fresh = passwords.verify(password, user.password if user else None)
    if user is None or not right or user.status == Status.DELETED:
        reservation.record_failure()
        _refuse(Problem("invalid_credentials"), arrival, user, address, _reason(user))
    known = is_known(user, arrival.client, arrival.device_token)
    entry = may_enter(user=user, door=arrival.door, trusted=trusted, known=known)
    if entry == Entry.UNKNOWN:  # nobody of this door: told, counted and recorded like a wrong password
        reservation.record_failure()
        _refuse(Problem("invalid_credentials"), arrival, user, address, FailureReason.NOT_PERMITTED)
    if entry == Entry.MAILED_CODE:
        codes.count_send(user, arrival.client, *reservation.hits)
    else:
        reservation.release()
    if fresh is not None:
        User.objects.filter(pk=user.pk, password=user.password).update(password=fresh)
    match entry:
        case Entry.ENTER:
            return _enter(user, arrival, now)
        case Entry.MAILED_CODE | Entry.APP:
            return _challenge(user, list(TAKEN[entry]), arrival, now)
        case Entry.VERIFY_ADDRESS:
            return _ask_for_proof(user, address, arrival, now)
        case Entry.APP_MISSING:
            missing = Problem("factor_required", methods=[Method.TOTP.value])
            _refuse(missing, arrival, user, address, FailureReason.FACTOR_MISSING)
        case Entry.DISABLED:
            _refuse(Problem("account_disabled"), arrival, user, address, FailureReason.DISABLED)


def answer(
    *, challenge_id: UUID | str, code: str, arrival: Arrival, method: str | None = None, trust_device: bool = False
) -> SignedIn:
    """Take the answer to a challenge and open the session.

    An attempt is taken before the answer is read, and the challenge is consumed with it in one transaction, so that
    of any number of right answers at once one signs in (ASVS 2.3.4, 6.5.1).
    Raises otp_invalid (with ``attempts_remaining``), otp_expired, challenge_expired, rate_limited, account_disabled.
    """
    now = timezone.now()
    attempt = answers.take_attempt(challenge_id=challenge_id, method=method, client=arrival.client, now=now)
    user, challenge = attempt.user, attempt.challenge
    gate = may_enter(user=user, door=arrival.door, trusted=None, known=False)
    if challenge.door != arrival.door or attempt.method not in TAKEN.get(gate, ()):
        answers.give_back(attempt.user)
        answers.refuse_unknown(arrival.client, challenge)  # another door, or the account changed meanwhile
    trusted_later = trust_device and not user.is_staff
    with answers.reading(attempt, arrival.client) as factors, transaction.atomic(durable=True):
        sessions.lock(user)  # first, so that whoever changes the account waits here, never the other way round
        answers.consume(attempt, code, arrival.client, now)
        signed_in = _open(user, factors, replace(arrival, keep=challenge.keep), now, trust=trusted_later)
    lockout.forget_failures(email_key=user.email_key, client=arrival.client)
    answers.give_back(attempt.user)
    return signed_in


def _reserve(
    user: User | None, address: str, key: str, trusted: Device | None, link: UUID | None, arrival: Arrival
) -> lockout.Reservation:
    """Reserve a try of the password; a lockout is recorded, and its owner mailed once."""
    client, ip_limit = arrival.client, _IP_LIMITS[arrival.door]
    device = trusted.pk if trusted else None
    try:
        return lockout.reserve(
            email_key=key, client=client, ip_limit=ip_limit, usages=arrival.usages, device=device, link=link
        )
    except LimitReached as problem:
        if problem.usage.limit.name == ip_limit:
            if problem.usage.is_first_over:
                note_limit(client, ip_limit)
            raise
        lockouts.record(problem, user=user, address=address, door=arrival.door.value, client=client)
        raise


def _challenge(user: User, methods: list[Method], arrival: Arrival, now: datetime) -> CodeNeeded:
    """Keep the half-done sign-in in the database and, where it is a mailed code, queue the mail."""
    challenge = Challenge(
        user=user,
        purpose=ChallengePurpose.STAFF if arrival.door == Door.STAFF else ChallengePurpose.SIGN_IN,
        methods=[method.value for method in methods],
        email=user.email,
        created_at=now,
        expires_at=now + app_settings().CHALLENGE_TTL,
        ip=arrival.client.ip,
        device_name=arrival.client.called,
        door=arrival.door,
        keep=arrival.keep,
    )
    with _holding(user, arrival):
        if Method.EMAIL in methods:
            codes.next_code(challenge, now)
        prepared.insert(challenge)
        if Method.EMAIL in methods:
            mails.code(challenge, arrival.client)
        announce(
            events.PasswordAccepted(
                client=arrival.client,
                user_id=str(user.pk),
                email=user.email,
                door=arrival.door.value,
                methods=tuple(challenge.methods),
                challenge_id=str(challenge.pk),
            )
        )
    return CodeNeeded(codes.view_of(challenge, now))


@contextmanager
def _holding(user: User, arrival: Arrival) -> Iterator[None]:
    """Open the transaction of a right password; refuse it where it, or the role, was replaced since."""
    try:
        with transaction.atomic(durable=True):
            hold(user)
            yield
    except Overtaken:
        _refuse(Problem("invalid_credentials"), arrival, user, user.email, FailureReason.BAD_CREDENTIALS)


def _enter(user: User, arrival: Arrival, now: datetime) -> SignInStep:
    """Open the session without a code, unless the trust that stood in for it was withdrawn since it was looked at."""
    client = arrival.client
    with _holding(user, arrival):
        trusted = devices.is_trusted(user=user, token=arrival.device_token, now=now)
        known = is_known(user, client, arrival.device_token)
        entry = may_enter(user=user, door=arrival.door, trusted=trusted, known=known)
        factors = ["password", "device"] if trusted else ["password"]
        signed_in = _open(user, factors, arrival, now, trust=False) if entry == Entry.ENTER else None
    if signed_in is None:
        if entry == Entry.MAILED_CODE:
            codes.count_send(user, client)
        return _challenge(user, list(TAKEN[entry]), arrival, now)
    lockout.forget_failures(email_key=user.email_key, client=client)
    return signed_in


def _open(user: User, factors: list[str], arrival: Arrival, now: datetime, *, trust: bool) -> SignedIn:
    """Open the session, in the caller's transaction, with everything that a sign-in leaves behind."""
    client = arrival.client
    remembered = devices.remember(
        user=user, client=client, token=arrival.device_token, transport=arrival.transport, now=now
    )
    trust_token = devices.trust(device=remembered.device, client=client, now=now) if trust else None
    session = sessions.open(
        user=user,
        client=client,
        door=arrival.door,
        transport=arrival.transport,
        factors=factors,
        device=remembered.device,
        keep=arrival.keep,
    )
    if remembered.is_strange:
        disavowal.offer(session=session, client=client, now=now)
    User.objects.filter(pk=user.pk).update(last_login=now)
    sessions.forget_state(user=user, but=session)
    user.last_login = now
    announce(
        events.SignedIn(
            client=client,
            user_id=str(user.pk),
            actor=Actor.user(user),
            email=user.email,
            session_id=str(session.pk),
            door=arrival.door.value,
            factors=tuple(factors),
            new_device=remembered.is_new,
        )
    )
    transaction.on_commit(lambda: user_signed_in.send_robust(User, user=user, client=client))
    return SignedIn(user, session, trust_token or remembered.token, trust_token)


def _ask_for_proof(user: User, address: str, arrival: Arrival, now: datetime) -> AddressUnverified:
    client = arrival.client
    wanted = registration.may_be_mailed(user)
    with transaction.atomic(durable=True):
        if wanted:
            life = app_settings().VERIFY_TTL
            mails.verify(links.issue(user=user, purpose=LinkPurpose.VERIFY, life=life, client=client, now=now), client)
        announce(_failure(arrival, user, address, FailureReason.UNVERIFIED))
    return AddressUnverified(user.email)


def _reason(user: User | None) -> FailureReason:
    if user is None:
        return FailureReason.UNKNOWN_ACCOUNT
    return FailureReason.DELETED if user.status == Status.DELETED else FailureReason.BAD_CREDENTIALS


def _failure(arrival: Arrival, user: User | None, address: str, reason: FailureReason) -> events.SignInFailed:
    return events.SignInFailed(
        client=arrival.client,
        user_id=str(user.pk) if user else None,
        email=address,
        failure_reason=reason,
        door=arrival.door.value,
    )


def _refuse(problem: Problem, arrival: Arrival, user: User | None, address: str, reason: FailureReason) -> NoReturn:
    refuse(problem, _failure(arrival, user, address, reason))
