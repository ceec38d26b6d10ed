"""The mails, one function each: every one is a row in the outbox, in the transaction of what it tells of.

Nothing secret goes into a row. Where a mail carries a code or a link, its context names the challenge or the link,
and the worker derives the text from there (accounts/outbox.py).
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.conf import app_settings
from accounts.models import Challenge, Export, Link, Mail, MailState, User
from gatehouse import prepared
from gatehouse.client import Client

ACCOUNT_ERASED = "account_erased"
LOCKOUT = "lockout_request"


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


def address_request(link: Link, client: Client) -> None:
    """Let the worker find out what an address deserves that an account is to get; nothing is looked up here."""
    _queue("address_request", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def address_confirm(link: Link, client: Client) -> None:
    """Ask for the proof of the address that an account is to get."""
    _queue("address_confirm", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def address_taken(user: User, client: Client) -> None:
    """Tell the owner of an account that somebody wanted its address for another one."""
    _queue("address_taken", user, client)


def address_asked(link: Link, client: Client, *, after: str) -> None:
    """Tell the address in force that another one, *after* (masked), is to take its place; *link* cancels that."""
    named = {"link": str(link.pk), "after": after}
    _queue("address_asked", link.user, client, to=link.email, expires_at=link.expires_at, **named)


def address_changed(user: User, client: Client) -> None:
    """Tell the new address of an account that it is in force."""
    _queue("address_changed", user, client)


def address_left(link: Link, client: Client, *, after: str) -> None:
    """Tell the address that an account left that *after* (masked) took its place; *link* puts it back."""
    named = {"link": str(link.pk), "after": after}
    _queue("address_left", link.user, client, to=link.email, expires_at=link.expires_at, **named)


def address_held(link: Link, client: Client) -> None:
    """Tell an address that an account left, and can take back by *link*, that somebody wanted it.

    Whoever reads the mailbox by now need not be the account's owner: the mail names no account, and carries no link.
    """
    _queue("address_held", None, client, to=link.email, until=link.expires_at.isoformat())


def address_restored(user: User, client: Client, *, to: str, before: str) -> None:
    """Tell *to* that a change was undone: *before* (masked) is not the address of the account any more."""
    _queue("address_restored", user, client, to=to, before=before)


def refresh_reused(user_id: str, client: Client) -> None:
    """Tell that a session was ended because a used refresh token came back."""
    _queue("refresh_reused", User.objects.get(pk=user_id), client)


def lockout_request(email: str, client: Client, *, until: datetime, offers: bool) -> None:
    """Let the worker find out who is told of a lockout, and *offers* a link or not; nothing is looked up here."""
    _queue(LOCKOUT, None, client, to=email, until=until.isoformat(), offers=offers)


def locked(user: User, client: Client, *, until: datetime, at: str = "", link: Link | None = None) -> None:
    """Tell that too many sign-ins failed, and when (*at*), with the *link* past the lockout as long as that is open."""
    told: dict[str, Any] = {"until": until.isoformat()}
    if at:
        told["at"] = at
    _queue("locked", user, client, **told, **_offering(link))


def factor_added(user: User, client: Client, *, link: Link | None = None) -> None:
    """Tell that an authenticator app is set up, with the *link* that disavows the session where it was."""
    _queue("factor_added", user, client, **_offering(link))


def factor_removed(user: User, client: Client, *, last: bool, link: Link) -> None:
    """Tell that an app was removed, and whether a mailed code is asked for from now on; *link* undoes that."""
    _queue("factor_removed", user, client, last=last, **_offering(link))


def recovery_codes_made(user: User, client: Client, *, link: Link) -> None:
    """Tell that new recovery codes replaced the old ones, with the *link* that disavows the session that made them."""
    _queue("recovery_codes_made", user, client, **_offering(link))


def factors_undone(user: User, client: Client, *, removed: int, restored: int, codes: bool, left: bool) -> None:
    """Tell what was undone of somebody else's changes: apps *removed* and *restored*, recovery *codes* that ended.

    *left* says whether an app is in force now.
    """
    _queue("factors_undone", user, client, removed=removed, restored=restored, codes=codes, left=left)


def recovery_code_used(user: User, client: Client, *, remaining: int) -> None:
    """Tell that a recovery code was used, and how many are left."""
    _queue("recovery_code_used", user, client, remaining=remaining)


def staff_enrolment(link: Link, client: Client) -> None:
    """Send a member of staff the link to set a password and an app."""
    _queue("staff_enrolment", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def invitation(link: Link, client: Client) -> None:
    """Send somebody for whom staff made an account the link to set a password."""
    _queue("invitation", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def password_reset_forced(link: Link, client: Client) -> None:
    """Tell that staff put the password out of force, with the *link* that sets a new one while it is open."""
    _queue("password_reset_forced", link.user, client, to=link.email, **_offering(link))


def factors_reset(user: User, client: Client, *, enrols: bool) -> None:
    """Tell that staff took the authenticator apps and recovery codes away, and whether another mail lets in again."""
    _queue("factors_reset", user, client, enrols=enrols, is_staff=user.is_staff)


def account_disabled(user: User, client: Client) -> None:
    """Tell that staff disabled the account."""
    _queue("account_disabled", user, client)


def account_enabled(user: User, client: Client) -> None:
    """Tell that staff enabled the account again."""
    _queue("account_enabled", user, client)


def account_deleted(user: User, client: Client, *, erase_at: datetime) -> None:
    """Tell that staff deleted the account, and when what is left of it is erased."""
    _queue("account_deleted", user, client, until=erase_at.isoformat())


def deletion_requested(link: Link, client: Client) -> None:
    """Tell that the account is going to be erased, with the *link* that undoes it until then."""
    _queue("deletion_requested", link.user, client, to=link.email, expires_at=link.expires_at, link=str(link.pk))


def deletion_undone(user: User, client: Client) -> None:
    """Tell that the account stays."""
    _queue("deletion_undone", user, client)


def account_erased(email: str, client: Client) -> None:
    """Tell, as the last mail about it, that an account was erased: its row belongs to nobody, and goes once sent."""
    _queue(ACCOUNT_ERASED, None, client, to=email)


def export_ready(export: Export) -> None:
    """Tell that a copy of one's data waits, and until when: the mail leads to the page, and carries nothing."""
    _queue("export_ready", export.user, _asker(export), expires_at=export.expires_at)


def export_failed(export: Export) -> None:
    """Tell that a copy of one's data could not be made."""
    _queue("export_failed", export.user, _asker(export))


def account_unlocked(user: User, client: Client) -> None:
    """Tell that staff lifted a lockout."""
    _queue("account_unlocked", user, client)


def sessions_revoked_by_staff(user: User, client: Client, *, number: int) -> None:
    """Tell that staff ended sessions."""
    _queue("sessions_revoked_by_staff", user, client, number=number)


def answered(request: Mail) -> None:
    """Close a request in the outbox that became another mail, or none."""
    Mail.objects.filter(pk=request.pk).update(state=MailState.DROPPED, error="answered by another mail, or by none")


def _offering(link: Link | None) -> dict[str, Any]:
    """Name a link that the mail is worth sending without."""
    return {} if link is None else {"offered_link": str(link.pk)}


def _asker(export: Export) -> Client:
    return Client(ip=export.ip, device_name=export.device_name)


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
    mail = Mail(
        template=template,
        to=to or (user.email if user else ""),
        user=user,
        context={"at": now.isoformat(), "ip": client.ip, "device": client.device_name, **context},
        next_try_at=now,
        expires_at=expires_at,
        created_at=now,
    )
    prepared.insert(mail)
