"""Undoing what somebody who was not the owner of an account did to its second factors, and letting the owner back in.

1. Factors become again what they were: apps that were set up go, apps that were removed are in force again, recovery
   codes that were made end. A thief who set up an app would else shut the owner out for ever, since a reset of the
   password asks for it (ASVS 6.4.3, 6.5.6).
2. Only what one session did is undone, or what was done since the account left an address, and by a mail only what was
   done within the life of such a mail: whoever reads an old one gets rid of no old app, and gets past no app that an
   account had before.
3. Where no app would be left, those that were removed since the first of the apps that go was set up are in force
   again, whoever removed them: they were let go because of it. A mailbox alone would else get past an old app whose
   owner changed phones in two sessions (ASVS 6.4.3).
4. Recovery codes are never put back, since only their owner knows who else has seen them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from accounts import events, mails
from accounts.conf import app_settings
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.services import enrolment, factors
from accounts.services.passwords import queue_reset
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor


@dataclass(frozen=True, kw_only=True)
class Doings:
    """What was done in one session, lately or ever, and what anybody did since a moment."""

    session_id: UUID | None
    lately: datetime | None = None  # what the session did before is not meant
    since: datetime | None = None

    def of(self, session: str, at: str) -> Q | None:
        """Return the condition on rows whose columns *session* and *at* say who did something, and when."""
        conditions = []
        if self.session_id is not None:
            own = Q(**{session: self.session_id, f"{at}__isnull": False})
            conditions.append(own if self.lately is None else own & Q(**{f"{at}__gt": self.lately}))
        if self.since is not None:
            conditions.append(Q(**{f"{at}__gte": self.since}))
        if not conditions:
            return None
        return conditions[0] if len(conditions) == 1 else conditions[0] | conditions[1]


def kept_for() -> timedelta:
    """Return how long an app that was removed may be put back."""
    return max(app_settings().DISAVOW_TTL, app_settings().ADDRESS_UNDO_TTL)


def has_changed_factors(*, user: User, session_id: UUID | None) -> bool:
    """Tell whether that session did anything to the factors of *user* that can be undone."""
    doings = Doings(session_id=session_id)
    added, removed = doings.of("session_id", "confirmed_at"), doings.of("removed_session_id", "removed_at")
    made = doings.of("session_id", "created_at")
    if added is None or removed is None or made is None:
        return False
    apps = TotpDevice.objects.filter(added | removed, user=user)
    return apps.exists() or RecoveryCode.objects.filter(made, user=user).exists()


def undo_factors(*, user: User, doings: Doings, client: Client, actor: Actor) -> bool:
    """Undo *doings* in the caller's transaction, with their events and a mail; return whether there were any.

    The caller has locked *user*.
    """
    removed, restored = _undo_apps(user, doings)
    codes = _end_codes(user, doings)
    told = [("totp", "removed")] * removed + [("totp", "restored")] * restored + [("recovery", "removed")] * codes
    for factor, change in told:
        announce(events.FactorChanged(client=client, user_id=str(user.pk), actor=actor, factor=factor, change=change))
    if told:
        left = factors.has_app(user)
        mails.factors_undone(user, client, removed=removed, restored=restored, codes=codes, left=left)
    return bool(told)


def mail_way_in(*, user: User, client: Client, now: datetime) -> None:
    """Mail the owner what lets them in again, in the caller's transaction: a link that sets a new password.

    Staff who have no app any more get in by no password alone: theirs sets up an app as well.
    """
    if user.is_staff and not factors.has_app(user):
        enrolment.offer(user=user, client=client, now=now)
    else:
        queue_reset(user=user, client=client)


def _undo_apps(user: User, doings: Doings) -> tuple[int, int]:
    """Return how many apps in force went, and how many are in force again."""
    mine = TotpDevice.objects.filter(user=user)
    added, gone = doings.of("session_id", "confirmed_at"), doings.of("removed_session_id", "removed_at")
    if added is None or gone is None:
        return 0, 0
    going = list(mine.filter(added).order_by("confirmed_at"))
    for app in going:  # the oldest first: what it hands on, a later one hands on again
        _hand_on(app)
    mine.filter(pk__in=[app.pk for app in going]).delete()
    went, back = (
        sum(app.confirmed for app in going),
        {"confirmed": True, "removed_at": None, "removed_session_id": None},
    )
    restored = mine.filter(gone, confirmed=False).update(**back)
    if went and not factors.has_app(user):
        restored += mine.filter(confirmed=False, removed_at__gte=going[0].confirmed_at).update(**back)
    return went, restored


def _hand_on(app: TotpDevice) -> None:
    """Count the apps that *app* had replaced as removed when it was itself, since its row goes.

    Whoever undoes the setting up of its own successor next would else find nothing to put back.
    """
    if app.removed_at is not None:
        replaced = TotpDevice.objects.filter(user_id=app.user_id, confirmed=False, removed_at__gte=app.confirmed_at)
        replaced.filter(removed_at__lt=app.removed_at).update(removed_at=app.removed_at)


def _end_codes(user: User, doings: Doings) -> bool:
    """End the recovery codes that were made, and all where no app is left; return whether there were any."""
    mine = RecoveryCode.objects.filter(user=user)
    if not factors.has_app(user):
        return bool(mine.delete()[0])
    made = doings.of("session_id", "created_at")
    return made is not None and bool(mine.filter(made).delete()[0])
