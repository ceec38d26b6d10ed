"""What a copy of one's data holds, what it does not, and how the worker makes it."""

import json
import re
import stat
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from accounts import checks, mails, outbox, retention
from accounts.exports import archive, files, parts
from accounts.management.commands import worker
from accounts.models import Export, ExportState, Mail, Status, TotpDevice, User
from accounts.roles import Role
from accounts.services import erasure, export_making, lifecycle, ranks
from audit.models import Event
from config import storage
from gatehouse.client import Client
from gatehouse.events import Actor, EventType
from sessions_app.models import Session
from sessions_app.selection import select
from sessions_app.services.many import MassEnd
from tests.accounts.copies import break_off, content_of, fetch, read, ready
from tests.accounts.pages.person import Person
from tests.factories import EMAIL, Api, UserFactory, bearer, give_app, mark, trail
from tests.trail import put

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

STAFF_IP = "198.51.100.99"
# Tables that speak of a person and are in no export, each with its reason.
LEFT_OUT = {"admin.LogEntry": "Django's own record of staff at work; ours is the trail, which is in it"}
# Columns of tables that are in it, each with its reason.
NOT_TOLD = {
    "accounts.User": {"password": "a hash", "email_key": "the address, in another form", "disabled_by": "told by role",
                      "deleted_by": "told by role"},
    "accounts.Link": {"user": "the person", "held_key": "the address, in another form", "token_hash": "a hash",
                      "open_key": "a hash"},
    "accounts.Challenge": {"user": "the person", "code_hash": "a hash"},
    "accounts.Consent": {"user": "the person"},
    "accounts.Grant": {"user": "the person", "created_by": "staff", "ended_by": "staff"},
    "accounts.TotpDevice": {"user": "the person", "secret": "a secret", "last_step": "a counter against replays"},
    "accounts.RecoveryCode": {"user": "the person", "code_hash": "a hash"},
    "accounts.Mail": {"user": "the person", "next_try_at": "how we send", "error": "how we send",
                      "context": "may hold where staff acted from; the rest of it is in the events"},
    "accounts.Export": {"user": "the person", "open_key": "the person", "attempts": "how we work", "error": "the same",
                        "next_try_at": "the same", "file_name": "the same", "sha256": "of a file that they have"},
    "sessions_app.Device": {"user": "the person", "secret_hash": "a hash"},
    "sessions_app.Session": {"user": "the person", "refresh_id": "of a token", "refresh_kid": "of a token",
                             "previous_refresh_id": "of a token", "revoked_by": "may be one of our staff"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Keep the files on a disk, as a site does."""
    settings.STORAGES = settings.STORAGES | {"exports": storage.private(tmp_path / "exports")}
    return tmp_path / "exports"


@pytest.fixture
def user() -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def body(user: User) -> dict[str, Any]:
    return Api().sign_in(trust_device=True)


def row_of(user: User, **given: Any) -> Export:
    now = timezone.now()
    return Export.objects.create(
        **{"user": user, "open_key": str(user.pk), "next_try_at": now, "created_at": now, "ip": "192.0.2.7"} | given
    )


def zipped(user: User) -> tuple[dict[str, Any], dict[str, list[list[str]]], str]:
    """Make an export of *user* past the API, and read it."""
    export = row_of(user)
    export_making.make_due()
    export.refresh_from_db()
    assert export.state == ExportState.READY, export.error
    return read(files.open_file(export.file_name).read())


def event(user: User | None, **given: Any) -> Event:
    values = {"event_type": "SECURITY", "action": "authn_login_success", "success": True, "actor_type": "user"}
    own = {"user_id": str(user.pk), "actor_id": str(user.pk)} if user else {}
    return put([values | own | given])[0]


def test_every_table_about_a_person_is_in_it_or_left_out_for_a_reason() -> None:
    told = {model._meta.label for part in parts.PARTS for model in part.of}
    about = set()
    for model in apps.get_models(include_auto_created=True):
        relations = [f.related_model for f in model._meta.get_fields() if f.concrete and f.is_relation]
        names = {f.name for f in model._meta.get_fields() if f.concrete}
        if User in relations or names & {"user_id", "account_id", "owner_id"}:
            about.add(model._meta.label)
    about |= {"accounts.User"}
    told |= {"audit.Event"}  # by the road that ACTIVITY names
    assert about - told == set(LEFT_OUT)
    assert told <= about


@pytest.mark.parametrize("part", [part for part in parts.PARTS if part.of], ids=lambda part: part.name)
def test_every_column_is_in_it_or_left_out_for_a_reason(part: parts.Part, user: User, body: dict[str, Any]) -> None:
    give_app(user)
    Export.objects.all().delete()
    row_of(user)
    user.grants.create(permission="x", reason="y", created_at=timezone.now(), expires_at=timezone.now())
    [model] = part.of
    call = {"consents": lambda: Api().post("/me/consents", {"version": "1", "granted": True}, **bearer(body))}
    call.get(part.name, lambda: None)()
    if part.name == "links":
        Api().post("/auth/password/forgot", {"email": EMAIL})
        call_command("worker", "--once")
    row = next(iter(part.rows(user)))
    columns = {f.name if f.name in row or not f.is_relation else f.attname for f in model._meta.concrete_fields}
    columns = {"user" if name == "user_id" else name for name in columns}
    assert columns - set(row) == set(NOT_TOLD[model._meta.label]) - set(row)


def test_no_secret_hash_or_token_is_in_it(user: User, body: dict[str, Any], folder: Path) -> None:
    codes = give_app(user)
    api = Api()
    api.post("/auth/password/forgot", {"email": EMAIL})
    call_command("worker", "--once")
    row_of(user)
    export_making.make_due()
    path = next(folder.iterdir())
    with zipfile.ZipFile(path) as held:
        text = "\n".join(held.read(name).decode() for name in held.namelist())
    secrets = {user.password, body["access_token"], body["refresh_token"], body["trust_token"], *codes}
    device = TotpDevice.objects.get(user=user)
    secrets |= {device.secret, device.key.hex()}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if re.search(r"hash|secret|refresh_id|open_key", field.name) and model._meta.app_label != "audit":
                secrets |= {str(value) for value in model._base_manager.values_list(field.name, flat=True) if value}
    secrets -= {str(user.pk)}  # what names the open export
    assert len(secrets) > 10
    assert [one for one in secrets if one in text] == []


def test_nothing_of_other_people_is_in_it(user: User, body: dict[str, Any]) -> None:
    boss = UserFactory(email="boss@example.com", staff=True)
    other = UserFactory(email="other@example.com")
    theirs = {"actor_id": str(boss.pk), "ip_address": STAFF_IP, "user_agent": "Staffware/1", "request_id": "staff-req"}
    event(user, action="user_disabled", event_type="ADMIN", actor_label="admin",
          details={"reason": "they asked"}, **theirs)  # fmt: skip
    event(other, action="authn_login_success", ip_address="203.0.113.50")
    event(None, action="user_disabled", user_id=str(other.pk), actor_id=str(user.pk), details={"reason": "third"})
    User.objects.filter(pk=user.pk).update(disabled_by=str(boss.pk), disabled_reason="they asked")
    held, _tables, _readme = zipped(user)
    text = json.dumps(held)
    for foreign in (str(boss.pk), str(other.pk), STAFF_IP, "Staffware", "staff-req", "203.0.113.50", "third", "boss@"):
        assert foreign not in text, foreign
    [told] = [one for one in held["events"] if one["action"] == "user_disabled"]
    assert (told["by"], told["ip_address"], told["details"]) == ("our staff", None, {"reason": "they asked"})
    assert held["account"]["disabled_by"] == "our staff"
    [act] = held["acts_on_others"]
    assert set(act) == {"timestamp", "event_type", "action", "success", "ip_address", "user_agent"}


def test_who_acted_on_it_and_whose_cookie_was_beside_it_is_not_in_it(user: User, body: dict[str, Any]) -> None:
    boss, other = UserFactory(email="boss@example.com", staff=True), UserFactory(email="other@example.com")
    shared, elsewhere = Person("other@example.com"), Api(user_agent="other/1")
    shared.sign_in()
    theirs = Session.objects.get(user=other)
    mine = {"authorization": f"Bearer {body['access_token']}"}
    assert shared.browser.get("/api/v1/me", headers=mine).json()["email"] == EMAIL
    assert elsewhere.post("/auth/logout", **bearer(elsewhere.sign_in())).status_code == 204
    staff = {"client": Client(ip=STAFF_IP, user_agent="Staffware/1"), "reason": "they asked"}
    assert lifecycle.end_sessions(target=user, by=boss, **staff) == 1
    elsewhere.sign_in()
    command = Actor.command("os-user-of-ours")
    assert list(MassEnd(select("user", str(user.pk)), actor=command, **staff).steps()) == [1]
    elsewhere.sign_in()
    lifecycle.disable(target=user, by=boss, **staff)
    lifecycle.enable(target=user, by=boss, **staff)
    elsewhere.sign_in(trust_device=True)
    ranks.change_role(target=user, by=boss, role=Role.GUEST, **staff)
    held, tables, _readme = zipped(user)
    text = json.dumps([held, tables])
    for foreign in (str(boss.pk), str(other.pk), str(theirs.pk), STAFF_IP, "Staffware", "os-user-of-ours"):
        assert foreign not in text, foreign

    def told(action: str) -> list[tuple[str, Any]]:
        return [(one["by"], one["details"]) for one in held["events"] if one["action"] == action]

    assert told("session_mismatch") == [("you", {})]
    assert told("session_logout") == [("you", {"reason": "signed_out"})]
    assert told("session_revoked") == [
        ("our staff", {"reason": why}) for why in ("role_changed", "disabled", "staff", "staff")
    ]
    assert told("authn_device_forgotten") == [("our staff", {"devices": 1})] * 2


def test_failed_sign_ins_are_in_it(user: User, body: dict[str, Any]) -> None:
    Api().login(EMAIL, "not the password at all", ip="203.0.113.9")
    held, tables, _readme = zipped(user)
    assert [one["ip"] for one in held["failed_sign_ins"]] == ["203.0.113.9"]
    assert "authn_login_fail" in {one["action"] for one in held["events"]}
    assert tables["failed_sign_ins"][0] == ["ip", "user_agent", "last_at", "failures"]


def test_every_list_is_a_table_too_and_the_readme_names_it(user: User, body: dict[str, Any]) -> None:
    held, tables, readme = zipped(user)
    assert list(held) == ["about", *(part.name for part in parts.PARTS)]
    for name, rows in held.items():
        if name != "about":
            assert len(rows if isinstance(rows, list) else [rows]) == len(tables.get(name, [()])) - 1, name
            assert f"  {name}: " in readme
    assert "&#" not in readme and "&amp;" not in readme


def test_v1210_a_cell_is_never_a_formula(user: User, body: dict[str, Any]) -> None:
    for bad in ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1"):
        event(user, resource=bad)
    User.objects.filter(pk=user.pk).update(display_name='=cmd|" /C calc"!A1')
    held, tables, _readme = zipped(user)
    assert held["account"]["display_name"] == '=cmd|" /C calc"!A1'
    cells = [cell for rows in tables.values() for row in rows for cell in row]
    assert [cell for cell in cells if cell[:1] in {"=", "+", "@", "\t"}] == []
    assert [cell for cell in cells if cell.startswith("-") and not cell.lstrip("-").isdigit()] == []
    assert {"'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(A1)", "'\t=1"} <= set(cells)


def test_many_events_take_no_more_memory_and_are_all_there(user: User, body: dict[str, Any], tmp_path: Path) -> None:
    number, written = 6_000, tmp_path / "copy.zip"

    def peak() -> int:
        with written.open("wb") as out:
            tracemalloc.start()
            for _step in archive.write(user, out, at=timezone.now()):
                pass
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return used

    few = peak()
    agent = "Mozilla/5.0 " + "x" * 300
    for _batch in range(number // 1000):
        row = {"event_type": "SECURITY", "action": "session_renewed", "success": True, "actor_type": "user"}
        row |= {"user_agent": agent, "user_id": str(user.pk), "actor_id": str(user.pk)}
        put([row] * 1000)
    many = peak()
    assert many < few + 5 * 1024 * 1024, (few, many)
    with zipfile.ZipFile(written) as held, held.open("account.json") as text:
        assert len(json.load(text)["events"]) >= number


def orders(user: User) -> Iterator[dict[str, Any]]:
    """Stand for a part of a host's own."""
    yield {"number": 1, "address": user.email}
    yield {"number": 2, "address": "=1+1"}


def uneven(user: User) -> Iterator[dict[str, Any]]:
    yield {"number": 1}
    yield {"amount": 1}


def test_a_host_adds_a_part_of_its_own(user: User, body: dict[str, Any], settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"EXPORT_PARTS": (("orders", f"{__name__}.orders"),)}
    assert checks.check_settings(app_configs=None) == []
    held, tables, readme = zipped(user)
    assert held["orders"] == [{"number": 1, "address": EMAIL}, {"number": 2, "address": "=1+1"}]
    assert tables["orders"] == [["number", "address"], ["1", EMAIL], ["2", "'=1+1"]]
    assert "  orders\n" in readme


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ((("events", "tests.accounts.copies.read"),), "accounts.E011"),
        ((("a/b", "tests.accounts.copies.read"),), "accounts.E011"),
        ((("x", "json.dumps"), ("x", "json.loads")), "accounts.E011"),
        ((("x", "nowhere.at_all"),), "accounts.E012"),
    ],
)
def test_a_part_that_cannot_be_is_named_at_the_start(given: Any, code: str, settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"EXPORT_PARTS": given}
    assert [one.id for one in checks.check_settings(app_configs=None)] == [code]


