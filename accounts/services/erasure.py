"""Erasing accounts that are due: their id stays, for the trail, and nothing else of whoever held them.

1. Each account goes in one transaction, with its event and the last mail: a crash leaves it whole or erased.
2. An account that somebody else holds is passed over and comes with the next run: two runs wait for each other as
   little as they do it twice.
3. The address that stands in is drawn, not made of the id: nobody can sign up with it beforehand, and so keep an
   account from being erased.
4. What others hold of the person goes in the same transaction, by the functions that ACCOUNTS["ERASERS"] names. Of
   the trail that is what opens its private parts: its rows stay.
5. What is known of addresses that the account had before is what its links still say; whatever else may hold one of
   those names no account, and goes at its age.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from accounts import events, mails, suppression
from accounts.erasers import erase_elsewhere
from accounts.models import (
    Challenge,
    Consent,
    Export,
    Grant,
    Link,
    LinkPurpose,
    Mail,
    RecoveryCode,
    Status,
    TotpDevice,
    User,
)
from accounts.services import export_ending, lockouts
from accounts.services.authority import leaving
from accounts.signals import announce, user_erased
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.deadlocks import again_after_deadlock
from gatehouse.events import Actor
from gatehouse.problems import Problem
from gatehouse.text import InvalidEmail, normalise_email
from sessions_app import services as sessions

log = structlog.get_logger(__name__)

NOWHERE = "erased.invalid"  # a domain that nobody can ever have (RFC 6761)
_OWNED: tuple[type[Model], ...] = (Link, Challenge, RecoveryCode, TotpDevice, Consent, Grant, Mail, Export)


def due(before: datetime) -> QuerySet[User]:
    """Return the accounts that were to be erased at *before* or earlier."""
    return User.objects.filter(erase_at__lte=before)


def erase_due(*, before: datetime, number: int, actor: Actor) -> Iterator[int]:
    """Erase what was due *before*, one account a step, found *number* at a time; yield 1, or 0 for one that stays."""
    left = due(before)
    while found := list(left.order_by("erase_at", "pk").values_list("erase_at", "pk")[:number]):
        for _at, pk in found:
            yield int(erase(user_id=pk, before=before, actor=actor))
        at, pk = found[-1]
        left = due(before).filter(Q(erase_at__gt=at) | Q(erase_at=at, pk__gt=pk))


def erase(*, user_id: UUID, before: datetime, actor: Actor) -> bool:
    """Erase an account that was due *before*; return whether this call did.

    Its address is free at once. The last super admin stays, and is written to the log.
    """
    try:
        return _erase(user_id, before, actor)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        log.error("erasure_refused", user_id=str(user_id), cause="the last super admin")
        return False


@again_after_deadlock
def _erase(user_id: UUID, before: datetime, actor: Actor) -> bool:
    client = Client.local("erasure")
    with leaving(user_id=user_id, wait=False) as user:
        if user is None or user.erase_at is None or user.erase_at > before:
            return False
        address, asked_by = user.email, "owner" if user.deleted_at is None else "staff"
        now, former = timezone.now(), _former_addresses(user)  # while the links are there
        lockouts.lift(user, former=former)  # and the devices
        ended = sessions.erase(user=user, client=client, actor=actor)
        _remove_belongings(user, former)
        if user.email_verified:
            mails.account_erased(address, client)
            suppression.remember((user.email_key, *former), now)
        erase_elsewhere(user_id=user.pk, addresses=(user.email_key, *former))
        _empty(user, now)
        announce(
            events.AccountErased(
                client=client, user_id=str(user.pk), actor=actor, asked_by=asked_by, sessions_ended=ended
            )
        )
        transaction.on_commit(lambda: user_erased.send_robust(User, user=user, client=client))
    return True


def _former_addresses(user: User) -> tuple[str, ...]:
    """Return the keys of the addresses that *user* had before, as far as links tell, and nobody else has by now.

    A link to a new address that was not used proves nothing: that address is somebody else's affair.
    """
    mine = Link.objects.filter(user=user).exclude(purpose=LinkPurpose.ADDRESS, used_at__isnull=True)
    keys = {_key_of(email) for email in mine.values_list("email", flat=True)} - {user.email_key}
    others = User.objects.filter(email_key__in=keys).values_list("email_key", flat=True)
    return tuple(sorted(keys.difference(others)))


def _remove_belongings(user: User, former: Collection[str]) -> None:
    """Remove the rows that are *user*'s, and those that know one of the addresses without naming the account."""
    export_ending.erase(user)
    for model in _OWNED:
        model._base_manager.filter(user=user).delete()  # consents are removed by nothing else
    keys = {user.email_key, *former}
    spelt = reduce(or_, (Q(to__iexact=address) for address in {user.email, *keys}))
    requests = Mail.objects.filter(spelt, user__isnull=True).exclude(template=mails.ACCOUNT_ERASED)
    alike = requests.values_list("pk", "to")
    Mail.objects.filter(pk__in=[pk for pk, to in alike if _key_of(to) in keys]).delete()
    counted = {"address": sorted(keys), "account": [str(user.pk)]}
    for limit in limits.LIMITS.values():
        limits.reset(*((limit.name, value) for value in counted.get(limit.key, ())))


def _empty(user: User, now: datetime) -> None:
    """Leave of the row what names nobody. A sign-in under way finds the password replaced, and opens nothing."""
    user.email = f"erased-{uuid4().hex}@{NOWHERE}"
    user.set_unusable_password()
    user.password_changed_at = now
    user.display_name = user.terms_version = user.disabled_reason = user.disabled_by = user.deleted_reason = ""
    user.email_verified_at = user.last_login = user.terms_given_at = user.disabled_at = None
    user.set_status(Status.DELETED)
    if user.deleted_at is None:
        user.deleted_at, user.deleted_by = now, str(user.pk)
    user.erase_at, user.erased_at = None, now
    user.save()


def _key_of(address: str) -> str:
    try:
        return normalise_email(address)[1]
    except InvalidEmail:
        return ""
