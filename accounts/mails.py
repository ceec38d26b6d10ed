"""The mails, one function each: every one is a row in the outbox, in the transaction of what it tells of.

Nothing secret goes into a row. Where a mail carries a code or a link, its context names the challenge or the link,
and the worker derives the text from there (accounts/outbox.py).
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.conf import app_settings
from accounts.models import Challenge, Link, Mail, MailState, User
from gatehouse.client import Client


def verify(link: Link, client: Client, *, at: datetime | None = None) -> None:
    """Ask for the proof of an address; the mail names the sign-up: *client* and, where it was earlier, *at*."""
    told = {"at": at.isoformat()} if at else {}
    _queue("verify", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk), **told)


def verify_request(email: str, client: Client) -> None:
    """Let the worker find out what a request for a new verification link deserves; nothing is looked up here."""
    _queue("verify_request", None, client, to=email)


def already_registered(user: User, client: Client) -> None:
    """Tell the owner of an account that somebody tried to sign up with the address."""
    _queue("already_registered", user, client)


def already_verified(user: User, client: Client) -> None:
    """Answer a request for a verification link that is not needed any more."""
    _queue("already_verified", user, client)


def code(challenge: Challenge, client: Client) -> None:
    """Mail the newest code of *challenge*; dropped when it cannot leave within the code's life."""
    named = {"challenge": str(challenge.pk), "send": challenge.sends}
    _queue("code", challenge.user, client, to=challenge.email, expires_at=challenge.code_expires_at, **named)


def new_device(link: Link, client: Client) -> None:
    """Tell of a sign-in from a device that the account had not been used from, with the *link* that disavows it."""
    _queue("new_device", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def password_reset(link: Link, client: Client) -> None:
    """Send the link that lets its holder set a new password."""
    _queue("password_reset", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def reset_request(email: str, client: Client) -> None:
    """Let the worker find out what a request to reset a password deserves; nothing is looked up here."""
    _queue("reset_request", None, client, to=email)


def no_account(email: str, client: Client) -> None:
    """Tell whoever reads the mail of an address that nobody has an account with it."""
    _queue("no_account", None, client, to=email, signup_open=app_settings().SIGNUP_OPEN)


def password_changed(user: User, client: Client, *, reset: bool) -> None:
    """Tell that the password was changed, or reset by a link."""
    _queue("password_changed", user, client, reset=reset)


def refresh_reused(user_id: str, client: Client) -> None:
    """Tell that a session was ended because a used refresh token came back."""
    _queue("refresh_reused", User.objects.get(pk=user_id), client)


def locked(user: User, client: Client, *, until: datetime) -> None:
    """Tell that too many sign-ins failed."""
    _queue("locked", user, client, until=until.isoformat())


def factor_added(user: User, client: Client) -> None:
    """Tell that an authenticator app is set up."""
    _queue("factor_added", user, client)


def recovery_code_used(user: User, client: Client, *, remaining: int) -> None:
    """Tell that a recovery code was used, and how many are left."""
    _queue("recovery_code_used", user, client, remaining=remaining)


def staff_enrolment(link: Link, client: Client) -> None:
    """Send a member of staff the link to set a password and an app."""
    _queue("staff_enrolment", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def account_disabled(user: User, client: Client) -> None:
    """Tell that staff disabled the account."""
    _queue("account_disabled", user, client)


def account_enabled(user: User, client: Client) -> None:
    """Tell that staff enabled the account again."""
    _queue("account_enabled", user, client)


def account_deleted(user: User, client: Client) -> None:
    """Tell that staff deleted the account."""
    _queue("account_deleted", user, client)


def sessions_revoked_by_staff(user: User, client: Client, *, number: int) -> None:
    """Tell that staff ended sessions."""
    _queue("sessions_revoked_by_staff", user, client, number=number)


def answered(request: Mail) -> None:
    """Close a request in the outbox that became another mail, or none."""
    Mail.objects.filter(pk=request.pk).update(state=MailState.DROPPED, error="answered by another mail, or by none")


def _queue(
    template: str,
    user: User | None,
    client: Client,
    *,
    to: str = "",
    expires_at: datetime | None = None,
    **context: Any,
) -> None:
    now = timezone.now()
    Mail.objects.create(
        template=template,
        to=to or (user.email if user else ""),
        user=user,
        context={"at": now.isoformat(), "ip": client.ip, "device": client.device_name, **context},
        next_try_at=now,
        expires_at=expires_at,
        created_at=now,
    )
