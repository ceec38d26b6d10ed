"""Staff see a lockout and lift it, with a reason and a row (SECURITY.md A04, A06, I04)."""

import re
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import lockout, outbox
from accounts.models import Mail, User
from accounts.roles import Role
from accounts.services import lockouts
from gatehouse import limits
from tests.adminpanel.staff import Staff, notices, rows_of, text_of
from tests.factories import EMAIL, Api, Mailbox, UserFactory, problem

WRONG = "not the password at all"


def lock(email: str = EMAIL, ip: str = "192.0.2.7", number: int = 11) -> None:
    for _turn in range(number):
        Api().login(email, WRONG, ip=ip)


@pytest.mark.flow
def test_lifting_lets_everybody_try_again_and_leaves_a_row(inside: Staff, jane: Any) -> None:
    trusted = Api().sign_in(trust_device=True)["trust_token"]
    for _turn in range(11):
        Api().login(EMAIL, WRONG, trust_token=trusted)
    lock()
    for number in range(12):
        lock(ip=f"198.51.100.{number}", number=1)
    outbox.send_due()
    problem("account_locked", 429, Api().login())
    problem("account_locked", 429, Api().login(trust_token=trusted))
    inside.choose("unlock", jane)
    page = text_of(inside.get("act/unlock/"))
    assert "Lift the lockout of 1 account" in page
    assert "Make sure who is asking." in page
    after = inside.post("act/unlock/", {"reason": "Called us, known by voice"}, follow=True)
    assert notices(after) == ["The lockout of 1 account was lifted."]
    assert Api().login(trust_token=trusted).json()["status"] == "authenticated"
    assert Api().login(ip="198.51.100.200").json()["status"] == "otp_required"
    assert Api().login().json()["status"] == "otp_required"
    row = rows_of("user_unlocked")[0]
    reason = "Called us, known by voice"
    assert row["details"] == {"reason": reason, "before": "locked", "after": "open", "failed_sign_ins": 30}
    assert (row["event_type"], row["user_id"], row["actor_id"]) == ("ADMIN", str(jane.pk), str(inside.user.pk))
    assert row["success"] is True
    assert "You can sign in to your Gatehouse account again" in Mailbox().subjects(EMAIL)


def test_lifting_gives_a_browser_that_a_link_let_past_its_tries_back(inside: Staff, jane: Any) -> None:
    lock()
    browser, data = Browser(), {"email": EMAIL, "password": WRONG}
    browser.get(f"/account/unlock/{Mailbox().token()}")
    browser.post("/account/unlock/confirm")
    assert [browser.post("/account/login", data).status_code for _turn in range(11)] == [422] * 10 + [429]
    inside.act("unlock", jane)
    assert browser.post("/account/login", data).status_code == 422
    link = jane.links.get()
    assert limits.peek("login_unlocked", f"{EMAIL} {link.pk}").hits == 1  # type: ignore[union-attr]


def test_where_nothing_is_counted_nothing_is_lifted_and_that_is_recorded(inside: Staff, jane: Any) -> None:
    said = notices(inside.act("unlock", jane))
    assert said == ["jane@example.com: No failed sign-ins are counted against the account."]
    row = rows_of("user_unlocked")[0]
    assert (row["success"], row["failure_reason"], row["details"]["before"]) == (False, "conflict", "open")
    assert not Mail.objects.filter(template="account_unlocked").exists()
    gone = UserFactory(deleted=True)
    assert "The account is deleted" in notices(inside.act("unlock", gone))[0]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_reason_is_demanded(inside: Staff, jane: Any, reason: str) -> None:
    lock()
    inside.choose("unlock", jane)
    assert inside.post("act/unlock/", {"reason": reason}).status_code == 422
    assert jane.is_locked()
    assert rows_of("user_unlocked") == []


def test_i04_a_moderator_and_an_equal_lift_nothing(moderator: Staff, inside: Staff, jane: Any) -> None:
    lock()
    assert moderator.choose("unlock", jane).status_code == 403
    assert moderator.post("act/unlock/", {"reason": "Because"}).status_code == 403
    other = UserFactory(role=Role.ADMIN)
    assert "Your role does not allow this" in notices(inside.act("unlock", other))[0]
    assert "You cannot do this to yourself" in notices(inside.act("unlock", inside.user))[0]
    assert jane.is_locked()


def test_the_account_says_whether_it_is_locked_and_until_when(jane: Any) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert (jane.is_locked(), jane.locked_until, jane.failed_sign_ins) == (False, None, 0)
        lock(number=9)
        assert (jane.is_locked(), jane.failed_sign_ins) == (False, 9)
        lock(number=1)
        assert (jane.locked_until - timezone.now()).total_seconds() == 900  # from this network
        for number in range(10):
            lock(ip=f"198.51.100.{number}", number=1)
        assert (jane.locked_until - timezone.now()).total_seconds() == 3600  # from anywhere
        clock.shift(901)
        assert (jane.locked_until - timezone.now()).total_seconds() == 2699
        clock.shift(2699)
        assert (jane.is_locked(), jane.failed_sign_ins) == (False, 20)


def test_the_page_of_an_account_tells_of_it_and_offers_to_lift_it(inside: Staff, jane: Any) -> None:
    path = f"accounts/user/{jane.pk}/"
    assert "Locked until Not locked Failed sign-ins 0" in text_of(inside.get(path))
    assert "/admin/act/unlock/" not in inside.get(path).content.decode()
    lock()
    page = inside.get(path)
    assert "Failed sign-ins 10" in text_of(page)
    assert re.search(r"Locked until \d+ \w+ \d{4}, \d\d:\d\d UTC", text_of(page))
    assert "/admin/act/unlock/" in page.content.decode()


def test_the_list_tells_of_it_and_is_narrowed_down_to_those_locked_out(inside: Staff, jane: Any) -> None:
    calm = UserFactory(email="calm@example.com")
    lock()
    lock("nobody@example.com")
    lock(calm.email, number=3)
    page = inside.get("accounts/user/")
    shown = {row.pk: row.lock_state.failures for row in page.context["cl"].result_list}
    assert (shown[jane.pk], shown[calm.pk], shown[inside.user.pk]) == (10, 3, 0)
    narrowed = inside.get("accounts/user/", lockout="running")
    assert [row.pk for row in narrowed.context["cl"].result_list] == [jane.pk]
    assert "Locked until" in text_of(narrowed)
    every = inside.get("accounts/user/", lockout="x' OR 1=1")
    assert len(every.context["cl"].result_list) == 3
    lockouts.lift(jane)
    assert list(lockouts.locked(User.objects.all())) == []


def test_the_list_asks_the_store_once_for_all_rows(inside: Staff, jane: Any) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert inside.get("accounts/user/").status_code == 200
        return len(seen)

    lock()
    before = queries()
    for _one in range(8):
        lock(UserFactory().email, number=2)
    assert queries() == before


def test_lifting_forgets_the_records_that_staff_see(jane: Any) -> None:
    lock()
    assert lockouts.lift(jane) > 0
    assert lockout.failed_sign_ins(email_key=EMAIL) == 0
    assert lockouts.lift(jane) == 0
