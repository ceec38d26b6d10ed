"""The clean-up of accounts, links, challenges and mails, and the worker that does it once an hour."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts import retention
from accounts.management.commands import worker
from accounts.models import Challenge, Link, Mail, MailState, Status, User
from audit.models import Event
from gatehouse import cleaning
from gatehouse.cleaning import Sweep
from gatehouse.events import Actor
from gatehouse.models import Counter
from sessions_app.models import Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
OLD = timedelta(days=120)
MONTH = timedelta(days=30)


@pytest.fixture
def old_and_new() -> None:
    """Leave the rows of two journeys, one long ago and one just now."""
    with time_machine.travel(timezone.now() - OLD):
        api = Api()
        api.register("old@example.com")
        api.verify("old@example.com")
        api.sign_in("old@example.com")
        api.login("old@example.com", "not the password at all")
    UserFactory(email=EMAIL)
    api = Api()
    api.sign_in()
    api.register("new@example.com")  # its mail waits
    api.login("nobody@example.com", "not the password at all")


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (User, Link, Challenge, Mail, Session))


def purge(**given: Any) -> dict[str, int]:
    run = Sweep(retention.CHORES, actor=Actor.system(), **given)
    before = {chore.name: run.count(chore) for chore in retention.CHORES}
    assert run.go_on(60)
    assert run.removed == before, "a dry run says what goes"
    return {name: number for name, number in run.removed.items() if number}


def test_what_is_over_goes_and_what_lives_stays(old_and_new: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = counts()
    events = Event.objects.count()
    call_command("cleanup", "--dry-run")
    said = capsys.readouterr().out
    assert "links: 1 would be removed" in said and "challenges: 1 would be removed" in said
    assert counts() == before and Event.objects.count() == events
    old_mails = Mail.objects.filter(to="old@example.com").count()
    assert old_mails >= 2
    call_command("cleanup")
    users, links, challenges, mails, sessions = before
    assert counts() == (users, links - 1, challenges - 1, mails - old_mails, sessions - 1)
    assert Mail.objects.filter(state=MailState.QUEUED, to="new@example.com").exists()
    assert not Counter.objects.filter(expires_at__lte=timezone.now()).exists()
    assert Counter.objects.exists()  # the limits that run go on
    assert trail()[-1] == ("sys_cleanup",)
    removed = Event.objects.latest("id").details["removed"]
    assert (removed["links"], removed["sessions"], removed["failures"]) == (1, 1, 1)
    assert Event.objects.count() > events  # the trail only grows


def test_a_second_clean_up_finds_nothing_and_says_nothing(old_and_new: None) -> None:
    call_command("cleanup")
    events = Event.objects.count()
    call_command("cleanup")
    assert Event.objects.count() == events


def test_an_account_that_nobody_proved_goes_with_all_that_hangs_on_it_and_leaves_its_event() -> None:
    with time_machine.travel(timezone.now() - MONTH - timedelta(days=2)):
        Api().register()
        Mailbox().all()
    user = User.objects.get()
    with time_machine.travel(timezone.now() - timedelta(days=3)):
        assert purge() == {}
    assert purge()["unverified"] == 1
    assert not User.objects.exists() and not Link.objects.exists() and not Mail.objects.exists()
    row = Event.objects.get(action="user_registration_expired")
    assert (row.user_id, row.email, row.actor_type) == (str(user.pk), None, "system")


def test_an_address_that_nobody_proved_is_not_left_in_the_trail() -> None:
    Api().register("nobody.proves@example.com")
    [asked] = Event.objects.filter(action="user_registered")
    assert asked.email == "nobody.proves@example.com"
    with time_machine.travel(timezone.now() + timedelta(days=32)):
        call_command("cleanup", "--only", "unverified")
    assert not User.objects.exists()
    assert Event.objects.get(pk=asked.pk).email is None


def test_the_address_is_free_again() -> None:
    with time_machine.travel(timezone.now() - OLD):
        Api().register()
    call_command("cleanup", "--only", "unverified")
    api = Api()
    api.register()
    assert api.verify().status_code == 200
    assert User.objects.get().status == Status.ACTIVE


@pytest.mark.parametrize("spared", [
    {},
    {"disabled": True},
    {"deleted": True},
    {"unverified": True, "staff": True},
    {"unverified": True, "last_login": timezone.now()},
    {"unverified": True, "email_verified_at": timezone.now()},
    {"unverified": True, "created_at": timezone.now() - timedelta(days=29)},
])  # fmt: skip
def test_every_other_account_stays(spared: dict[str, Any]) -> None:
    UserFactory(**{"created_at": timezone.now() - OLD, **spared})
    assert purge() == {}


def test_an_account_stays_while_a_link_can_still_prove_it() -> None:
    with time_machine.travel(timezone.now() - OLD):
        Api().register()
    api = Api()
    api.post("/auth/verify-email/resend", {"email": EMAIL})
    api.mailbox.all()
    assert "unverified" not in purge()
    assert api.verify().status_code == 200


def test_mails_that_were_given_up_stay_longer_and_those_that_wait_for_ever() -> None:
    user = UserFactory()

    def mail(state: MailState, days: int) -> None:
        at = timezone.now() - timedelta(days=days)
        Mail.objects.create(template="locked", to=EMAIL, user=user, state=state, next_try_at=at, created_at=at)

    for state in MailState:
        for days in (29, 31, 91):
            mail(state, days)
    assert purge(batch=1) == {"mails": 4, "failed-mails": 1}
    left = sorted(Mail.objects.values_list("state", flat=True))
    assert left == sorted(["sent", "dropped", "failed", "failed", *["queued"] * 3, *["sending"] * 3])


@pytest.mark.parametrize("key", ["UNVERIFIED_KEPT", "LINKS_KEPT", "CHALLENGES_KEPT", "FAILURES_KEPT", "MAILS_KEPT"])
def test_every_age_is_a_setting(old_and_new: None, settings: Any, key: str) -> None:
    name = key.removesuffix("_KEPT").lower()
    (chore,) = [one for one in retention.CHORES if one.name == name]
    assert chore.age() == MONTH
    settings.ACCOUNTS = {**settings.ACCOUNTS, key: timedelta(days=200)}
    assert chore.age() == timedelta(days=200)
    assert name not in purge()


def test_the_worker_sends_once(capsys: pytest.CaptureFixture[str]) -> None:
    Api().register()
    call_command("worker", "--once")
    assert capsys.readouterr().out == "1 sent\n"


def test_the_worker_cleans_up_once_an_hour_in_slices_and_records_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "CLEAN_FOR", 0)
    with time_machine.travel(timezone.now() - OLD):
        for number in range(3):
            UserFactory(email=f"person{number}@example.com", unverified=True)
    monkeypatch.setattr(retention, "_MOST_ACCOUNTS", 1)
    now = timezone.now()
    cleaner = worker.Cleaner(now + worker.CLEAN_EVERY)
    cleaner.go_on(now)
    assert User.objects.count() == 3
    later = now + worker.CLEAN_EVERY
    left = []
    for second in range(8):
        cleaner.go_on(later + timedelta(seconds=second))
        left.append(User.objects.count())
    assert left[:3] == [2, 1, 0]
    assert trail() == [("user_registration_expired",)] * 3 + [("sys_cleanup",)]
    row = Event.objects.latest("id")
    assert (row.actor_label, row.details["removed"]["unverified"]) == ("worker", 3)


def test_a_worker_that_stops_in_the_middle_records_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    def remove(_before: datetime, _now: datetime, _number: int) -> Iterator[int]:
        yield from [1, 1, 1]

    chore = cleaning.Chore(
        name="slow", says="tests", age=lambda: cleaning.AT_ONCE, count=lambda before, now: 3, remove=remove
    )
    monkeypatch.setattr(retention, "CHORES", [chore])
    monkeypatch.setattr(worker, "CLEAN_FOR", 0)
    cleaner = worker.Cleaner(timezone.now())
    cleaner.go_on(timezone.now())
    cleaner.conclude()
    cleaner.conclude()
    assert trail() == [("sys_cleanup",)]
    assert Event.objects.get().details["removed"]["slow"] == 1