def test_a_site_without_a_place_for_files_is_warned(settings: Any) -> None:
    assert checks.check_storage(app_configs=None) == []
    settings.STORAGES = {name: one for name, one in settings.STORAGES.items() if name != "exports"}
    assert [one.id for one in checks.check_storage(app_configs=None)] == ["accounts.W002"]


def test_without_a_trail_the_rest_is_given(user: User, body: dict[str, Any], settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"ACTIVITY": ""}
    held, tables, _readme = zipped(user)
    assert (held["events"], held["account"]["email"]) == ([], EMAIL)
    assert "events" not in tables


def test_the_file_is_readable_for_its_owner_alone(user: User, body: dict[str, Any], folder: Path) -> None:
    api = Api()
    export_id = ready(api, body)
    [path] = folder.iterdir()
    assert path.name == f"{export_id}-1.zip"
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
    assert content_of(fetch(api, body, export_id))
    assert list(folder.iterdir()) == []


def test_l12_a_folder_that_cannot_be_written_is_tried_again_and_then_told(user: User, folder: Path) -> None:
    folder.parent.joinpath("exports").write_text("a file where the folder belongs")
    export = row_of(user)
    since = mark()
    now = timezone.now()
    for attempt in range(1, export_making.ATTEMPTS + 1):
        with time_machine.travel(now + timedelta(hours=attempt)):
            assert export_making.make_due() == 1
            assert export_making.make_due() == 0  # not at once
        export.refresh_from_db()
        assert export.attempts == attempt
    assert (export.state, export.open_key) == (ExportState.FAILED, None)
    assert trail(since) == [("user_export_made", "error")]
    assert Mail.objects.filter(template="export_failed", user=user).count() == 1
    folder.unlink()
    row_of(user)
    assert export_making.make_due() == 1
    assert Export.objects.latest("created_at").state == ExportState.READY


