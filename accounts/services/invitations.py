"""Accounts that staff make for others: nobody sets another's password, a mailed link lets its owner do that.

1. Who is to be staff gets the link that sets a password and an app; everybody else the one that sets a password, which
   proves the address by the way (ASVS 6.4.1, 6.4.6).
2. An address that has an account is a conflict: staff may know that. One that was invited to the same role, and never
   set up, is sent a new link.
3. An invitation that nobody accepts goes with the accounts whose address nobody proved.
"""

from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.models import LinkPurpose, Status, User
from accounts.roles import Role, can_manage
from accounts.services import enrolment
from accounts.services.authority import acting
from accounts.services.profile import checked_name
from accounts.services.ranks import known_role
from accounts.services.registration import checked_address
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem


def invite(*, email: str, by: User, client: Client, role: Role | str = Role.USER, display_name: str = "") -> User:
    """Make an account for *email*, and mail its owner the link that sets it up; return it.

    Raises validation_failed, role_not_allowed; conflict where the address has an account in use, or one left it and
    may take it back.
    """
    address, role, name = checked_address(email), known_role(role), checked_name(display_name)
    told: dict[str, Any] = {"client": client, "actor": Actor.user(by), "email": address, "role": role.value}
    refused = events.UserInvited(**told, success=False, failure_reason=FailureReason.ALREADY_REGISTERED)
    gives = None if role == Role.USER else role  # what everybody has is given by whoever may make accounts
    now = timezone.now()
    try:
        with acting(by=by, permission="users.create", client=client, failed=refused, gives=gives) as actor:
            user = _account(address, role, name, actor, now)
            _mail_link(user, client, now)
            announce(events.UserInvited(**told, user_id=str(user.pk)))
    except IntegrityError:
        refuse(_taken(), refused)
    return user


def _account(address: str, role: Role, name: str, actor: User, now: datetime) -> User:
    found = User.objects.by_address(address)
    if found is None:
        user = enrolment.new_account(address, now)
        user.display_name = name
        user.set_role(role)
        user.set_status(Status.INACTIVE)
        user.save(force_insert=True)
        return user
    user = User.objects.select_for_update().get(pk=found.pk)
    waits = user.status == Status.INACTIVE and not user.email_verified and not user.password
    if not waits or user.role != role or not can_manage(actor, user):
        raise _taken()
    if name:
        user.display_name = name
        user.save(update_fields=["display_name", "updated_at"])
    return user


def _mail_link(user: User, client: Client, now: datetime) -> None:
    if user.is_staff:
        mails.staff_enrolment(enrolment.issue_link(user, client, now), client)
        return
    life = app_settings().ENROLMENT_TTL
    mails.invitation(links.issue(user=user, purpose=LinkPurpose.RESET, life=life, client=client, now=now), client)


def _taken() -> Problem:
    return Problem("conflict", detail=_("This address has an account already, or one left it lately."))
