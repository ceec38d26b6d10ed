"""Letting staff in for the first time: an account made for them, a link, a password and an authenticator app."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails, passwords
from accounts.conf import app_settings
from accounts.models import Link, LinkPurpose, Status, TotpDevice, User
from accounts.roles import STAFF_ROLES, Role
from accounts.services import factors
from accounts.services.passwords import replace_password
from accounts.services.registration import checked_address
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation


@dataclass(frozen=True)
class Invitation:
    """A staff account and the address at which its owner sets it up."""

    user: User
    url: str = field(repr=False)


def invite_staff(*, email: str, role: Role, actor: Actor, client: Client, send: bool = True) -> Invitation:
    """Make a staff account, or give one that was never set up a new link; see offer() for one that was promoted.

    Nobody sets another's password: the link lets its holder do that (ASVS 6.4.1, 6.4.6).
    Raises validation_failed; conflict where the address has an account in use.
    """
    address = checked_address(email)
    if role not in STAFF_ROLES:
        raise validation("role", "invalid_choice", _("Choose a staff role"))
    now = timezone.now()
    taken = Problem("conflict", detail=_("This address has an account already."))
    refused = events.StaffInvited(
        client=client,
        actor=actor,
        email=address,
        role=role.value,
        success=False,
        failure_reason=FailureReason.ALREADY_REGISTERED,
    )
    try:
        with transaction.atomic(durable=True):
            user = User.objects.by_address(address) or User(email=address)
            if user.is_staff and user.role == role and user.status == Status.ACTIVE and _may_enrol(user):
                link = _issue(user, client, now)  # it was promoted, and lost the link of then
            elif user.status != Status.INACTIVE or user.email_verified:
                raise taken
            else:
                if not user.is_staff:
                    _clear(user)
                user.set_role(role)
                user.set_status(Status.INACTIVE)
                user.save()
                link = _issue(user, client, now)
            if send:
                mails.staff_enrolment(link, client)
            announce(
                events.StaffInvited(client=client, user_id=str(user.pk), actor=actor, email=address, role=role.value)
            )
    except (IntegrityError, Problem):
        refuse(taken, refused)
    return Invitation(user, links.address_of(link))


def offer(*, user: User, client: Client, now: datetime) -> None:
    """Mail an account that becomes staff, and has no app, the link that sets one up; in the caller's transaction.

    It sets a new password as well: like a reset, it proves the mailbox. An app that was begun before is let go, since
    another may have seen its key. What was set up before the address was proved goes, too (ASVS 6.3.8).
    """
    if not user.email_verified:
        _clear(user)
        user.save(update_fields=["password", "display_name", "updated_at"])
    TotpDevice.objects.filter(user=user, confirmed=False).delete()
    mails.staff_enrolment(_issue(user, client, now), client)


def peek(token: str) -> User:
    """Return whose enrolment *token* opens, without using it.

    Raises token_invalid, token_expired, token_used.
    """
    return _open_link(token).user


def set_password(*, token: str, password: str, client: Client) -> factors.TotpSetup:
    """Set the password of the account that *token* enrols, and begin its app; the link stays open.

    Raises token_invalid, token_expired, token_used, validation_failed.
    """
    user = _enrolling(token, client)
    try:
        passwords.check_policy(password, about=(user.email, user.display_name))
    except Problem as problem:
        refuse(problem, _failed(client, user, FailureReason.WEAK_PASSWORD))
    encoded = passwords.hash_new_password(password)
    with transaction.atomic(durable=True):
        held = User.objects.select_for_update().get(pk=user.pk)
        _open_link(token)
        now = timezone.now()
        replace_password(user=held, encoded=encoded, client=client, now=now, keep=(LinkPurpose.ENROL,))
        if held.status == Status.ACTIVE:
            mails.password_changed(held, client, reset=True)
        announce(events.FactorChanged(client=client, user_id=str(user.pk), factor="password", change="set"))
    return factors.begin_totp(user=user, name="", client=client)


def pending(token: str) -> factors.TotpSetup | None:
    """Return the app that waits for its first code, or None where the password step comes first."""
    user = _open_link(token).user
    device = factors.pending_totp(user, timezone.now())
    return factors.setup_of(device) if device and user.has_usable_password() and user.password else None


def finish(*, token: str, code: str, client: Client) -> tuple[User, list[str]]:
    """Confirm the app by its first code, use the link up and open the account; return the recovery codes.

    Raises token_invalid, token_expired, token_used, otp_invalid; a wrong code leaves the link open.
    """
    now = timezone.now()
    user = _enrolling(token, client)
    device = factors.pending_totp(user, now)
    if device is None or not user.password:
        refuse(Problem("token_invalid"), _failed(client, user, FailureReason.FACTOR_MISSING))
    try:
        with transaction.atomic(durable=True):
            links.consume(token=token, purpose=LinkPurpose.ENROL, now=now)
            codes = factors.confirm(device=device, code=code, client=client, now=now)
            held = User.objects.select_for_update().get(pk=user.pk)
            held.email_verified_at = held.email_verified_at or now
            held.set_status(Status.ACTIVE)
            held.save(update_fields=["email_verified_at", "status", "is_active", "updated_at"])
            announce(events.StaffEnrolled(client=client, user_id=str(held.pk), actor=Actor.user(held)))
    except Problem as problem:
        reason = FailureReason.CODE_WRONG if problem.code == "otp_invalid" else FailureReason(problem.code)
        refuse(problem, _failed(client, user, reason))
    return held, codes


def _enrolling(token: str, client: Client) -> User:
    """Return whose enrolment *token* opens; a link that opens nothing is recorded."""
    try:
        return _open_link(token).user
    except Problem as problem:
        refuse(problem, _failed(client, None, FailureReason(problem.code)))


def _failed(client: Client, user: User | None, reason: FailureReason) -> events.StaffEnrolled:
    owner = str(user.pk) if user else None
    return events.StaffEnrolled(client=client, user_id=owner, success=False, failure_reason=reason)


def _open_link(token: str) -> Link:
    link = links.usable(token=token, purpose=LinkPurpose.ENROL, now=timezone.now())
    if not _may_enrol(link.user):
        raise Problem("token_invalid")
    return link


def _may_enrol(user: User) -> bool:
    """Tell whether *user* is staff that was invited, or promoted, and has no app yet."""
    if not user.is_staff:
        return False
    return user.status == Status.INACTIVE or (user.status == Status.ACTIVE and not factors.has_app(user))


def _issue(user: User, client: Client, now: datetime) -> Link:
    life = app_settings().ENROLMENT_TTL
    return links.issue(user=user, purpose=LinkPurpose.ENROL, life=life, client=client, now=now)


def _clear(user: User) -> None:
    """Take away what a sign-up set whose address nobody proved: a stranger's does not stand in the way."""
    user.password, user.display_name = "", ""
    links.close_all(user=user)
