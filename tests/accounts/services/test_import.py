"""``manage.py accounts import``: what goes in, what is refused, what the trail and the report say of it."""

import io
import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection
from django.test import override_settings
from django.utils import timezone

from accounts.imports.formats import from_json
from accounts.imports.lines import Lines
from accounts.management import take_in as command
from accounts.models import Consent, Mail, Status, User
from accounts.services import importing
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from tests.accounts.foreign_hashes import HASHES
from tests.factories import EMAIL, Api, UserFactory, mark, trail
from tests.faults.trail import no_new_events

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
BCRYPT, PASSWORD, _ = HASHES["bcrypt-2b"]
MADE = "2021-03-04T05:00:00Z"
Import = Callable[..., tuple[int, str, list[dict[str, Any]]]]


@pytest.fixture
def take(tmp_path: Path) -> Import:
    """Return ``take(*rows, options…)``: import the rows of a file; give exit status, words and report."""

    def run(*rows: Any, name: str = "people.jsonl", options: tuple[str, ...] = ()) -> tuple[int, str, list[Any]]:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        report, out, status = tmp_path / "refused.jsonl", io.StringIO(), 0
        words = ["import", str(tmp_path / name), "--report", str(report), *options]
        try:
            call_command("accounts", *words, stdout=out)
        except SystemExit as ended:
            status = int(str(ended.code))
        return status, out.getvalue(), [json.loads(line) for line in report.read_text().splitlines()]

    return run


def person(number: int, **more: Any) -> dict[str, Any]:
    return {"email": f"person{number}@example.com", "password_hash": BCRYPT, "email_verified": True, **more}


def test_a_file_becomes_accounts_each_with_its_row_in_the_trail(take: Import) -> None:
    full = person(1, display_name="Jane Roe", created_at=MADE, email_verified=MADE, role="guest", terms_version="2020")
    bare = {"email": "Joe@Example.com"}
    assert take(full, bare) == (0, "Accounts taken in: 2. There already: 0. Lines refused: 0.\n", [])
    made = datetime(2021, 3, 4, 5, tzinfo=UTC)
    one = User.objects.get(email_key="person1@example.com")
    assert (one.email, one.display_name, one.role) == ("person1@example.com", "Jane Roe", "guest")
    assert (one.status, one.is_active, one.is_staff) == (Status.ACTIVE, True, False)
    assert (one.created_at, one.email_verified_at, one.password_changed_at) == (made, made, None)
    assert (one.terms_version, one.terms_given_at) == ("2020", made)
    assert [(c.version, c.granted, c.at, c.ip) for c in Consent.objects.all()] == [("2020", True, made, None)]
    other = User.objects.get(email_key="joe@example.com")
    assert (other.email, other.status, other.is_active) == ("Joe@Example.com", Status.INACTIVE, False)
    assert not other.has_usable_password() and other.terms_given_at is None
    assert abs(other.created_at - timezone.now()) < timedelta(minutes=1)
    assert not Mail.objects.exists()
    rows = list(Event.objects.order_by("pk"))
    assert [row.action for row in rows] == ["user_imported", "user_imported", "user_import_ended"]
    assert [(row.user_id, row.email) for row in rows[:2]] == [(str(u.pk), u.email) for u in (one, other)]
    assert [row.details for row in rows] == [
        {"verified": True, "scheme": "bcrypt"},
        {"verified": False, "scheme": ""},
        {"taken": 2, "present": 0, "refused": 0},
    ]
    assert {(row.event_type, row.actor_type, row.actor_label, row.user_agent) for row in rows} == {
        ("ADMIN", "command", Actor.command().label, "manage.py accounts")
    }
    assert len({row.request_id for row in rows}) == 1
    assert BCRYPT[-20:] not in str([vars(row) for row in rows])


def test_people_sign_in_with_what_was_imported(take: Import) -> None:
    take(person(1), {"email": EMAIL, "password_hash": HASHES["passlib-pbkdf2"][0]})
    api = Api()
    assert api.login("Person1@example.com", PASSWORD).json()["status"] == "otp_required"
    assert User.objects.get(email_key="person1@example.com").password.startswith("argon2$argon2id$")
    assert api.login(EMAIL, HASHES["passlib-pbkdf2"][1]).json() == {"status": "email_unverified"}


def test_who_has_no_password_sets_one_by_mail(take: Import) -> None:
    take({"email": EMAIL, "email_verified": True})
    api = Api()
    assert api.login(password="!").status_code == 401
    api.post("/auth/password/forgot", {"email": EMAIL})
    asked = {"token": api.mailbox.token(), "new_password": "a long and quiet river"}
    assert api.post("/auth/password/reset", asked).status_code == 200
    assert api.login(password="a long and quiet river").json()["status"] == "otp_required"


