"""J03, J04: whoever owns database or folder changes what was archived, and ``verify --archive`` names it."""

import gzip
from pathlib import Path

import pytest
from django.db import connection

from audit import archiving
from audit.seals import Seal
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ids(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Four seals of three events, all gone into two files."""
    monkeypatch.setattr(archiving, "EVENTS", 4)
    made = trails.sealed(3, 3, 3, 3)
    trails.archive(folder)
    assert len(list(folder.iterdir())) == 2
    return made


def first(folder: Path) -> Path:
    return min(folder.iterdir())


def rewritten(path: Path, old: bytes, new: bytes) -> None:
    """Change a file as somebody would who packs it anew."""
    plain = gzip.decompress(path.read_bytes())
    assert old in plain
    path.write_bytes(gzip.compress(plain.replace(old, new, 1)))


def found(folder: Path) -> list[tuple[str, int | None, int | None]]:
    return trails.found(trails.verify(archive=folder))


def test_j04_an_event_that_was_edited_in_a_file_is_named(ids, folder):
    line = f'"id":{ids[1][1]},'.encode()
    plain = gzip.decompress(first(folder).read_bytes())
    (event,) = [one for one in plain.splitlines() if line in one]
    rewritten(first(folder), event, event.replace(b'"user_id":"1"', b'"user_id":"9"'))

    assert found(folder) == [("archive_file", None, 1), ("archive_file", ids[1][1], 2)]
    assert trails.verify().ok  # nobody read it


@pytest.mark.parametrize("place", [0, 2])
def test_j04_an_event_that_was_taken_out_of_a_file_is_named_by_its_seal(ids, folder, place):
    line = f'"id":{ids[0][place]},'.encode()
    plain = gzip.decompress(first(folder).read_bytes())
    (event,) = [one for one in plain.splitlines() if line in one]
    rewritten(first(folder), event + b"\n", b"")

    code, event_id, seal = found(folder)[1]
    assert (code, seal) == ("archive_file", 1)
    assert event_id == ids[0][place]


def test_j04_a_file_that_is_gone_is_named_once_with_its_first_seal(ids, folder):
    name = first(folder).name
    first(folder).unlink()

    report = trails.verify(archive=folder)
    assert trails.found(report) == [("archive_file", None, 1)]
    assert report.findings[0].says == f"{name}: it is not there"
    assert (report.on_word, report.archived) == ([(1, 2)], 6)


def test_j04_two_files_that_were_swapped_are_named(ids, folder):
    one, two = sorted(folder.iterdir())
    content = one.read_bytes(), two.read_bytes()
    one.write_bytes(content[1])
    two.write_bytes(content[0])

    assert [(code, seal) for code, _event, seal in found(folder)] == [
        ("archive_file", 1),
        ("archive_file", 1),
        ("archive_file", 3),
        ("archive_file", 3),
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"", mtime=0), gzip.compress(b"[]\n", mtime=0), None],
    ids=["empty", "no gzip", "nothing in it", "no header", "gone"],
)
def test_j04_a_file_that_is_none_is_named(ids, folder, content):
    path = first(folder)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)

    assert {(code, seal) for code, _event, seal in found(folder)} <= {("archive_file", 1), ("archive_file", 2)}
    assert found(folder)[0] == ("archive_file", None, 1)


def test_a_file_that_was_packed_anew_holds_what_was_sealed_and_is_another_file(ids, folder):
    path = first(folder)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())))

    assert found(folder) == [("archive_file", None, 1)]


@pytest.mark.parametrize("change", ["signature = root", "sha256 = root", "root = sha256", "count = 4", "key_id = 'x'"])
def test_j04_a_record_that_was_changed_excuses_nothing(ids, folder, change):
    trails.tamper(f"UPDATE audit_archive SET {change} WHERE seal = 2")

    removed = [("removed", event, 2) for event in ids[1]]
    assert found(folder) == [("archive", None, 2), *removed]
    assert trails.found(trails.verify()) == [("archive", None, 2), *removed]


def test_j04_records_that_were_swapped_excuse_nothing(ids, folder):
    trails.tamper(
        "UPDATE audit_archive SET seal = 900 WHERE seal = 1",
        "UPDATE audit_archive SET seal = 1 WHERE seal = 3",
        "UPDATE audit_archive SET seal = 3 WHERE seal = 900",
    )
    assert [one[0] for one in found(folder)].count("archive") == 2
    assert [one[0] for one in found(folder)].count("removed") == 6


def test_j04_rows_that_went_without_a_record_are_named(ids, folder):
    trails.tamper("DELETE FROM audit_archive WHERE seal = 1")

    assert found(folder) == [("removed", event, 1) for event in ids[0]]


def test_j04_a_record_of_a_seal_that_is_not_there_is_named(ids, folder):
    trails.tamper("UPDATE audit_archive SET seal = 900 WHERE seal = 4")

    assert ("archive", None, 900) in found(folder)


def test_j04_a_record_of_another_seal_of_that_number_excuses_nothing(ids, folder):
    """The records are of the trail that was; somebody makes the seals anew."""
    one, two = Seal.objects.get(number=1), Seal.objects.get(number=2)
    trails.tamper(f"UPDATE audit_seal SET root = '{two.root}' WHERE number = 1")
    assert trails.found(trails.verify(archive=folder))[0] == ("archive", None, one.number)


def test_j03_a_row_put_in_again_under_an_archived_number_is_named(ids, folder):
    fresh = trails.write(1)[0]
    columns = "event_type, action, actor_type, actor_label, resource, success, failure_reason, request_id"
    trails.tamper(
        f"INSERT INTO audit_event (id, {columns}) SELECT {ids[0][0]}, {columns} FROM audit_event WHERE id = {fresh}"
    )

    assert found(folder) == [("edited", ids[0][0], 1)]


def test_a_folder_of_another_trail_is_no_archive_of_this_one(ids, folder, settings):
    settings.AUDIT = settings.AUDIT | {"ORIGIN": "elsewhere.example/audit"}
    assert {code for code, _event, _seal in found(folder)} == {"archive", "removed"}


def test_a_list_that_was_changed_is_no_fault_of_the_file(ids, folder):
    position = connection.ops.quote_name("position")
    trails.tamper(f"DELETE FROM audit_sealedevent WHERE seal_id = 2 AND {position} = 2")

    assert {(code, seal) for code, _event, seal in found(folder)} == {("list", 2)}
