"""An address that an account left goes to nobody else while the link that puts it back is open."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Link, LinkPurpose, Mail, User
from accounts.roles import Role
from accounts.services import address_links, enrolment
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from tests.accounts.leaving import bearer, erase_due
from tests.accounts.pages.person import Person
from tests.factories import EMAIL, Api, Mailbox, UserFactory, mark, problem, trail

pytestmark = [pytest.mark.integration, pytest.mark.every_engine]

NEW, OTHER = "new@example.org", "mallory@example.net"
HERE = Client.local("test")
HELD = "Somebody wanted to use this address at Gatehouse"
UNDO = timedelta(days=7)


@pytest.fixture
def mailbox(left: str) -> Mailbox:
    return Mailbox()


@pytest.fixture
def left(db: None) -> str:
    """EMAIL, which its account left for NEW; return the token that undoes that."""
    UserFactory(email=EMAIL)
    api = Api()
    body = api.sign_in()
    assert api.post("/me/email", {"new_email": NEW}, **bearer(body)).status_code == 202
    assert api.post("/me/email/confirm", {"token": api.mailbox.token(NEW)}).status_code == 200
    return api.mailbox.token(EMAIL)


def facts(answer: Any) -> tuple[Any, ...]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "RateLimit")}
    return answer.status_code, answer.content, headers


def test_a_sign_up_for_it_answers_as_ever_and_makes_no_account(left: str, mailbox: Mailbox) -> None:
    mailbox.all()
    since = mark()
    for spelling in (EMAIL, EMAIL.upper(), "ｊａｎｅ@example.com"):
        held, free = Api().register(spelling), Api().register(f"{len(spelling)}@example.org")
        assert facts(held) == facts(free)
    assert [one for one in trail(since) if one[1:]] == [("user_registered", "address_held")] * 3
    assert not User.objects.filter(email_key=EMAIL).exists()
    assert mailbox.subjects(EMAIL)[-3:] == [HELD] * 3
    assert not [one.to for one in mailbox.all() if one.to[0] == EMAIL.upper()], "none goes to a spelling that was typed"


def test_the_page_of_a_sign_up_reads_alike(left: str, mailbox: Mailbox) -> None:
    seen = []
    for email in (EMAIL, "free@example.com"):
        answer = Person(email).sign_up()
        seen.append((answer.status_code, answer.headers.get("Location")))
    assert seen[0] == seen[1]
    assert mailbox.subjects(EMAIL)[-1] == HELD
    assert not User.objects.filter(email_key=EMAIL).exists()


def test_its_mail_names_no_account_and_carries_no_link(left: str, mailbox: Mailbox) -> None:
    """Whoever reads the mailbox by now need not be who left it."""
    until = Link.objects.get(purpose=LinkPurpose.ADDRESS_UNDO).expires_at
    Api().register(EMAIL)
    told = mailbox.newest(EMAIL)
    assert f"until {until:%-d %B %Y, %H:%M} UTC" in told
    assert "/account/" not in told and NEW not in told and "n•••" not in told and "192.0.2.7" not in told
    assert Mail.objects.get(template="address_held").user is None


def test_no_other_account_gets_it(left: str, mailbox: Mailbox) -> None:
    UserFactory(email=OTHER)
    api = Api()
    body = api.sign_in(OTHER)
    held = api.post("/me/email", {"new_email": EMAIL}, **bearer(body))
    assert mailbox.subjects(EMAIL)[-1] == HELD
    assert Event.objects.filter(action="user_email_change_answered").latest("pk").details == {"outcome": "taken"}
    free = api.post("/me/email", {"new_email": "free@example.com"}, **bearer(body))
    assert facts(held) == facts(free)


def test_a_link_that_was_mailed_before_it_was_held_gets_it_not(left: str, mailbox: Mailbox) -> None:
    """Whatever let the link leave: the change itself looks again."""
    UserFactory(email=OTHER)
    api = Api()
    body = api.sign_in(OTHER)
    Link.objects.filter(held_key=EMAIL).update(held_key=None)
    api.post("/me/email", {"new_email": EMAIL}, **bearer(body))
    token = mailbox.token(EMAIL)
    Link.objects.filter(purpose=LinkPurpose.ADDRESS_UNDO, email=EMAIL).update(held_key=EMAIL)
    since = mark()
    problem("conflict", 409, api.post("/me/email/confirm", {"token": token}))
    assert trail(since) == [("user_email_changed", "conflict")]
    assert User.objects.filter(email_key=OTHER).exists()
    assert Link.objects.open().filter(purpose=LinkPurpose.ADDRESS, email=EMAIL).exists(), "it is worth something later"


def test_who_left_it_may_go_back_to_it(left: str, mailbox: Mailbox) -> None:
    api = Api()
    body = api.sign_in(NEW)
    api.post("/me/email", {"new_email": EMAIL}, **bearer(body))
    assert api.post("/me/email/confirm", {"token": mailbox.token(EMAIL)}).status_code == 200
    assert list(User.objects.values_list("email", flat=True)) == [EMAIL]
    assert Link.objects.holding([EMAIL, NEW], timezone.now()).get().email == NEW, "now that one is held"


def test_an_import_refuses_it_and_takes_the_others(left: str, tmp_path: Path) -> None:
    source, report, out = tmp_path / "people.jsonl", tmp_path / "refused.jsonl", io.StringIO()
    rows = [{"email": "ＪＡＮＥ@example.com", "email_verified": True}, {"email": OTHER, "email_verified": True}]
    source.write_text("\n".join(map(json.dumps, rows)))
    for options in (["--dry-run"], []):
        with pytest.raises(SystemExit) as ended:
            call_command("accounts", "import", str(source), "--report", str(report), *options, stdout=out)
        assert ended.value.code == 1
        (told,) = map(json.loads, report.read_text().splitlines())
        assert (told["line"], told["field"], told["code"]) == (1, "email", "address_held")
    assert set(User.objects.values_list("email", flat=True)) == {NEW, OTHER}


def test_staff_cannot_invite_somebody_with_it(left: str) -> None:
    since = mark()
    with pytest.raises(Problem, match="conflict"):
        enrolment.invite_staff(email=EMAIL.upper(), role=Role.MODERATOR, actor=Actor.command(), client=HERE)
    with pytest.raises(CommandError):
        call_command("createadmin", EMAIL)
    assert [one[1:] for one in trail(since)] == [("already_registered",)] * 2
    assert not User.objects.filter(email_key=EMAIL).exists()


def test_the_link_puts_it_back_whoever_wanted_it_meanwhile(left: str) -> None:
    Api().register(EMAIL)
    assert address_links.undo(token=left, client=HERE) is True
    assert list(User.objects.values_list("email", flat=True)) == [EMAIL]


def test_nobody_holds_it_longer_than_the_link_is_open(left: str, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now() + UNDO - timedelta(seconds=1), tick=False):
        Api().register(EMAIL)
        assert not User.objects.filter(email_key=EMAIL).exists()
    with time_machine.travel(timezone.now() + UNDO + timedelta(seconds=1), tick=False):
        api = Api()
        api.register(EMAIL)
        assert api.verify(EMAIL).status_code == 200
        assert set(User.objects.values_list("email", flat=True)) == {EMAIL, NEW}


def test_it_is_free_once_the_link_is_used_or_its_account_erased(left: str) -> None:
    assert address_links.undo(token=left, client=HERE) is True
    assert not Link.objects.holding([NEW], timezone.now()).exists(), "the undone one is nobody's"
    api = Api()
    assert api.register(NEW).status_code == 202
    assert User.objects.filter(email_key=NEW).exists()


def test_erasing_its_account_lets_go_of_it(left: str) -> None:
    api = Api()
    body = api.sign_in(NEW)
    assert api.post("/me/deletion", None, **bearer(body)).status_code == 202
    assert erase_due(timedelta(days=14)) == 1
    api.register(EMAIL)
    assert User.objects.filter(email_key=EMAIL).exists()


def test_the_look_up_goes_by_an_index(left: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("an empty table is read from end to end there, index or none; see tests/migrations/test_indexes.py")
    explained = Link.objects.holding([EMAIL], timezone.now()).explain()
    assert "USING INDEX accounts_link_held_key" in explained, explained
