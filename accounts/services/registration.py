"""Signing up, and proving the address."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails, passwords
from accounts.conf import app_settings
from accounts.links import LinkState
from accounts.models import Link, LinkPurpose, Mail, Status, User
from accounts.roles import Role
from accounts.services import consents
from accounts.signals import announce, refuse, user_registered, user_verified
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.text import InvalidEmail, normalise_email


@dataclass(frozen=True)
class LinkView:
    """What a page may tell about a link before it is used."""

    state: LinkState
    email: str = ""
    newer_at: datetime | None = None
    asked_at: datetime | None = None


def register(
    *,
    email: str,
    password: str,
    accept_terms: bool,
    client: Client,
    display_name: str = "",
    agreed: tuple[str, ...] = (),
) -> None:
    """Make an account that waits for its address to be proved, and mail the link; *agreed* is what else was ticked.

    The caller learns nothing about whether the address has an account: its owner is mailed instead, and one hash
    is computed either way. A sign-up for an address that was never proved replaces the earlier one's password and
    link, so that whoever proves the address holds the account (ASVS 6.3.8).
    Raises validation_failed, permission_denied (sign-up is closed), service_unavailable.
    """
    address = checked_address(email)
    closed = Problem("permission_denied", detail=_("Nobody can sign up here at the moment."))
    if not app_settings().SIGNUP_OPEN:
        refuse(closed, _refused(address, client, FailureReason.CLOSED))
    if not accept_terms:
        raise validation("accept_terms", "required", _("Agree to the terms to create an account"))
    consents.check_offered(agreed)
    try:
        passwords.check_policy(password, about=(address, display_name))
    except Problem as problem:
        refuse(problem, _refused(address, client, FailureReason.WEAK_PASSWORD))
    encoded = passwords.hash_new_password(password)
    for _attempt in range(3):  # another sign-up's row is found the second time, and may have made way to a proof then
        try:
            return _write_whole(address, encoded, display_name, agreed, client)
        except IntegrityError:
            continue
    raise Problem("service_unavailable", retry_after=1)


def verify_email(*, token: str, client: Client) -> User:
    """Take the proof that a link gives, and open the account for signing in.

    Raises token_invalid, token_expired, token_used. ASVS 6.5.1.
    """
    now = timezone.now()

    def tried(link: Link | None) -> events.AddressVerified:
        return events.AddressVerified(client=client, user_id=links.owner_of(link))

    with (
        links.recording(token=token, purpose=LinkPurpose.VERIFY, event=tried),
        transaction.atomic(durable=True),
    ):
        link = links.consume(token=token, purpose=LinkPurpose.VERIFY, now=now)
        user = User.objects.select_for_update().get(pk=link.user_id)
        enrolling = user.is_staff and user.status == Status.INACTIVE  # staff come in by their own link only
        if user.email != link.email or user.status == Status.DELETED or enrolling:
            raise Problem("token_invalid")
        user.email_verified_at = user.email_verified_at or now
        if user.status == Status.INACTIVE:
            user.set_status(Status.ACTIVE)
        user.save(update_fields=["email_verified_at", "status", "is_active", "updated_at"])
        announce(events.AddressVerified(client=client, user_id=str(user.pk), email=user.email))
        transaction.on_commit(lambda: user_verified.send_robust(User, user=user, client=client))
        return user


def resend_verification(*, email: str, client: Client) -> None:
    """Ask for a new verification link.

    Looks nothing up: the worker decides what the address deserves, so that every address takes the same time.
    Raises validation_failed.
    """
    address = checked_address(email)
    with transaction.atomic(durable=True):
        mails.verify_request(address, client)
        announce(events.VerificationRequested(client=client, email=address, actor=Actor.anonymous()))


def answer_resend(*, request: Mail) -> None:
    """Mail the address of a *request* in the outbox what it deserves: the worker's half of resend_verification().

    The link brings the password of the sign-up into force, so the mail tells of that, not of who asked for it.
    """
    user = User.objects.by_address(request.to)
    client = Client.local("worker")
    with transaction.atomic(durable=True):
        if user is not None and user.status == Status.INACTIVE and not user.is_staff:  # staff enrol by their own link
            life, now = app_settings().VERIFY_TTL, timezone.now()
            link = links.issue(user=user, purpose=LinkPurpose.VERIFY, life=life, client=client, now=now)
            origin = user.consents.order_by("-at").values_list("ip", flat=True).first()
            mails.verify(link, replace(client, ip=origin, device_name=""), at=user.terms_given_at)
        elif user is not None and user.status == Status.ACTIVE:
            mails.already_verified(user, client)
        mails.answered(request)


def may_be_mailed(user: User) -> bool:
    """Tell whether another link may go to the address: whoever signed it up need not be its owner."""
    try:
        limits.take(None, ("resend_address", user.email_key))
    except limits.LimitReached:
        return False
    return True


def peek_verification(token: str) -> LinkView:
    """Tell a page what became of a verification link, without using it."""
    link = links.find(token=token, purpose=LinkPurpose.VERIFY)
    if link is None:
        return LinkView(LinkState.UNKNOWN)
    match links.state_of(link, timezone.now()):
        case LinkState.USED:
            return LinkView(LinkState.USED, link.email)
        case LinkState.SUPERSEDED:
            newer = Link.objects.filter(user=link.user, purpose=link.purpose, created_at__gt=link.created_at)
            newest = newer.order_by("-created_at").values_list("created_at", flat=True).first()
            return LinkView(LinkState.SUPERSEDED, link.email, newest)
        case state:
            return LinkView(state, link.email, asked_at=link.user.terms_given_at)


def checked_address(email: str, *, field: str = "email") -> str:
    """Return *email* as it is kept; raises validation_failed, at *field*."""
    try:
        return normalise_email(email)[0]
    except InvalidEmail:
        words = _("Enter an email address in the correct format, like name@example.com")
        raise validation(field, "invalid", words) from None


def _refused(address: str, client: Client, reason: FailureReason) -> events.UserRegistered:
    version = app_settings().TERMS_VERSION
    return events.UserRegistered(
        client=client, email=address, success=False, failure_reason=reason, terms_version=version
    )


@again_after_deadlock  # an erasure holds the row by its key, and takes the address from it
def _write_whole(address: str, encoded: str, display_name: str, agreed: tuple[str, ...], client: Client) -> None:
    with transaction.atomic(durable=True):
        _write(address, encoded, display_name, agreed, client)


def _write(address: str, encoded: str, display_name: str, agreed: tuple[str, ...], client: Client) -> None:
    """Write the account and its mail, or the mail to whom the address belongs. Expects a transaction."""
    now, key = timezone.now(), normalise_email(address)[1]
    # whoever proves the address at this moment, or leaves it, waits, or was first
    user = User.objects.filter(email_key=key).select_for_update().first()
    reason = _turn_away(user, key, client, now)
    if reason is not None:
        announce(_refused(address, client, reason))
        return
    if user is None:
        user = User(email=address)
        user.set_role(Role.USER)
        user.set_status(Status.INACTIVE)
    version = app_settings().TERMS_VERSION
    user.email, user.display_name = address, display_name
    user.replace_password(encoded, now)
    user.terms_version, user.terms_given_at = version, now
    user.save()
    consents.sign_up(user=user, agreed=agreed, client=client, now=now)
    life = app_settings().VERIFY_TTL
    mails.verify(links.issue(user=user, purpose=LinkPurpose.VERIFY, life=life, client=client, now=now), client)
    announce(
        events.UserRegistered(
            client=client,
            user_id=str(user.pk),
            email=address,
            actor=Actor.anonymous(),
            terms_version=version,
        )
    )
    transaction.on_commit(lambda: user_registered.send_robust(User, user=user, client=client))


def _turn_away(user: User | None, key: str, client: Client, now: datetime) -> FailureReason | None:
    """Mail whom the address belongs to; return why nobody signs up with it, or None where it is free."""
    if user is None:
        left = links.holding(key, now)
        if left is None:
            return None
        mails.address_held(left, client)
        return FailureReason.ADDRESS_HELD
    if user.status == Status.INACTIVE:  # invited staff finish by their own link, never by a stranger's sign-up
        return FailureReason.ALREADY_REGISTERED if user.is_staff else None
    if user.status != Status.DELETED:
        mails.already_registered(user, client)
    return FailureReason.ALREADY_REGISTERED