def test_a_part_that_fails_leaves_no_file(user: User, folder: Path, settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"EXPORT_PARTS": (("uneven", f"{__name__}.uneven"),)}
    export = row_of(user)
    export_making.make_due()
    export.refresh_from_db()
    assert (export.state, export.error, export.file_name) == (ExportState.ASKED, "ValueError", "")
    assert not folder.exists() or list(folder.iterdir()) == []


def test_what_a_dead_worker_left_is_taken_up_again(user: User, folder: Path) -> None:
    export = row_of(user)
    dead = export_making.claim()
    assert dead is not None and not dead.go_on(0)
    assert export_making.claim() is None
    with time_machine.travel(timezone.now() + export_making.CLAIM + timedelta(seconds=1)):
        assert export_making.make_due() == 1
    export.refresh_from_db()
    assert (export.state, export.attempts) == (ExportState.READY, 2)
    assert dead.go_on(60)  # it wakes up, and finds that it was overtaken
    export.refresh_from_db()
    assert (export.state, export.attempts) == (ExportState.READY, 2)
    assert [path.name for path in folder.iterdir()] == [export.file_name]


def test_a_worker_that_dies_of_it_each_time_stops_trying(user: User) -> None:
    export = row_of(user)
    for attempt in range(export_making.ATTEMPTS):
        with time_machine.travel(timezone.now() + export_making.CLAIM * 2 * (attempt + 1)):
            assert export_making.claim() is not None
    with time_machine.travel(timezone.now() + export_making.CLAIM * 10):
        assert export_making.claim() is None
    export.refresh_from_db()
    assert (export.state, export.error) == (ExportState.FAILED, "its worker died")


