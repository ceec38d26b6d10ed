"""What the clean-up does with accounts nobody proved, links, challenges, mails and records of failures."""

from collections.abc import Iterator
from datetime import datetime

from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import events, lockout
from accounts.conf import app_settings
from accounts.models import Challenge, Link, Mail, MailState, Status, User
from accounts.signals import announce
from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.events import Actor, together
from sessions_app.models import Session

_MOST_ACCOUNTS = 100  # a batch: each takes all that hangs on it along
_DONE = (MailState.SENT, MailState.DROPPED)


def _unproved(before: datetime, now: datetime) -> QuerySet[User]:
    """Return accounts from before that moment that nobody proved or used, and that no open link can prove any more."""
    links = Link.objects.open().filter(user_id=OuterRef("pk"), expires_at__gt=now)
    sessions = Session.objects.filter(user_id=OuterRef("pk"))
    unproved = User.objects.filter(
        status=Status.INACTIVE, email_verified_at__isnull=True, last_login__isnull=True, is_staff=False
    )
    return unproved.filter(~Exists(links), ~Exists(sessions), created_at__lt=before)


def _remove_unproved(before: datetime, now: datetime, number: int) -> Iterator[int]:
    alias = router.db_for_write(User)
    unproved = _unproved(before, now).using(alias)
    client = Client.local("cleanup")
    while True:
        with transaction.atomic(using=alias, durable=True):
            going = list(cleaning.locked(unproved).order_by("created_at")[: min(number, _MOST_ACCOUNTS)])
            with together():
                for user in going:
                    announce(events.RegistrationExpired(client=client, user_id=str(user.pk), actor=Actor.system()))
            User.objects.using(alias).filter(pk__in=[user.pk for user in going]).delete()
        if not going:
            return
        yield len(going)


def _remove_mails(*states: MailState) -> cleaning.Removal:
    def remove(before: datetime, _now: datetime, number: int) -> Iterator[int]:
        for state in states:
            rows = Mail.objects.finished_before(before, state)
            yield from cleaning.remove_rows(rows, by="next_try_at", number=number)

    return remove


def _count_mails(*states: MailState) -> cleaning.Count:
    def count(before: datetime, _now: datetime) -> int:
        return sum(Mail.objects.finished_before(before, state).count() for state in states)

    return count


CHORES = (
    cleaning.of_rows(
        name="links",
        says="links of mails, used or not",
        age=lambda: app_settings().LINKS_KEPT,
        rows=lambda before, _now: Link.objects.ended_before(before),
        by="expires_at",
    ),
    cleaning.of_rows(
        name="challenges",
        says="sign-ins that waited for a code",
        age=lambda: app_settings().CHALLENGES_KEPT,
        rows=lambda before, _now: Challenge.objects.ended_before(before),
        by="expires_at",
    ),
    cleaning.Chore(
        name="mails",
        says="mails that were sent, or that it was too late for",
        age=lambda: app_settings().MAILS_KEPT,
        count=_count_mails(*_DONE),
        remove=_remove_mails(*_DONE),
    ),
    cleaning.Chore(
        name="failed-mails",
        says="mails that were given up",
        age=lambda: app_settings().FAILED_MAILS_KEPT,
        count=_count_mails(MailState.FAILED),
        remove=_remove_mails(MailState.FAILED),
    ),
    cleaning.of_rows(
        name="failures",
        says="records of wrong passwords that staff see",
        age=lambda: app_settings().FAILURES_KEPT,
        rows=lambda before, _now: lockout.failures_before(before),
        by="id",
    ),
    cleaning.Chore(
        name="unverified",
        says="accounts whose address nobody proved, each with its event",
        age=lambda: app_settings().UNVERIFIED_KEPT,
        count=lambda before, now: _unproved(before, now).count(),
        remove=_remove_unproved,
    ),
)
