"""What the clean-up does with accounts that are to be erased, or that nobody proved, and with links, challenges, mails,
apps that were removed, single permissions, records of failures, and the files of exports.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import events, lockout
from accounts.conf import app_settings
from accounts.erasers import erase_elsewhere
from accounts.models import Challenge, ErasedAddress, Export, Grant, Link, Mail, MailState, Status, TotpDevice, User
from accounts.services import erasure, export_ending, undoing
from accounts.signals import announce
from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.events import Actor, together
from sessions_app.models import Session

_MOST_ACCOUNTS = 100  # a batch: each takes all that hangs on it along
_DONE = (MailState.SENT, MailState.DROPPED)


def _unproved(before: datetime, now: datetime) -> QuerySet[User]:
    """Return accounts from before that moment that nobody proved or used, and that no open link can prove any more.

    An account that was imported keeps the time it was made at elsewhere; here it begins with its row.
    """
    links = Link.objects.open().filter(user_id=OuterRef("pk"), expires_at__gt=now)
    sessions = Session.objects.filter(user_id=OuterRef("pk"))
    unproved = User.objects.filter(
        status=Status.INACTIVE, email_verified_at__isnull=True, last_login__isnull=True, is_staff=False
    )
    return unproved.filter(~Exists(links), ~Exists(sessions), created_at__lt=before, updated_at__lt=before)


def _remove_unproved(before: datetime, now: datetime, number: int) -> Iterator[int]:
    alias = router.db_for_write(User)
    unproved = _unproved(before, now).using(alias)
    client = Client.local("cleanup")
    while True:
        with transaction.atomic(using=alias, durable=True):
            going = list(cleaning.locked(unproved).order_by("created_at")[: min(number, _MOST_ACCOUNTS)])
            with together():
                for user in going:
                    erase_elsewhere(user_id=user.pk)
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
    cleaning.of_rows(
        name="removed-apps",
        says="authenticator apps that were removed, and may not be put back any more",
        age=undoing.kept_for,
        rows=lambda before, _now: TotpDevice.objects.filter(removed_at__lt=before),
        by="removed_at",
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
        name="export-files",
        says="files of exports that were fetched, that nobody fetched in time, or that no account has any more",
        age=lambda: cleaning.AT_ONCE,
        count=lambda before, _now: (
            export_ending.left_over(before).count() + sum(1 for _stray in export_ending.strays())
        ),
        remove=lambda before, _now, number: export_ending.remove_files(before, number),
    ),
    cleaning.of_rows(
        name="exports",
        says="records of exports that are over, and of which no file is left",
        age=lambda: app_settings().EXPORTS_KEPT,
        rows=lambda before, _now: Export.objects.over().filter(created_at__lt=before, file_name=""),
        by="id",
    ),
    cleaning.of_rows(
        name="grants",
        says="single permissions whose time is over",
        age=lambda: app_settings().GRANTS_KEPT,
        rows=lambda before, _now: Grant.objects.over_before(before),
        by="expires_at",
    ),
    cleaning.Chore(
        name="erasures",
        says="accounts whose deletion is due, each with its event and a last mail",
        done="erased",
        age=lambda: cleaning.AT_ONCE,
        count=lambda before, _now: erasure.due(before).count(),
        remove=lambda before, _now, number: erasure.erase_due(before=before, number=number, actor=Actor.system()),
    ),
    cleaning.of_rows(
        name="erased-addresses",
        says="digests by which an import knows addresses that were erased",
        age=lambda: app_settings().ERASED_KEPT,
        rows=lambda before, _now: ErasedAddress.objects.filter(erased_on__lt=before),
        by="erased_on",
    ),
    cleaning.Chore(
        name="unverified",
        says="accounts whose address nobody proved, each with its event",
        age=lambda: app_settings().UNVERIFIED_KEPT,
        count=lambda before, now: _unproved(before, now).count(),
        remove=_remove_unproved,
    ),
)