def test_an_account_that_is_not_active_gets_none(user: User) -> None:
    export = row_of(user)
    user.set_status(Status.DISABLED)
    user.save()
    assert export_making.make_due() == 0
    export.refresh_from_db()
    assert export.state == ExportState.FAILED
    assert not Mail.objects.filter(user=user).exists()
    assert trail()[-1] == ("user_export_made", "inactive")


def test_the_worker_makes_it_in_slices_beside_mails(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAKE_FOR", 0.0)
    export = row_of(user)
    maker, turns = worker.Maker(), 0
    mails.deletion_undone(user, Client.local("test"))
    maker.go_on()
    while maker.is_busy:
        turns += 1
        assert outbox.send_due() == (turns == 1)
        maker.go_on()
    assert turns > 3
    export.refresh_from_db()
    assert export.state == ExportState.READY


def test_a_worker_that_is_stopped_leaves_it_to_the_next(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAKE_FOR", 0.0)
    export = row_of(user)
    maker = worker.Maker()
    maker.go_on()
    maker.conclude()
    assert export_making.make_due() == 1
    export.refresh_from_db()
    assert (export.state, export.attempts) == (ExportState.READY, 2)


def test_a_database_that_is_away_costs_only_the_claim(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    export = row_of(user)

    def away(*_args: Any, **_kwargs: Any) -> Any:
        raise DatabaseError("away")

    making = export_making.claim()
    assert making is not None
    monkeypatch.setattr(archive, "parts", away)
    with pytest.raises(DatabaseError):
        making.go_on(60)
    export.refresh_from_db()
    assert export.state == ExportState.MAKING


def clean(at: Any = None) -> None:
    with time_machine.travel(at or timezone.now()):
        call_command("cleanup", "--only", "export-files,exports")


def test_nobody_fetched_it_in_time_so_it_goes(user: User, folder: Path, body: dict[str, Any]) -> None:
    ready(Api(), body)
    clean()
    export = Export.objects.get()
    assert export.state == ExportState.READY and len(list(folder.iterdir())) == 1
    since = mark()
    clean(export.expires_at)
    export.refresh_from_db()
    assert (export.state, export.open_key, export.file_name) == (ExportState.EXPIRED, None, "")
    assert list(folder.iterdir()) == []
    assert trail(since) == [("delete",), ("sys_cleanup",)]
    assert Event.objects.filter(action="delete").latest("pk").actor_type == "system"
    clean(timezone.now() + timedelta(days=31))
    assert not Export.objects.exists()


def test_a_file_without_a_row_goes_and_what_is_not_ours_stays(user: User, folder: Path, body: dict[str, Any]) -> None:
    ready(Api(), body)
    (folder / "01980000-0000-7000-8000-000000000000-1.zip").write_bytes(b"stray")
    (folder / "keep-me.zip").write_bytes(b"another's")
    [chore] = [one for one in retention.CHORES if one.name == "export-files"]
    assert chore.count(timezone.now(), timezone.now()) == 1
    clean()
    assert {path.name for path in folder.iterdir()} == {Export.objects.get().file_name, "keep-me.zip"}


def test_a_file_of_a_fetch_that_was_killed_goes_later(user: User, folder: Path, body: dict[str, Any]) -> None:
    api = Api()
    answer = fetch(api, body, ready(api, body))  # it is being sent
    clean()
    assert len(list(folder.iterdir())) == 1
    since = mark()
    clean(timezone.now() + timedelta(hours=2))
    assert list(folder.iterdir()) == []
    break_off(answer)
    assert trail(since) == [("delete",), ("sys_cleanup",), ("download", "error")]


def test_an_erasure_takes_the_file_along(
    user: User, folder: Path, body: dict[str, Any], django_capture_on_commit_callbacks: Any
) -> None:
    ready(Api(), body)
    User.objects.filter(pk=user.pk).update(erase_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        assert sum(erasure.erase_due(before=timezone.now(), number=10, actor=Actor.system())) == 1
    assert not Export.objects.exists()
    assert list(folder.iterdir()) == []


def test_an_erasure_while_it_is_made_leaves_nothing(user: User, folder: Path) -> None:
    row_of(user)
    making = export_making.claim()
    assert making is not None and not making.go_on(0)
    User.objects.filter(pk=user.pk).update(erase_at=timezone.now())
    assert sum(erasure.erase_due(before=timezone.now(), number=10, actor=Actor.system())) == 1
    assert making.go_on(60)
    assert not folder.exists() or list(folder.iterdir()) == []
    assert not Export.objects.exists() and not Mail.objects.filter(template="export_ready").exists()


def test_what_is_recorded_is_of_the_kinds_of_the_trail(user: User, body: dict[str, Any]) -> None:
    api = Api()
    content_of(fetch(api, body, ready(api, body)))
    kinds = dict(Event.objects.values_list("action", "event_type"))
    assert (kinds["download"], kinds["delete"]) == (EventType.FILE_ACCESS, EventType.FILE_ACCESS)
    assert kinds["user_export_requested"] == EventType.USER_MANAGEMENT