def test_csv_comes_in_the_same(take: Import) -> None:
    rows = (
        "email,password_hash,display_name,email_verified",
        f'jane@example.com,{BCRYPT},"Roe, Jane",t',
        "no address,,,",
    )
    status, said, report = take(*rows, name="people.CSV")
    assert (status, said) == (1, "Accounts taken in: 1. There already: 0. Lines refused: 1.\n")
    assert [(row["line"], row["field"], row["code"]) for row in report] == [(3, "email", "invalid")]
    assert User.objects.get().display_name == "Roe, Jane"


def test_bad_lines_are_told_and_the_others_go_in(take: Import, tmp_path: Path) -> None:
    UserFactory(email="taken@example.com")
    UserFactory(email="gone@example.com", deleted=True)
    before = User.objects.values_list("email", "password", "display_name", "status").order_by("email")
    held = list(before)
    status, said, report = take(
        person(1),
        person(1, display_name="Another"),
        {"email": "ＰＥＲＳＯＮ1@example.com"},  # the same address, in another spelling
        person(2, password_hash="plain text"),
        person(2),
        {"email": "taken@example.com", "password_hash": BCRYPT},
        {"email": "Gone@example.com"},
        person(3, role="admin"),
        "not JSON",
        options=("--batch", "2"),
    )
    assert (status, said) == (1, "Accounts taken in: 2. There already: 0. Lines refused: 7.\n")
    assert [(row["line"], row["field"], row["code"], row.get("first_line")) for row in report] == [
        (2, "email", "duplicate", 1),
        (3, "email", "duplicate", 1),
        (4, "password_hash", "hash_unknown", None),
        (6, "email", "address_taken", None),
        (7, "email", "address_taken", None),
        (8, "role", "role_refused", None),
        (9, None, "malformed", None),
    ]
    assert all(row["detail"] for row in report)
    assert "plain text" not in json.dumps(report) and BCRYPT[7:] not in json.dumps(report)
    assert list(before.filter(email__in=[row[0] for row in held])) == held, "accounts that are there are left alone"
    assert set(User.objects.values_list("email_key", flat=True)) == {
        "taken@example.com", "gone@example.com", "person1@example.com", "person2@example.com"
    }  # fmt: skip
    assert Event.objects.filter(action="user_imported").count() == 2
    assert stat.S_IMODE((tmp_path / "refused.jsonl").stat().st_mode) == 0o600


def test_a_second_run_finds_everybody_there_already(take: Import) -> None:
    rows = [person(1, created_at=MADE), person(2), {"email": EMAIL}, person(1), person(4)]
    assert take(*rows[:3], options=("--batch", "1"))[0] == 0
    since = mark()
    status, said, report = take(*rows)
    assert (status, said) == (1, "Accounts taken in: 1. There already: 3. Lines refused: 1.\n")
    assert [row["code"] for row in report] == ["duplicate"]
    assert trail(since) == [("user_imported",), ("user_import_ended",)]
    since = mark()
    assert take(*rows[:3])[:2] == (0, "Accounts taken in: 0. There already: 3. Lines refused: 0.\n")
    assert trail(since) == []


def test_who_signed_in_meanwhile_is_known_by_the_time_of_creation(take: Import) -> None:
    rows = [person(1, created_at="2021-03-04T05:00:00.123456Z"), person(2)]
    take(*rows)
    for number in (1, 2):
        assert Api().login(f"person{number}@example.com", PASSWORD).status_code == 200
    held = list(User.objects.order_by("email").values())
    status, said, report = take(*rows)
    assert (status, said) == (1, "Accounts taken in: 0. There already: 1. Lines refused: 1.\n")
    assert [(row["line"], row["code"]) for row in report] == [(2, "address_taken")]
    assert list(User.objects.order_by("email").values()) == held


def test_a_dry_run_says_the_same_and_changes_nothing(take: Import) -> None:
    UserFactory(email="taken@example.com")
    rows = [person(1), person(1), person(2, role="admin"), {"email": "taken@example.com"}, person(3)]
    since, held = mark(), list(User.objects.values())
    status, said, report = take(*rows, options=("--dry-run",))
    assert (status, said) == (1, "Accounts that would be taken in: 2. There already: 0. Lines refused: 3.\n")
    assert (trail(since), list(User.objects.values())) == ([], held)
    done = take(*rows)
    assert (done[0], done[2]) == (status, report)
    assert "taken in: 2. There already: 0. Lines refused: 3." in done[1]


def test_an_unproved_account_stays_for_its_month_however_old_it_is(take: Import) -> None:
    take(person(1, email_verified=False, created_at=MADE))
    call_command("cleanup", "--only", "unverified", stdout=io.StringIO())
    assert User.objects.exists()
    User.objects.update(updated_at=timezone.now() - timedelta(days=31))
    call_command("cleanup", "--only", "unverified", stdout=io.StringIO())
    assert not User.objects.exists()


