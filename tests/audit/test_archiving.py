"""What is old goes into files, checked and recorded, and only then do rows go; online and archived verify together."""

import gzip
import hashlib
import json
import stat
from base64 import b64decode
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit import (
    archive_files,
    archiving,
    authorizer,
    checkpoints,
    checks,
    clearing,
    datakeys,
    indexing,
    privacy,
    proofs,
    queries,
    signing,
)
from audit.appendonly import AppendOnlyError
from audit.archives import Archive, Cleared
from audit.models import Counted, Endpoint, Event, Index, Queued, SubjectKey, Webhook
from audit.seals import Seal, SealedEvent
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.timetable import jobs
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ids() -> list[list[int]]:
    """Three seals of three events each."""
    return trails.sealed(3, 3, 3)


def online() -> list[int]:
    return list(Event.objects.exclude(event_type="SYSTEM").order_by("pk").values_list("pk", flat=True))


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_seals_go_into_a_file_that_verifies_by_the_public_key_alone(ids, folder):
    (made,) = trails.archive(folder)

    (path,) = files(folder)
    assert (made.file, made.first_seal, made.last_seal, made.events) == (path.name, 1, 3, 9)
    header, *rest = lines(path)
    assert header == {
        "format": "gatehouse-audit-archive",
        "v": 1,
        "origin": "testserver/audit",
        "first_seal": 1,
        "last_seal": 3,
        "events": 9,
    }
    (key,) = signing.public_keys().values()
    raw = gzip.decompress(path.read_bytes()).splitlines()[1:]
    for number in range(3):
        seal, *events = rest[number * 4 : number * 4 + 4]
        body = json.dumps(seal["seal"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        Ed25519PublicKey.from_public_bytes(key.raw).verify(b64decode(seal["signature"]), body)
        assert [event["id"] for event in events] == ids[number]
        one, two, three = (hashlib.sha256(b"\0" + line).digest() for line in raw[number * 4 + 1 : number * 4 + 4])
        above = hashlib.sha256(b"\1" + one + two).digest()
        assert hashlib.sha256(b"\1" + above + three).hexdigest() == seal["seal"]["root"]


def test_a_file_is_for_its_owner_alone_and_a_row_names_it(ids, folder):
    trails.archive(folder)

    (path,) = files(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f"audit-000000000001-000000000003-{sha256[:16]}.ndjson.gz"
    assert set(Archive.objects.values_list("file", "sha256")) == {(path.name, sha256)}
    assert list(Archive.objects.order_by("seal").values_list("seal", "count")) == [(1, 3), (2, 3), (3, 3)]


def test_rows_go_and_all_of_it_verifies_with_the_files_and_on_the_word_of_the_records(ids, folder):
    trails.archive(folder)

    assert online() == []
    report = trails.verify(archive=folder)
    assert report.ok and (report.seals, report.events, report.archived, report.on_word) == (3, 9, 9, [])
    report = trails.verify()
    assert report.ok and (report.archived, report.on_word) == (0, [(1, 3)])
    assert trails.verify(notes=[checkpoints.make().note], archive=folder).ok
    trails.sealed(2)
    report = trails.verify(archive=folder)
    assert report.ok and (report.archived, report.events) == (9, 13)  # the archiving left two events of its own
    assert trails.verify(first=3, archive=folder).ok


def test_what_stays_online_is_in_the_file_as_well(folder, write):
    ids = [
        write(action=action, event_type=kind).pk
        for action, kind in [
            ("authn_login_fail", "SECURITY"),
            ("authn_token_reuse", "SECURITY"),
            ("user_disabled", "ADMIN"),
            ("upload", "FILE_ACCESS"),
            ("authn_login_success", "SECURITY"),
        ]
    ]
    trails.sealed(0)
    trails.archive(folder, "ADMIN", "authn_login_*")

    assert online() == [ids[0], ids[2], ids[4]]
    assert [line["id"] for line in lines(files(folder)[0])[2:]] == ids
    report = trails.verify(archive=folder)
    assert report.ok and report.archived == 2

    trails.archive(folder, "ADMIN")  # the setting is shortened: the rest goes from the same file
    assert online() == [ids[2]]
    assert trails.verify(archive=folder).ok
    trails.archive(folder, "ADMIN", "authn_login_*")
    assert online() == [ids[2]]


@pytest.mark.parametrize(
    ("names", "stays"),
    [
        ((), False),
        (("SECURITY",), True),
        (("ADMIN",), False),
        (("authn_login_fail",), True),
        (("authn_login",), False),
        (("authn_*",), True),
        (("*",), True),
        (("ADMIN", "authn_login_*"), True),
    ],
)
def test_what_stays_is_named_by_type_by_action_or_by_its_beginning(names, stays):
    assert clearing.stays("SECURITY", "authn_login_fail", names) is stays


def test_only_what_was_sealed_before_that_moment_is_archived(ids, folder):
    two = Seal.objects.get(number=2)
    made = archiving.archive_next(folder=folder, before=two.sealed_at, now=timezone.now(), **trails.WHO)
    assert made is not None and (made.first_seal, made.last_seal) == (1, 1)
    assert archiving.archive_next(folder=folder, before=two.sealed_at, now=timezone.now(), **trails.WHO) is None

    plan = archiving.plan(before=timezone.now(), online=("authn_*",))
    assert (plan.seals, plan.events, plan.online) == (2, 6, 6)
    plan = archiving.plan(before=timezone.now(), online=("ADMIN", "authn_login_fail"))
    assert plan.online == 0


def test_a_file_takes_so_many_and_the_next_goes_on(ids, folder, monkeypatch):
    monkeypatch.setattr(archiving, "EVENTS", 4)
    monkeypatch.setattr(clearing, "AT_ONCE", 2)
    trails.sealed(1)
    made = trails.archive(folder)

    assert [(one.first_seal, one.last_seal) for one in made] == [(1, 2), (3, 4)]
    assert online() == []
    assert trails.verify(archive=folder).ok


def test_the_archiving_is_itself_recorded(ids, folder):
    (made,) = trails.archive(folder)

    archived = Event.objects.get(action="audit_archived")
    assert (archived.event_type, archived.actor_type, archived.actor_label) == ("SYSTEM", "system", "test")
    assert archived.details == {
        "file": made.file,
        "sha256": hashlib.sha256(files(folder)[0].read_bytes()).hexdigest(),
        "first_seal": 1,
        "last_seal": 3,
        "events": 9,
    }
    cleared = Event.objects.get(action="audit_cleared")
    assert cleared.details == {"file": made.file, "through_seal": 3, "removed": 9}
    assert Cleared.objects.get().removed == 0
    trails.archive(folder)
    assert Event.objects.count() == 2


def test_what_searches_find_goes_with_the_rows(folder, write):
    kept = write(action="authn_login_fail", email="a@example.com")
    gone = write(action="authn_token_reuse", email="a@example.com")
    trails.sealed(0)
    while indexing.enter_next():
        pass
    assert {row.pk for row in queries.events(email="a@example.com")} == {kept.pk, gone.pk}
    trails.archive(folder, "authn_login_*")

    assert set(Index.objects.values_list("event_id", flat=True)) == {kept.pk}
    assert [row.pk for row in queries.events(email="a@example.com")] == [kept.pk]
    assert queries.archived_in(str(gone.pk)) == files(folder)[0].name
    assert [queries.archived_in(text) for text in (str(kept.pk), "a@example.com", "9" * 30, "-1", "²")] == [None] * 5
    assert queries.find(gone.pk) is None


def test_what_others_still_need_stays_until_they_have_it(ids, folder, monkeypatch):
    waits = Webhook.objects.create(
        endpoint="siem", event_id=ids[0][1], next_try_at=timezone.now(), created_at=timezone.now()
    )
    Endpoint.objects.create(name="siem", next_try_at=timezone.now())
    trails.archive(folder)
    assert len(online()) == 9
    waits.delete()
    Counted.objects.update(seal=2, event=0)
    monkeypatch.setattr(clearing.counting, "count_next", lambda: False)
    trails.archive(folder)
    assert len(online()) == 9
    Counted.objects.update(seal=3, event=ids[2][2])
    Queued.objects.create(seal=3, event=ids[2][1])
    trails.archive(folder)
    assert len(online()) == 9
    Queued.objects.update(seal=4)
    trails.archive(folder)
    assert online() == [] and trails.verify(archive=folder).ok


def test_an_archived_event_is_proved_from_its_file(ids, folder):
    (made,) = trails.archive(folder)
    event = ids[1][2]

    with pytest.raises(proofs.NoProofError, match=rf"Event {event} lies in the archive, in {made.file}"):
        proofs.prove(event)
    proved = proofs.check(proofs.prove(event, archive=folder), signing.public_keys())
    assert (proved.event["id"], proved.seal) == (event, 2)
    files(folder)[0].unlink()
    with pytest.raises(proofs.NoProofError, match="No such file"):
        proofs.prove(event, archive=folder)


def test_j02_a_row_goes_only_once_its_seal_is_recorded_and_by_nobody_s_hand(ids, folder):
    trails.archive(folder, clear=False)
    (late,) = trails.write(1)
    with pytest.raises(AppendOnlyError):
        Event.objects.filter(pk=ids[0][0]).delete()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_event")  # the last one is in no seal
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_event SET action = 'changed' WHERE id = %s", [ids[0][0]])
    assert len(online()) == 10

    with authorizer.letting_rows_go(connection):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_event WHERE id = %s", [late])
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_event WHERE id = %s", [ids[0][0]])
    assert trails.verify(archive=folder).ok
    if connection.vendor == "sqlite":
        with pytest.raises(DatabaseError, match="not authorized"), connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_event WHERE id = %s", [ids[0][1]])


@pytest.mark.parametrize("table", ["audit_archive", "audit_seal", "audit_sealedevent"])
def test_j02_what_the_trigger_asks_is_changed_by_nobody(ids, folder, table):
    trails.archive(folder, clear=False)
    key = {"audit_archive": "seal", "audit_seal": "number", "audit_sealedevent": "event_id"}[table]
    deeds = [f"UPDATE {table} SET {key} = {key} + 1", f"DELETE FROM {table}"]
    if connection.vendor == "sqlite":
        deeds += [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"]
    if connection.vendor == "postgresql":
        deeds += [f"TRUNCATE {table}"]
    with authorizer.disarmed(connection), connection.cursor() as cursor:
        for deed in deeds:
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute(deed)
    assert (Archive.objects.count(), Seal.objects.count(), SealedEvent.objects.count()) == (3, 3, 9)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="temporary tables stand before others there")
def test_j03_a_temporary_table_does_not_pass_for_the_records(ids):
    with transaction.atomic(), connection.cursor() as cursor, authorizer.disarmed(connection):
        cursor.execute("CREATE TEMP TABLE audit_archive (seal bigint) ON COMMIT DROP")
        cursor.execute("INSERT INTO pg_temp.audit_archive VALUES (1)")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute("DELETE FROM audit_event WHERE id = %s", [ids[0][0]])


def test_a_seal_that_does_not_verify_is_passed_over_and_its_rows_stay(ids, folder):
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id = {ids[1][1]}")
    made = trails.archive(folder)

    assert [(one.first_seal, one.last_seal) for one in made] == [(1, 1), (3, 3)]
    assert online() == ids[1]
    assert trails.found(trails.verify(archive=folder)) == [("edited", ids[1][1], 2)]


def test_a_row_that_was_changed_after_it_was_archived_stays(ids, folder):
    trails.archive(folder, clear=False)
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id = {ids[1][1]}")
    trails.archive(folder)

    assert online() == [ids[1][1]]
    assert trails.found(trails.verify(archive=folder)) == [("edited", ids[1][1], 2)]


def test_nothing_goes_where_the_file_is_gone_or_another(ids, folder):
    trails.archive(folder, clear=False)
    (path,) = files(folder)
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(archive_files.DamagedError, match="No such file"):
        trails.archive(folder)
    path.write_bytes(gzip.compress(gzip.decompress(whole)))
    with pytest.raises(archive_files.DamagedError, match="not the file that was recorded"):
        trails.archive(folder)
    assert len(online()) == 9
    path.write_bytes(whole)
    trails.archive(folder)
    assert online() == []


def test_a_record_that_was_put_in_by_hand_lets_our_own_code_remove_nothing(ids, folder):
    row = Archive(seal=1, root="0" * 64, count=3, file="x", sha256="0" * 64, archived_at=timezone.now())
    row.key_id, row.signature = next(iter(signing.public_keys())), "AAAA"
    row.save()
    made = trails.archive(folder)

    assert [(one.first_seal, one.last_seal) for one in made] == [(2, 3)]
    assert online() == ids[0]
    assert trails.found(trails.verify(archive=folder)) == [("archive", None, 1)]


def test_a_folder_that_others_can_open_takes_nothing(ids, folder, tmp_path):
    folder.chmod(0o755)
    with pytest.raises(OSError, match="chmod 700"):
        trails.archive(folder)
    with pytest.raises(OSError, match="no such folder"):
        trails.archive(tmp_path / "elsewhere")
    assert files(folder) == []


def test_two_runs_at_once_lose_and_double_nothing(ids, folder, race, monkeypatch):
    monkeypatch.setattr(archiving, "EVENTS", 4)
    trails.sealed(2, 4)

    def run() -> None:
        for _try in range(20):
            try:
                trails.archive(folder)
                return
            except archiving.ContendedError:
                continue

    outcomes = race([run] * 3)

    assert outcomes == [None] * 3
    assert online() == []
    named = set(Archive.objects.values_list("file", flat=True))
    assert {path.name for path in files(folder)} == named
    assert trails.verify(archive=folder).ok
    removed = [event.details["removed"] for event in Event.objects.filter(action="audit_cleared")]
    assert sum(removed) == 15


def test_after_an_erasure_nothing_of_the_person_is_found_in_any_file(folder, write):
    """An attacker has every file, the whole database and every key that is still held."""
    canary = "canary-91be"
    client = Client(ip="198.51.100.77", user_agent=f"{canary}-agent", request_id="r")
    person = Actor("user", "7", "user")
    what = {"user_id": "7", "actor": person, "email": f"{canary}@example.com", "details": {"name": canary}}
    event = write(action="authn_token_reuse", client=client, **what)
    trails.sealed(0)
    trails.archive(folder)
    (file,) = files(folder)
    plain = gzip.decompress(file.read_bytes())
    assert canary.encode() not in plain and b"198.51.100" not in plain
    archived = next(line for line in lines(file) if line.get("id") == event.pk)
    assert read(archived) == {"email": f"{canary}@example.com", "ip_address": "198.51.100.77"}

    privacy.erase(user_id="7", addresses=[f"{canary}@example.com"])

    assert read(archived) == {"email": None, "ip_address": None}
    held = SubjectKey.objects.exclude(kind=datakeys.CLOSED).values_list("pk", flat=True)
    for kind in ("network", "personal"):
        for key in datakeys.to_read(held, alias="default").values():
            assert privacy._open(row_of(archived), kind, key) is None
    assert trails.verify(archive=folder).ok


def row_of(archived: dict) -> Event:
    """Return what a file holds as a row, as whoever has the database would open it."""
    row = Event(**{name: value for name, value in archived.items() if name not in ("v", "network", "personal")})
    row.network, row.personal = b64decode(archived["network"]), b64decode(archived["personal"])
    row._state.adding = False
    return row


def read(archived: dict) -> dict:
    row = row_of(archived)
    return {"email": row.email, "ip_address": row.ip_address}


def test_the_worker_archives_where_a_folder_is_named(ids, folder, settings):
    (job,) = [job for job in jobs() if job.name == "audit-archive"]
    later = timezone.now() + timedelta(days=90, minutes=1)
    assert job.every == timedelta(days=1)
    assert not job.piece(later) and files(folder) == []

    settings.AUDIT = settings.AUDIT | {"ARCHIVE_DIR": str(folder)}
    assert not job.piece(timezone.now())  # nothing is so old
    assert job.piece(later)
    while job.piece(later):
        pass
    assert len(files(folder)) == 1 and online() == [one for seal in ids for one in seal]  # sign-ins stay
    settings.AUDIT = settings.AUDIT | {"ARCHIVE_ONLINE": ("ADMIN",)}
    assert not job.piece(later)
    assert online() == []
    assert {event.actor_label for event in Event.objects.all()} == {"worker"}
    assert trails.verify(archive=folder).ok


def test_a_folder_that_takes_no_files_is_named_at_the_start(folder, settings):
    settings.AUDIT = settings.AUDIT | {"ARCHIVE_DIR": str(folder)}
    assert checks.check_archive(None) == []
    folder.chmod(0o750)
    (fault,) = checks.check_archive(None)
    assert fault.id == "audit.W003" and "chmod 700" in fault.msg
    settings.AUDIT = settings.AUDIT | {"ARCHIVE_DIR": "archive"}
    assert "absolute" in checks.check_archive(None)[0].msg


def test_a_moment_in_a_file_is_checked_like_one_in_a_row(ids, folder):
    (event,) = trails.write(1)
    trails.aged(event, timedelta(hours=2))
    trails.sealed(0)
    trails.archive(folder)
    assert trails.found(trails.verify(archive=folder)) == [("back_dated", event, 4)]
