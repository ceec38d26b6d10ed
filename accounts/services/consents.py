"""What people agree to: the terms, and whatever else the settings ask, each in a version.

1. An answer is a row that stays. The newest about a purpose is the one that counts, and an answer that repeats it
   writes nothing: of two alike at once one is written.
2. Only a version that is asked for can be agreed to, so that nobody agrees to what was never shown to him. Whatever
   stands can be withdrawn, also a version that is not asked for any more.
3. Withdrawing the terms ends nothing at once: the next sign-in on the pages asks for them before anything else.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events
from accounts.conf import app_settings
from accounts.models import Consent, User
from accounts.models.consent import TERMS, purpose_of
from accounts.services import own_account
from accounts.signals import announce
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem, validation
from sessions_app import services as sessions
from sessions_app.models import Session

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Choice:
    """One version of a purpose that somebody may answer."""

    purpose: str
    version: str
    text: str  # what is asked, in the words of the settings; the terms and what is no longer asked for have none
    answer: Consent | None  # the newest about the purpose
    is_asked: bool = True

    @property
    def is_given(self) -> bool:
        """Whether this very version is agreed to."""
        return self.answer is not None and self.answer.granted and self.answer.version == self.version

    @property
    def is_required(self) -> bool:
        return self.purpose == TERMS


def asked() -> dict[str, str]:
    """Return every version that is asked for now, and its purpose; the terms first."""
    conf = app_settings()
    terms = {conf.TERMS_VERSION: TERMS} if conf.TERMS_VERSION else {}
    return terms | {version: purpose_of(version) for version, _text in conf.OPTIONAL_CONSENTS}


def are_due(user: User) -> bool:
    """Tell whether *user* has yet to agree to the version of the terms that is in force."""
    version = app_settings().TERMS_VERSION
    return bool(version) and user.terms_version != version


def choices(user: User) -> list[Choice]:
    """Return what *user* may answer: all that is asked for, and what stands though it is not asked for any more."""
    newest = _newest(user)
    texts = dict(app_settings().OPTIONAL_CONSENTS)
    found = [
        Choice(purpose, version, texts.get(version, ""), newest.get(purpose)) for version, purpose in asked().items()
    ]
    offered = {choice.version for choice in found}
    stale = (one for one in newest.values() if one.granted and one.purpose != TERMS and one.version not in offered)
    return [*found, *(Choice(one.purpose, one.version, "", one, is_asked=False) for one in stale)]


def answer(*, user: User, session: Session, answers: Mapping[str, bool], client: Client) -> list[Consent]:
    """Write down what *user* says to each version, withdrawals first; return the rows that stand then.

    Raises validation_failed for a version that cannot be answered so, session_revoked.
    """
    ordered = sorted(answers.items(), key=lambda pair: pair[1])
    known = asked()
    told = [
        _event(user, session, known.get(version, purpose_of(version)), version, granted=said, client=client)
        for version, said in ordered
    ]
    with own_account.recording_end(*told), transaction.atomic(durable=True):
        held = own_account.hold(user=user, session=session)
        return [_answer(held, version, granted=said, client=client, session=session) for version, said in ordered]


def sign_up(*, user: User, agreed: Collection[str], client: Client, now: datetime) -> None:
    """Write down what came with a sign-up, in the caller's transaction: the terms, and each optional version.

    An earlier sign-up for the address may have been a stranger's: what it agreed to and this one does not is withdrawn.
    """
    if user.terms_version:
        Consent.objects.create(user=user, version=user.terms_version, granted=True, at=now, ip=client.ip)
    optional = [choice for choice in choices(user) if not choice.is_required]
    wanted = {choice.version: choice.is_asked and choice.version in agreed for choice in optional}
    changed = [choice.version for choice in optional if choice.is_given != wanted[choice.version]]
    for version in sorted(changed, key=wanted.__getitem__):
        _answer(user, version, granted=wanted[version], client=client)


def check_offered(agreed: Collection[str]) -> None:
    """Refuse what no optional purpose asks for; raises validation_failed."""
    if not set(agreed) <= {version for version, _text in app_settings().OPTIONAL_CONSENTS}:
        raise _no_such_version()


def _answer(user: User, version: str, *, granted: bool, client: Client, session: Session | None = None) -> Consent:
    """Write an answer of *user*, whose account is locked, unless it is the one that stands."""
    newest = _newest(user)
    purpose = _purpose_for(version, granted=granted, newest=newest)
    last = newest.get(purpose)
    if last is not None and (last.version, last.granted) == (version, granted):
        return last
    now = timezone.now()
    at = max(now, last.at + _TICK) if last else now  # a clock that was set back puts no answer before an earlier one
    row = Consent.objects.create(user=user, purpose=purpose, version=version, granted=granted, at=at, ip=client.ip)
    if purpose == TERMS:
        user.terms_version, user.terms_given_at = (version, at) if granted else ("", None)
        user.save(update_fields=["terms_version", "terms_given_at", "updated_at"])
        sessions.forget_state(user=user)
    announce(_event(user, session, purpose, version, granted=granted, client=client))
    return row


def _event(
    user: User, session: Session | None, purpose: str, version: str, *, granted: bool, client: Client
) -> events.ConsentGiven:
    kind = events.ConsentGiven if granted else events.ConsentWithdrawn
    return kind(
        client=client,
        user_id=str(user.pk),
        actor=Actor.user(user) if session else Actor.anonymous(),
        session_id=str(session.pk) if session else None,
        purpose=purpose,
        version=version,
    )


def _purpose_for(version: str, *, granted: bool, newest: Mapping[str, Consent]) -> str:
    """Return the purpose of *version*; raises validation_failed where it cannot be answered so."""
    offered = asked()
    if version in offered:
        return offered[version]
    if not granted:
        for last in newest.values():
            if last.version == version:
                return last.purpose
    raise _no_such_version()


def _newest(user: User) -> dict[str, Consent]:
    """Return the newest answer of *user* about each purpose."""
    later = Consent.objects.filter(user=OuterRef("user"), purpose=OuterRef("purpose"), at__gt=OuterRef("at"))
    rows = Consent.objects.filter(~Exists(later), user=user).order_by("at", "id")
    return {row.purpose: row for row in rows}


def _no_such_version() -> Problem:
    return validation("version", "invalid", _("This is no version that can be answered so."))