def test_refused_lines_go_to_standard_error_without_a_report(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("{}\n")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit):
        call_command("accounts", "import", str(tmp_path / "people"), stdout=out, stderr=err)
    assert json.loads(err.getvalue())["code"] == "required"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = f"email,password_hash\njane@example.com,{BCRYPT}\n".encode()
    monkeypatch.setattr(command.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(rows)))
    out = io.StringIO()
    call_command("accounts", "import", "-", "--format", "csv", stdout=out)
    assert out.getvalue().startswith("Accounts taken in: 1.")


def test_a_file_that_cannot_be_read_does_nothing_and_says_why(tmp_path: Path) -> None:
    people, csv = tmp_path / "people.jsonl", tmp_path / "people.csv"
    people.write_text('{"email": "jane@example.com"}\n')
    csv.write_text("mail\njane@example.com\n")
    (tmp_path / "utf16").write_bytes("{}".encode("utf-16"))
    for words, said in (
        ([tmp_path / "missing"], "missing cannot be read: No such file or directory."),
        ([tmp_path], "cannot be read: Is a directory."),
        ([tmp_path / "utf16"], "The file is not UTF-8."),
        ([csv], "names columns that are not known: mail."),
        ([people, "--report", people], "--report names the file that is read."),
        ([people, "--report", tmp_path / "no" / "report"], "report cannot be written: No such file or directory."),
    ):
        with pytest.raises(CommandError, match=said) as fault:
            call_command("accounts", "import", *map(str, words))
        assert fault.value.returncode == 2
    assert people.read_text() and not User.objects.exists() and trail() == []


@pytest.mark.parametrize("number", ["0", "-1", "5001", "x"])
def test_a_batch_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(CommandError):
        call_command("accounts", "import", "-", "--batch", number)


def test_ctrl_c_ends_it_after_its_batch_and_the_same_command_goes_on(
    take: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = importing.Import.steps

    def interrupted(self: importing.Import) -> Iterator[Any]:
        for refused in whole(self):
            os.kill(os.getpid(), signal.SIGINT)
            yield refused

    rows = [person(number) for number in range(5)]
    with monkeypatch.context() as patch:
        patch.setattr(importing.Import, "steps", interrupted)
        status, said, _report = take(*rows, options=("--batch", "2"))
    assert status == 130
    assert said.splitlines() == [
        "Accounts taken in: 2. There already: 0. Lines refused: 0.",
        "Stopped. The same command goes on from here.",
    ]
    assert User.objects.count() == 2
    assert trail()[-1] == ("user_import_ended",)
    assert take(*rows)[:2] == (0, "Accounts taken in: 3. There already: 2. Lines refused: 0.\n")


def test_a_batch_whose_rows_the_trail_cannot_take_leaves_no_account() -> None:
    lines = "".join(json.dumps(person(number)) + "\n" for number in range(6)).encode()
    who = {"client": Client.local("accounts"), "actor": Actor.command()}
    run = importing.Import(from_json(Lines(io.BytesIO(lines))), batch=2, **who)
    steps = run.steps()
    assert [next(steps), next(steps)] == [[], []]
    with no_new_events(), pytest.raises(DatabaseError):
        next(steps)
    run.conclude()
    assert sorted(User.objects.values_list("email_key", flat=True)) == [f"person{n}@example.com" for n in range(4)]
    assert Event.objects.filter(action="user_imported").count() == 4
    assert Event.objects.get(action="user_import_ended").details == {"taken": 4, "present": 0, "refused": 0}


def test_addresses_that_are_taken_again_and_again_end_in_a_refusal(
    take: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collide(*_args: object, **_given: object) -> None:
        raise IntegrityError

    monkeypatch.setattr(importing, "_write", collide)
    with pytest.raises(CommandError) as fault:
        take(person(1))
    assert fault.value.returncode == 1
    with pytest.raises(Problem):
        importing.take_in(candidates=[], client=None, actor=None)


def test_a_terminal_sees_how_far_it_is(take: Import, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    (tmp_path / "people").write_text("".join(json.dumps(person(n)) + "\n" for n in range(3)))
    out = Terminal()
    call_command("accounts", "import", str(tmp_path / "people"), "--batch", "2", stdout=out)
    shown = out.getvalue().split("\r")
    assert "####" in shown[1] and "2 lines" in shown[1] and "3 lines" in shown[2]
    assert shown[-1].endswith("Accounts taken in: 3. There already: 0. Lines refused: 0.\n")


def test_a_developers_import_does_not_keep_its_statements(take: Import) -> None:
    with override_settings(DEBUG=True):
        take(*(person(number) for number in range(6)), options=("--batch", "2"))
    assert len(connection.queries_log) < 9, "those of the last row in the trail alone"
