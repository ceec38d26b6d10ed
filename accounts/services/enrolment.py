"""Letting staff in for the first time: an account made for them, a link, a password and an authenticator app."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails, passwords
from accounts.conf import app_settings
from accounts.models import Link, LinkPurpose, Status, User
from accounts.roles import STAFF_ROLES, Role
from accounts.services import factors
from accounts.services.passwords import reason_of, replace_password
from accounts.services.registration import checked_address
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.text import normalise_email
from sessions_app import services as sessions
from sessions_app.reasons import RevokeReason


@dataclass(frozen=True)
class Invitation:
    """A staff account and the address at which its owner sets it up."""

    user: User
    url: str = field(repr=False)


def invite_staff(*, email: str, role: Role, actor: Actor, client: Client, send: bool = True) -> Invitation:
    """Make a staff account, or give one that was never set up a new link; see offer() for one that was promoted.

    Nobody sets another's password: the link lets its holder do that (ASVS 6.4.1, 6.4.6).
    Raises validation_failed; conflict where the address has an account in use, or one left it and may take it back.
    """
    address = checked_address(email)
    if role not in STAFF_ROLES:
        raise validation("role", "invalid_choice", _("Choose a staff role"))
    now = timezone.now()
    taken = Problem("conflict", detail=_("This address has an account already, or one left it lately."))
    refused = events.UserInvited(
        client=client,
        actor=actor,
        email=address,
        role=role.value,
        success=False,
        failure_reason=FailureReason.ALREADY_REGISTERED,
    )
    try:
        with transaction.atomic(durable=True):
            user = User.objects.by_address(address) or new_account(address, now)
            if user.is_staff and user.role == role and user.status == Status.ACTIVE and _may_enrol(user):
                link = issue_link(user, client, now)  # it was promoted, and lost the link of then
            elif user.status != Status.INACTIVE or user.email_verified:
                raise taken
            else:
                if not user.is_staff:
                    _clear(user)
                user.set_role(role)
                user.set_status(Status.INACTIVE)
                user.save()
                link = issue_link(user, client, now)
            if send:
                mails.staff_enrolment(link, client)
            announce(
                events.UserInvited(client=client, user_id=str(user.pk), actor=actor, email=address, role=role.value)
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
    factors.drop_unconfirmed(user)
    mails.staff_enrolment(issue_link(user, client, now), client)


def peek(token: str) -> User:
    """Return whose enrolment *token* opens, without using it.

    Raises token_invalid, token_expired, token_used.
    """
    return _open_link(token).user


def set_password(*, token: str, password: str, client: Client) -> factors.TotpSetup:
    """Set the password of the account that *token* enrols, and begin its app; the link stays open.

    Like a reset, it ends every session of an account that is in use (ASVS 7.4.3).

    Raises token_invalid, token_expired, token_used, validation_failed.
    """
    with _recording(token, client):
        user = _open_link(token).user
        passwords.check_policy(password, about=(user.email, user.display_name))
        encoded = passwords.hash_new_password(password)
        with transaction.atomic(durable=True):
            held = User.objects.select_for_update().get(pk=user.pk)
            _open_link(token)
            now = timezone.now()
            replace_password(user=held, encoded=encoded, client=client, now=now, keep=(LinkPurpose.ENROL,))
            if held.status == Status.ACTIVE:
                mails.password_changed(held, client, reset=True)
                sessions.revoke_all(user=held, reason=RevokeReason.PASSWORD_RESET, client=client)
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
    with _recording(token, client):
        user = _open_link(token).user
    device = factors.pending_totp(user, now)
    if device is None or not user.password:
        owed = FailureReason.FACTOR_MISSING
        failed = events.StaffEnrolled(client=client, user_id=str(user.pk), success=False, failure_reason=owed)
        refuse(Problem("token_invalid"), failed)
    with _recording(token, client), transaction.atomic(durable=True):
        links.consume(token=token, purpose=LinkPurpose.ENROL, now=now)
        codes = factors.confirm(device=device, code=code, client=client, now=now)
        mails.factor_added(user, client)
        held = User.objects.select_for_update().get(pk=user.pk)
        sessions.revoke_all(user=held, reason=RevokeReason.FACTORS_CHANGED, client=client)
        held.email_verified_at = held.email_verified_at or now
        held.set_status(Status.ACTIVE)
        held.save(update_fields=["email_verified_at", "status", "is_active", "updated_at"])
        announce(events.StaffEnrolled(client=client, user_id=str(held.pk), actor=Actor.user(held)))
    return held, codes


def new_account(address: str, now: datetime) -> User:
    """Return an account for *address* that is still to be saved; raises conflict where another may take that back."""
    if links.holding(normalise_email(address)[1], now) is not None:
        raise Problem("conflict")
    return User(email=address)


def _recording(token: str, client: Client) -> AbstractContextManager[None]:
    def tried(link: Link | None) -> events.StaffEnrolled:
        return events.StaffEnrolled(client=client, user_id=links.owner_of(link))

    return links.recording(token=token, purpose=LinkPurpose.ENROL, event=tried, reason=reason_of)


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


def issue_link(user: User, client: Client, now: datetime) -> Link:
    """Make the link that sets up the account of somebody who is staff, in the caller's transaction."""
    life = app_settings().ENROLMENT_TTL
    return links.issue(user=user, purpose=LinkPurpose.ENROL, life=life, client=client, now=now)


def _clear(user: User) -> None:
    """Take away what a sign-up set whose address nobody proved: a stranger's does not stand in the way."""
    user.password, user.display_name = "", ""
    links.close_all(user=user)
