"""What people do to the second factors of their own account: apps added and removed, recovery codes made anew.

1. Whatever a change of factors ends, it ends in its own transaction: every other session, the trust in devices and
   half-done sign-ins (ASVS 7.4.3). The session at hand goes on.
2. The account is locked first: of two changes at once the second sees what the first left.
3. That whoever asks proved themselves lately, by the app where there is one, is decided at the doors, since only they
   can ask again: accounts/api/permissions.py and accounts/pages/fresh.py. Whether the role may change anything is
   decided here, by permission_denied, before all else that a change raises.
4. Every change is mailed with a link that disavows the session which made it: a thief on a device that the account
   knows gives rise to no other mail (ASVS 6.3.7).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Min, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.models import Challenge, LinkPurpose, Method, RecoveryCode, TotpDevice, User
from accounts.services import codes, disavowal, factors, own_account
from accounts.signals import announce, refuse
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason

_REASONS = {
    "conflict": FailureReason.CONFLICT,
    "not_found": FailureReason.NOT_PERMITTED,
    "otp_invalid": FailureReason.CODE_WRONG,
    "session_revoked": FailureReason.SESSION_ENDED,
}


@dataclass(frozen=True)
class FactorView:
    """A second step of signing in, as pages and API show it; only an app has an id."""

    type: Method
    name: str
    created_at: datetime
    last_used_at: datetime | None
    id: UUID | None = None
    remaining: int | None = None


def factors_of(user: User) -> list[FactorView]:
    """Return the mailed code, the apps in force and the recovery codes of *user*; staff have no mailed code."""
    return factors_of_all([user])[user.pk]


def factors_of_all(users: Iterable[User]) -> dict[UUID, list[FactorView]]:
    """Return the same for each of *users*, by three queries for all of them."""
    people = {user.pk: user for user in users}
    mailed = [pk for pk, user in people.items() if not user.is_staff]
    used = dict(
        Challenge.objects.filter(user__in=mailed, method_used=Method.EMAIL)
        .values_list("user")
        .annotate(last=Max("consumed_at"))
        .order_by()
    )
    found = {pk: [_mailed_code(people[pk], used.get(pk))] if pk in mailed else [] for pk in people}
    for app in TotpDevice.objects.filter(user__in=people, confirmed=True).order_by("created_at", "pk"):
        seen = (app.confirmed_at or app.created_at, app.last_used_at, app.pk)
        found[app.user_id].append(FactorView(Method.TOTP, app.name, *seen))
    left = Count("pk", filter=Q(used_at__isnull=True))
    codes_of = RecoveryCode.objects.filter(user__in=people).values_list("user").order_by()
    for pk, first, last, number in codes_of.annotate(first=Min("created_at"), used=Max("used_at"), left=left):
        found[pk].append(FactorView(Method.RECOVERY, _("Recovery codes"), first, last, remaining=number))
    return found


@own_account.changes_account
def begin_app(*, user: User, session: Session, name: str, client: Client) -> factors.TotpSetup:
    """Begin to set up an app; it is not in force before its first code. Raises conflict where there are MAX_APPS."""
    if factors.apps_of(user).count() >= app_settings().MAX_APPS:
        _refuse(_too_many(), _event(user, session, client, "totp", "begun"))
    return factors.begin_totp(user=user, name=name, client=client, session_id=session.pk)


@own_account.changes_account
def confirm_app(*, user: User, session: Session, app_id: UUID, code: str, client: Client) -> list[str]:
    """Put an app in force by its first code; return the recovery codes that come with the first app, shown this once.

    Raises not_found (another session's, too), otp_invalid (its detail says what to do), conflict, session_revoked.
    """
    now = timezone.now()
    with _changing(_event(user, session, client, "totp", "added"), user, session) as held:
        device = factors.pending_totp(held, now, session_id=session.pk)
        if device is None or device.pk != app_id:
            raise Problem("not_found")
        if factors.apps_of(held).count() >= app_settings().MAX_APPS:
            raise _too_many()
        made = factors.confirm(device=device, code=code, client=client, now=now)
        mails.factor_added(held, client, link=disavowal.link_for(held, session, client, now))
    return made


@own_account.changes_account
def remove_app(*, user: User, session: Session, app_id: UUID, client: Client) -> bool:
    """Remove an app; return whether it was the last: then the recovery codes go, and a mailed code is asked for again.

    Raises not_found, for another's app as for none; conflict where it is the last of staff, who always need one;
    session_revoked. ASVS 6.5.6, 8.2.2.
    """
    event, now = _event(user, session, client, "totp", "removed"), timezone.now()
    with _changing(event, user, session) as held:
        apps = factors.apps_of(held)
        app = apps.filter(pk=app_id).first()
        if app is None:
            raise Problem("not_found")
        last = apps.count() == 1
        if last and held.is_staff:
            raise Problem("conflict", detail=_("Staff need an authenticator app. Set up another one first."))
        factors.remove(app=app, session_id=session.pk, now=now)
        if last:
            RecoveryCode.objects.filter(user=held).delete()
        mails.factor_removed(held, client, last=last, link=disavowal.link_for(held, session, client, now))
        announce(event)
    return last


@own_account.changes_account
def renew_recovery_codes(*, user: User, session: Session, client: Client) -> list[str]:
    """Replace the recovery codes; return the new ones, shown this once.

    Raises conflict where no app is set up, session_revoked.
    """
    now = timezone.now()
    with _changing(_event(user, session, client, "recovery", "made"), user, session) as held:
        if not factors.has_app(held):
            raise Problem("conflict", detail=_("Recovery codes stand in for an authenticator app. Set one up first."))
        made = factors.new_recovery_codes(user=held, client=client, now=now, session_id=session.pk)
        mails.recovery_codes_made(held, client, link=disavowal.link_for(held, session, client, now))
    return made


@contextmanager
def _changing(event: events.FactorChanged, user: User, session: Session) -> Iterator[User]:
    """Open the transaction of a change that *event* names, and end in it what a change of factors ends."""
    client = event.client
    try:
        with transaction.atomic(durable=True):
            held = own_account.hold(user=user, session=session)
            yield held
            sessions.revoke_all(user=held, reason=RevokeReason.FACTORS_CHANGED, client=client, keep=session)
            devices.forget(user=held, client=client)
            codes.cancel_all(user=held)
            links.close(user=held, purpose=LinkPurpose.ADDRESS)  # it was asked for by less than is asked from now on
    except Problem as problem:
        _refuse(problem, event)


def _event(user: User, session: Session, client: Client, factor: str, change: str) -> events.FactorChanged:
    return events.FactorChanged(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk),
        factor=factor,
        change=change,
    )


def _refuse(problem: Problem, event: events.FactorChanged) -> NoReturn:
    refuse(problem, replace(event, success=False, failure_reason=_REASONS[problem.code]))


def _too_many() -> Problem:
    said = _("An account has at most %(n)d authenticator apps. Remove one first.")
    return Problem("conflict", detail=said % {"n": app_settings().MAX_APPS})


def _mailed_code(user: User, used: datetime | None) -> FactorView:
    return FactorView(Method.EMAIL, _("Code by email"), user.email_verified_at or user.created_at, used)
