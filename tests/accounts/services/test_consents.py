"""Answers that stay: what the table, the service and the settings hold out against."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.checks import run_checks
from django.db import transaction
from django.utils import timezone

from accounts import events
from accounts.models import Consent, User
from accounts.models.consent import ConsentStands
from accounts.services import consents, registration
from accounts.signals import security_event
from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Door, Session, Transport
from sessions_app.reasons import RevokeReason
from tests.factories import EMAIL, PASSWORD, UserFactory, mark, trail

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Client.local("test")
NEWS, NEWER = "marketing-2026", "marketing-2027"
ASKED = {"OPTIONAL_CONSENTS": ((NEWS, "Mail me news"), ("research-1", "Ask me how it went"))}


@pytest.fixture
def user() -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def session(user: User) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=Door.PAGE, transport=Transport.COOKIE, factors=["password"])


@pytest.fixture
def say(user: User, session: Session, settings: Any) -> Callable[..., list[Consent]]:
    settings.ACCOUNTS = ASKED
    return lambda answers: consents.answer(user=user, session=session, answers=answers, client=HERE)


def rows() -> list[tuple[str, str, bool]]:
    return list(Consent.objects.order_by("at", "id").values_list("purpose", "version", "granted"))


def row_of(user: User) -> Consent:
    return Consent.objects.create(user=user, version="1", granted=True, at=timezone.now())


def _save_again(row: Consent) -> Any:
    row.granted = False
    return row.save()


def _save_over(row: Consent) -> Any:
    return Consent(pk=row.pk, user=row.user, version="1", granted=False, at=row.at).save(force_update=True)


@pytest.mark.parametrize(
    "deed",
    [
        _save_again,
        _save_over,
        lambda row: row.save(update_fields=["granted"]),
        lambda row: row.delete(),
        lambda _row: Consent.objects.update(granted=False),
        lambda _row: Consent.objects.filter(granted=True).update(granted=False),
        lambda row: row.user.consents.update(granted=False),
        lambda _row: Consent.objects.all().delete(),
        lambda row: row.user.consents.all().delete(),
        lambda row: row.user.consents.filter(version="1").delete(),
        lambda _row: Consent.objects.all()._raw_delete("default"),
        lambda row: Consent.objects.bulk_update([row], ["granted"]),
        lambda row: Consent.objects.update_or_create(pk=row.pk, defaults={"granted": False}),
        lambda row: Consent.objects.bulk_create([row], update_conflicts=True, update_fields=["granted"]),
        lambda row: Consent.objects.bulk_create([row], ignore_conflicts=True),
    ],
)  # fmt: skip
def test_an_answer_is_never_changed_and_never_removed(user: User, deed: Callable[[Consent], Any]) -> None:
    row = row_of(user)
    before = Consent.objects.values().get()
    with pytest.raises(ConsentStands):
        deed(row)
    assert Consent.objects.values().get() == before


def test_an_answer_cannot_be_written_over_by_its_key(user: User) -> None:
    row = row_of(user)
    with pytest.raises(Exception, match="(?i)unique|duplicate"), transaction.atomic():
        Consent(pk=row.pk, user=user, version="1", granted=False, at=row.at).save()
    assert Consent.objects.get().granted


@pytest.mark.parametrize("remove", [lambda user: user.delete(), lambda _user: User.objects.all().delete()])
def test_answers_go_with_their_account(user: User, remove: Callable[[User], Any]) -> None:
    row_of(user)
    remove(user)
    assert not Consent.objects.exists() and not User.objects.exists()


def test_rows_may_be_added_together(user: User) -> None:
    now = timezone.now()
    Consent.objects.bulk_create([Consent(user=user, version=v, granted=True, at=now) for v in ("1", "2")])
    assert Consent.objects.count() == 2


def test_what_is_given_and_withdrawn_leaves_its_rows_and_its_events(user: User, say: Callable[..., Any]) -> None:
    since = mark()
    for granted in (True, True, False, False, True):
        say({NEWS: granted})
    assert rows() == [("marketing", NEWS, True), ("marketing", NEWS, False), ("marketing", NEWS, True)]
    given, withdrawn = ("user_consent_given",), ("user_consent_withdrawn",)
    assert trail(since) == [given, withdrawn, given]


def test_the_account_follows_the_terms(user: User, say: Callable[..., Any]) -> None:
    [refused] = say({"1": False})
    user.refresh_from_db()
    assert (user.terms_version, user.terms_given_at, consents.are_due(user)) == ("", None, True)
    [given] = say({"1": True})
    user.refresh_from_db()
    assert (user.terms_version, user.terms_given_at, consents.are_due(user)) == ("1", given.at, False)
    assert given.at > refused.at and user.is_active


def test_an_optional_answer_leaves_the_account_as_it_is(user: User, say: Callable[..., Any]) -> None:
    before = User.objects.values().get()
    say({NEWS: True, "research-1": False})
    assert User.objects.values().get() == before
    assert rows() == [("research", "research-1", False), ("marketing", NEWS, True)]


def test_two_purposes_do_not_touch_each_other(user: User, say: Callable[..., Any]) -> None:
    say({NEWS: True})
    say({"research-1": True, "1": False})
    assert {choice.version: choice.is_given for choice in consents.choices(user)} == {
        "1": False, NEWS: True, "research-1": True,
    }  # fmt: skip


@pytest.mark.parametrize("version", ["2", "0", "", "marketing-2025", "terms", "MARKETING-2026", " 1"])
@pytest.mark.parametrize("granted", [True, False])
def test_a_version_that_nobody_was_asked_for_is_refused(say: Callable[..., Any], version: str, granted: bool) -> None:
    since = mark()
    with pytest.raises(Problem) as refused:
        say({NEWS: True, version: granted})
    assert [(error.field, error.code) for error in refused.value.errors] == [("version", "invalid")]
    assert rows() == [] and trail(since) == []


def test_an_earlier_version_can_be_withdrawn_and_not_given(
    user: User, session: Session, say: Callable[..., Any], settings: Any
) -> None:
    say({NEWS: True})
    settings.ACCOUNTS = {"OPTIONAL_CONSENTS": ((NEWER, "Mail me news and offers"),), "TERMS_VERSION": "2"}
    shown = [(one.version, one.is_given, one.is_asked, one.is_required) for one in consents.choices(user)]
    assert shown == [("2", False, True, True), (NEWER, False, True, False), (NEWS, True, False, False)]
    say({NEWS: False})
    say({NEWS: False})
    assert rows()[-1] == ("marketing", NEWS, False) and len(rows()) == 2
    assert [one.version for one in consents.choices(user)] == ["2", NEWER]
    with pytest.raises(Problem):
        say({NEWS: True})
    say({NEWER: True})
    with pytest.raises(Problem):  # superseded: it stands no more
        say({NEWS: False})
    assert [(one.version, one.is_given) for one in consents.choices(user)] == [("2", False), (NEWER, True)]


def test_a_purpose_that_is_dropped_can_still_be_withdrawn(user: User, say: Callable[..., Any], settings: Any) -> None:
    say({NEWS: True})
    settings.ACCOUNTS = {"TERMS_VERSION": ""}
    assert [(one.version, one.is_asked) for one in consents.choices(user)] == [(NEWS, False)]
    assert not consents.are_due(user)
    say({NEWS: False})
    assert consents.choices(user) == []


def test_a_new_version_is_due_until_it_is_given(user: User, say: Callable[..., Any], settings: Any) -> None:
    assert not consents.are_due(user)
    settings.ACCOUNTS = {"TERMS_VERSION": "2"}
    assert consents.are_due(user)
    with pytest.raises(Problem):
        say({"1": True})
    say({"2": True})
    assert not consents.are_due(User.objects.get())


def test_a_clock_that_was_set_back_puts_no_answer_before_an_earlier_one(say: Callable[..., Any]) -> None:
    [first] = say({NEWS: True})
    with time_machine.travel(timezone.now() - timedelta(hours=1), tick=False):
        [second] = say({NEWS: False})
    assert second.at == first.at + timedelta(microseconds=1)
    assert [row.granted for row in Consent.objects.newest_first()] == [False, True]


@pytest.fixture
def failing() -> Iterator[None]:
    def fail(event: SecurityEvent, **_more: Any) -> None:
        if isinstance(event, events.ConsentGiven | events.ConsentWithdrawn):
            raise OSError("the disk is full")

    security_event.connect(fail)
    yield
    security_event.disconnect(fail)


def test_j08_no_answer_without_its_record(user: User, say: Callable[..., Any], failing: None) -> None:
    with pytest.raises(OSError, match="disk"):
        say({"1": False})
    user.refresh_from_db()
    assert rows() == [] and user.terms_version == "1"


def test_a_session_that_ended_meanwhile_answers_nothing(user: User, say: Callable[..., Any]) -> None:
    with transaction.atomic():
        sessions.revoke_all(user=user, reason=RevokeReason.STAFF, client=HERE)
    with pytest.raises(Problem) as refused:
        say({NEWS: True})
    assert refused.value.code == "session_revoked" and rows() == []


def sign_up(*agreed: str) -> None:
    registration.register(email=EMAIL, password=PASSWORD, accept_terms=True, agreed=agreed, client=HERE)


def test_a_sign_up_brings_its_answers(settings: Any) -> None:
    settings.ACCOUNTS = ASKED
    sign_up(NEWS)
    assert rows() == [("terms", "1", True), ("marketing", NEWS, True)]
    assert sorted(trail()) == [("user_consent_given",), ("user_registered",)]


def test_a_later_sign_up_withdraws_what_a_stranger_agreed_to(settings: Any) -> None:
    settings.ACCOUNTS = ASKED
    sign_up(NEWS, "research-1")
    settings.ACCOUNTS = {"OPTIONAL_CONSENTS": ((NEWER, "Mail me news and offers"), ASKED["OPTIONAL_CONSENTS"][1])}
    sign_up(NEWER)
    standing = {one.version for one in consents.choices(User.objects.get()) if one.is_given}
    assert standing == {"1", NEWER}


def test_a_sign_up_agrees_to_nothing_that_is_not_asked() -> None:
    with pytest.raises(Problem) as refused:
        sign_up(NEWS)
    assert refused.value.code == "validation_failed" and not User.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"TERMS_VERSION": "x" * 41}, "accounts.E008"),
        ({"OPTIONAL_CONSENTS": (("marketing-" + "x" * 40, "News"),)}, "accounts.E008"),
        ({"OPTIONAL_CONSENTS": (("marketing", "News"),)}, "accounts.E009"),
        ({"OPTIONAL_CONSENTS": (("Marketing 2026", "News"),)}, "accounts.E009"),
        ({"OPTIONAL_CONSENTS": (("terms-2", "The terms"),)}, "accounts.E009"),
        ({"OPTIONAL_CONSENTS": ((NEWS, "News"), (NEWER, "News"))}, "accounts.E010"),
        ({"OPTIONAL_CONSENTS": ((NEWS, "News"),), "TERMS_VERSION": NEWS}, "accounts.E010"),
    ],
)
def test_versions_that_cannot_be_told_apart_are_named_at_the_start(settings: Any, wrong: Any, fault: str) -> None:
    settings.ACCOUNTS = wrong
    assert fault in [message.id for message in run_checks()]
    settings.ACCOUNTS = ASKED
    assert [message for message in run_checks() if str(message.id).startswith("accounts.E")] == []
