"""A lockout over the API, and a browser that the link of its mail let past."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Link, LinkPurpose, User
from tests.adminpanel.staff import Staff
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, problem

WRONG = "not the password at all"
UNKNOWN = "nobody@example.com"
OWN = {"origin": "http://testserver", "x_auth_transport": "cookie"}


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


def lock(email: str = EMAIL, ip: str = "192.0.2.7") -> None:
    for _turn in range(11):
        Api().login(email, WRONG, ip=ip)


def unlock(mailbox: Mailbox, email: str = EMAIL, browser: Browser | None = None) -> Browser:
    browser = browser or Browser()
    browser.get(f"/account/unlock/{mailbox.token(email)}")
    assert browser.post("/account/unlock/confirm").status_code == 303
    return browser


def test_a05_a_lockout_is_told_alike_for_an_address_that_nobody_has(api: Api, user: User) -> None:
    answers = []
    with time_machine.travel(timezone.now(), tick=False):
        for email, ip in ((EMAIL, "192.0.2.1"), (UNKNOWN, "192.0.2.2")):
            lock(email, ip)
            answers.append(Api().login(email, ip=ip))
    known, unknown = answers
    assert problem("account_locked", 429, known) == problem("account_locked", 429, unknown) == {}
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    heads = [
        {name: re.sub(r"t=\d+", "", value) for name, value in answer.items() if name != "X-Request-ID"}
        for answer in answers
    ]  # t: a window of the cache begins where the key of a network says
    assert heads[0] == heads[1]
    assert not known.cookies and not unknown.cookies


@pytest.mark.parametrize("before", [10, 11])
def test_b02_the_request_that_is_refused_costs_as_many_statements_whoever_it_is(
    api: Api, user: User, before: int
) -> None:
    """The first one that is refused has its owner told; it is the worker that finds out whether there is one."""

    def cost(email: str, ip: str) -> list[str]:
        for _turn in range(before):
            Api().login(email, WRONG, ip=ip)
        with CaptureQueriesContext(connection) as seen:
            problem("account_locked", 429, Api().login(email, WRONG, ip=ip))
        return [re.sub(r"_x\d+", "", query["sql"]).partition("(")[0][:60] for query in seen]  # savepoints are numbered

    assert cost(EMAIL, "192.0.2.1") == cost(UNKNOWN, "192.0.2.2")


def test_b02_a_browser_that_was_let_past_learns_nothing_of_other_addresses(
    api: Api, mailbox: Mailbox, user: User
) -> None:
    UserFactory(email="other@example.com")
    lock()
    browser = unlock(mailbox)

    def cost(email: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            data = {"email": email, "password": WRONG}
            assert browser.post("/account/login", data, REMOTE_ADDR="203.0.113.8").status_code == 422
        return len(seen)

    cost("warm@example.com")
    assert cost("other@example.com") == cost(UNKNOWN)


def test_a_front_end_in_the_unlocked_browser_signs_in_over_the_api(api: Api, mailbox: Mailbox, user: User) -> None:
    lock()
    problem("account_locked", 429, api.login())
    unlock(mailbox, browser=api.browser)
    asked = {"email": EMAIL, "password": PASSWORD}
    assert api.post("/auth/login", asked, **OWN).json()["status"] == "otp_required"
    problem("account_locked", 429, api.post("/auth/login", asked, x_auth_transport="bearer"))
    problem("account_locked", 429, Api().post("/auth/login", asked, **OWN))


def test_the_link_leads_to_this_server_wherever_the_front_end_is(
    api: Api, mailbox: Mailbox, user: User, settings: Any
) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "FRONTEND_URL": "https://app.example.com"}
    lock()
    assert "http://testserver/account/unlock/" in mailbox.newest()
    assert "app.example.com/account/unlock" not in mailbox.newest()


def test_staff_are_let_past_at_their_door_and_owe_their_code(api: Api, mailbox: Mailbox) -> None:
    staff = Staff()
    lock(staff.user.email, "127.0.0.1")
    assert staff.give_password().status_code == 429
    unlock(mailbox, staff.user.email, staff.browser)
    answer = staff.give_password()
    assert (answer.status_code, answer["Location"]) == (303, "/admin/login/code/")
    assert staff.give_code().status_code == 303


def disabled(user: User) -> User:
    return UserFactory(email="gone@example.com", disabled=True)


def deleted(user: User) -> User:
    return UserFactory(email="gone@example.com", deleted=True)


def unverified(user: User) -> User:
    return UserFactory(email="gone@example.com", unverified=True)


@pytest.mark.parametrize("make", [disabled, deleted, unverified])
def test_an_account_that_is_not_in_use_is_mailed_nothing(
    api: Api, mailbox: Mailbox, user: User, make: Callable[[User], User]
) -> None:
    gone = make(user)
    lock(gone.email)
    assert mailbox.all(gone.email) == []
    assert not Link.objects.filter(purpose=LinkPurpose.UNLOCK).exists()


def test_word_that_comes_late_comes_without_a_link(api: Api, mailbox: Mailbox, user: User) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        lock()
        clock.shift(901)
        assert "/account/unlock/" not in mailbox.newest()
        lock()
        assert "/account/unlock/" in mailbox.newest()
        assert mailbox.subjects(EMAIL) == ["Sign-in to your Gatehouse account is paused"] * 2


def test_a_mail_that_waited_until_its_link_was_closed_leaves_without_it(api: Api, mailbox: Mailbox, user: User) -> None:
    lock()
    assert "/account/unlock/" in mailbox.newest()
    Link.objects.filter(purpose=LinkPurpose.UNLOCK).update(open_key=None)
    user.mails.filter(template="locked").update(state="queued", next_try_at=timezone.now())
    without = mailbox.newest()
    assert "The next attempt is accepted after" in without
    assert "/account/unlock/" not in without
