"""``audit.files.audited``: what is done through a storage stands in the trail, whatever storage it is."""

import hashlib
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import DatabaseError
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.http import FileResponse

from audit import files
from audit.models import Event
from tests.faults.trail import no_new_events

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CONTENT = b"canary-content\n" * 9000  # some chunks long
SHA = hashlib.sha256(CONTENT).hexdigest()


class ForeignStorage(Storage):
    """A storage of somebody else: it reads twice, renames nothing, and has no paths."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def _open(self, name: str, mode: str = "rb") -> File:
        if name not in self.held:
            raise FileNotFoundError(name)
        return File(BytesIO(self.held[name]), name)

    def _save(self, name: str, content: Any) -> str:
        content.read(3)  # a first try that broke off
        content.seek(0)
        self.held[name] = content.read()
        return name

    def delete(self, name: str) -> None:
        del self.held[name]

    def exists(self, name: str) -> bool:
        return name in self.held

    def size(self, name: str) -> int:
        return len(self.held[name])


@pytest.fixture(params=["disk", "memory", "foreign"])
def storage(request: Any, tmp_path: Any) -> files.AuditedStorage:
    kinds = {"disk": lambda: FileSystemStorage(tmp_path), "memory": InMemoryStorage, "foreign": ForeignStorage}
    return files.audited(kinds[request.param](), label="media")


def rows() -> list[Event]:
    return list(Event.objects.filter(event_type="FILE_ACCESS").order_by("pk"))


def content_of(storage: Storage, name: str) -> bytes:
    with storage.open(name) as opened:
        return opened.read()


def only() -> Event:
    [row] = rows()
    return row


def details(row: Event) -> dict[str, Any]:
    """The details but for times, which are there and are whole numbers."""
    found = dict(row.details)
    assert type(found.pop("duration_ms")) is int
    assert type(found.pop("bytes_per_second", 0)) is int
    return found


def test_an_upload_is_told_with_size_type_and_digest(storage: files.AuditedStorage) -> None:
    name = storage.save("in/a.txt", ContentFile(CONTENT))
    row = only()
    assert (row.action, row.resource, row.success) == ("upload", f"media:{name}", True)
    assert details(row) == {"size_bytes": len(CONTENT), "mime_type": "text/plain", "sha256": SHA}
    assert (row.actor_type, row.actor_label) == ("system", "system")
    with storage.storage.open(name) as stored:
        assert stored.read() == CONTENT


def test_a_download_is_told_at_the_end_with_what_was_read(storage: files.AuditedStorage) -> None:
    name = storage.storage.save("a.txt", ContentFile(CONTENT))
    with storage.open(name) as opened:
        assert b"".join(opened.chunks()) == CONTENT
        row = only()  # at its end, before it is closed
    assert (row.action, row.resource, row.success) == ("download", "media:a.txt", True)
    assert details(row) == {"size_bytes": len(CONTENT), "mime_type": "text/plain", "sha256": SHA}
    assert rows() == [row]


def test_what_was_read_in_part_has_no_digest_and_says_so(storage: files.AuditedStorage) -> None:
    name = storage.storage.save("a.txt", ContentFile(CONTENT))
    with storage.open(name) as opened:
        assert len(opened.read(100)) == 100
        assert rows() == []
    assert details(only()) == {"size_bytes": 100, "mime_type": "text/plain", "extra": {"complete": False}}


def test_whoever_reads_just_as_much_as_there_is_read_the_whole(storage: files.AuditedStorage) -> None:
    name = storage.storage.save("a.txt", ContentFile(CONTENT))
    with storage.open(name) as opened:
        assert opened.read(len(CONTENT)) == CONTENT
    assert details(only()) == {"size_bytes": len(CONTENT), "mime_type": "text/plain", "sha256": SHA}


def test_what_was_skipped_or_read_twice_is_seen(storage: files.AuditedStorage) -> None:
    name = storage.storage.save("a.txt", ContentFile(CONTENT))
    with storage.open(name) as opened:
        opened.read(10)
        opened.seek(0)
        opened.read()
    with storage.open(name) as opened:
        opened.seek(5)
        opened.read()
    twice, skipped = (details(row) for row in rows())
    assert (twice["size_bytes"], twice["sha256"]) == (len(CONTENT) + 10, SHA)
    assert skipped == {"size_bytes": len(CONTENT) - 5, "mime_type": "text/plain", "extra": {"complete": False}}


@pytest.mark.parametrize("read", [list, lambda one: one.readlines(), lambda one: list(iter(one.readline, b""))])
def test_lines_count_like_any_reading(storage: files.AuditedStorage, read: Any) -> None:
    name = storage.storage.save("a.txt", ContentFile(CONTENT))
    with storage.open(name) as opened:
        assert b"".join(read(opened)) == CONTENT
    assert details(only())["sha256"] == SHA


def test_a_file_that_is_opened_and_not_read_is_no_download(storage: files.AuditedStorage) -> None:
    name = storage.storage.save("a.txt", ContentFile(CONTENT))
    with storage.open(name) as opened:
        assert opened.size == len(CONTENT)
    assert rows() == []


def test_an_empty_file_is_told_too(storage: files.AuditedStorage) -> None:
    name = storage.save("empty.bin", ContentFile(b""))
    assert content_of(storage, name) == b""
    empty = {"size_bytes": 0, "mime_type": "application/octet-stream", "sha256": hashlib.sha256().hexdigest()}
    assert [details(row) for row in rows()] == [empty, empty]


def test_a_deletion_a_move_and_a_rename_are_told(storage: files.AuditedStorage) -> None:
    storage.storage.save("a.txt", ContentFile(CONTENT))
    storage.move("a.txt", "old/a.txt")
    storage.rename("old/a.txt", "old/b.txt")
    storage.delete("old/b.txt")
    move, rename, delete = rows()
    whole = {"size_bytes": len(CONTENT), "mime_type": "text/plain", "sha256": SHA}
    assert (move.action, details(move)) == ("move", whole | {"from": "a.txt", "to": "old/a.txt"})
    assert (rename.action, details(rename)) == ("rename", whole | {"from": "old/a.txt", "to": "old/b.txt"})
    assert (delete.action, details(delete)) == ("delete", {"size_bytes": len(CONTENT), "mime_type": "text/plain"})
    assert not storage.exists("old/b.txt") and not storage.exists("a.txt")


def test_a_move_never_overwrites_and_that_is_told(storage: files.AuditedStorage) -> None:
    for name in ("a.txt", "b.txt"):
        storage.storage.save(name, ContentFile(name.encode()))
    with pytest.raises(FileExistsError):
        storage.move("a.txt", "b.txt")
    with pytest.raises(ValueError, match="another folder"):
        storage.rename("a.txt", "x/a.txt")
    row = only()
    assert (row.action, row.success, row.failure_reason) == ("move", False, "error")
    assert [content_of(storage.storage, name) for name in ("a.txt", "b.txt")] == [b"a.txt", b"b.txt"]


@pytest.mark.parametrize("name", ["../a.txt", "in/../../a.txt", "..\\a.txt", "a\x00b.txt", "a\r\nb.txt", "a\u202eb"])
def test_a_name_that_leads_out_or_cannot_be_seen_is_refused_and_safely_shown(
    storage: files.AuditedStorage, name: str
) -> None:
    for act in (
        lambda: storage.save(name, ContentFile(b"x")),
        lambda: storage.open(name),
        lambda: storage.delete(name),
    ):
        with pytest.raises(SuspiciousFileOperation):
            act()
    with pytest.raises(SuspiciousFileOperation):
        storage.move("a.txt", name)
    told = rows()
    assert [(row.action, row.success, row.failure_reason) for row in told] == [
        (action, False, "input_invalid") for action in ("upload", "download", "delete", "move")
    ]
    for row in told:
        assert not set("\x00\r\n\u202e") & {*row.resource, *row.details.get("to", "")}
    assert told[0].error_message == "SuspiciousFileOperation"


def test_a_file_that_is_not_there_is_a_download_that_failed(storage: files.AuditedStorage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.open("nothing.txt").read()
    row = only()
    assert (row.action, row.success, row.failure_reason) == ("download", False, "error")
    assert row.error_message.startswith("FileNotFoundError") and "nothing.txt" not in row.error_message


@pytest.mark.parametrize("kind", [SimpleUploadedFile, TemporaryUploadedFile])
def test_an_upload_of_a_form_keeps_its_type_and_is_stored_whole(storage: files.AuditedStorage, kind: Any) -> None:
    if kind is SimpleUploadedFile:
        upload = SimpleUploadedFile("a.bin", CONTENT, "image/png; q=1")
    else:
        upload = TemporaryUploadedFile("a.bin", "image/png", len(CONTENT), None)
        upload.file.write(CONTENT)
    name = storage.save("a.bin", upload)
    upload.close()  # as Django does at the end of a request
    assert details(only()) == {"size_bytes": len(CONTENT), "mime_type": "image/png", "sha256": SHA}
    assert content_of(storage.storage, name) == CONTENT


def test_what_cannot_be_read_twice_is_stored_whole_too(storage: files.AuditedStorage) -> None:
    class Stream(BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *args: Any) -> int:
            raise OSError("no")

    name = storage.save("a.txt", Stream(CONTENT))
    assert content_of(storage.storage, name) == CONTENT
    assert details(only())["sha256"] == SHA


def test_a_name_that_was_taken_is_told_beside_the_one_it_got(storage: files.AuditedStorage) -> None:
    storage.storage.save("a.txt", ContentFile(b"first"))
    name = storage.save("a.txt", ContentFile(b"second"))
    row = only()
    assert name != "a.txt" and row.resource == f"media:{name}"
    assert row.details["extra"] == {"asked_name": "a.txt"}


def test_j08_what_cannot_be_recorded_does_not_stay_stored(storage: files.AuditedStorage) -> None:
    with no_new_events(), pytest.raises(DatabaseError):
        storage.save("a.txt", ContentFile(CONTENT))
    assert not storage.exists("a.txt")


def test_j10_no_content_is_in_the_trail(storage: files.AuditedStorage) -> None:
    name = storage.save("a.txt", ContentFile(CONTENT))
    content_of(storage, name)
    told = " ".join(str([row.details, row.resource, row.error_message]) for row in rows())
    assert "canary-content" not in told


@pytest.fixture
def disk(tmp_path: Any) -> Iterator[files.AuditedStorage]:
    yield files.audited(FileSystemStorage(tmp_path), label="disk")


def test_what_is_written_through_a_file_is_an_upload(disk: files.AuditedStorage) -> None:
    with disk.open("a.txt", "wb") as out:
        out.write(CONTENT[:100])
        out.writelines([CONTENT[100:]])
        assert rows() == []
    with disk.open("a.txt", "ab") as out:
        out.write(b"more")
    with pytest.raises(KeyError), disk.open("b.txt", "wb") as out:
        out.write(b"half")
        raise KeyError("a bug")
    written, added, broken = rows()
    assert details(written) == {"size_bytes": len(CONTENT), "mime_type": "text/plain", "sha256": SHA}
    assert details(added) == {"size_bytes": 4, "mime_type": "text/plain"}
    assert (broken.success, broken.error_message, broken.details["size_bytes"]) == (False, "KeyError", 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda out: (out.seek(0), out.write(b"X")),
        lambda out: out.truncate(3),
        lambda out: (out.seek(9), out.write(b"X")),
    ],
)
def test_what_was_written_over_has_no_digest(disk: files.AuditedStorage, change: Any) -> None:
    with disk.open("a.txt", "wb") as out:
        out.write(b"abcdef")
        change(out)
    assert "sha256" not in details(only())


def test_no_way_leads_past_what_is_counted(disk: files.AuditedStorage) -> None:
    disk.storage.save("a.txt", ContentFile(CONTENT))
    with disk.open("a.txt") as opened:
        for name in ("fileno", "file", "raw", "read1", "peek", "detach", "getvalue"):
            assert not hasattr(opened.file, name)
        with TextIOWrapper(opened, encoding="utf-8") as text:  # as libraries do
            assert text.read() == CONTENT.decode()
    assert details(only())["sha256"] == SHA


def test_text_is_counted_in_bytes_and_has_no_digest(disk: files.AuditedStorage) -> None:
    disk.storage.save("a.txt", ContentFile("grüße\n".encode()))
    with disk.open("a.txt", "r") as opened:
        assert opened.read() == "grüße\n"
    assert details(only()) == {"size_bytes": 8, "mime_type": "text/plain", "extra": {"complete": False}}


def test_a_reading_that_breaks_is_told_with_what_the_system_said(disk: files.AuditedStorage, monkeypatch: Any) -> None:
    disk.storage.save("a.txt", ContentFile(CONTENT))
    with pytest.raises(OSError), disk.open("a.txt") as opened:
        opened.read(10)
        with monkeypatch.context() as broken:
            broken.setattr(opened.file._inner, "file", Broken())
            opened.read(10)
    row = only()
    assert (row.success, row.error_message) == (False, "OSError: Input/output error")
    assert row.details["size_bytes"] == 10


class Broken:
    def tell(self) -> int:
        return 10

    def read(self, *_args: Any) -> bytes:
        raise OSError(5, "Input/output error", "/srv/secret/path")

    def close(self) -> None:
        pass

    closed = False


def test_a_file_answer_is_read_past_nothing(disk: files.AuditedStorage) -> None:
    """A server that would send the file by its descriptor finds none, so every byte is counted."""
    disk.storage.save("a.txt", ContentFile(CONTENT))
    answer = FileResponse(disk.open("a.txt"))
    assert not hasattr(answer.file_to_stream.file, "fileno")
    assert (answer["Content-Length"], b"".join(answer)) == (str(len(CONTENT)), CONTENT)
    for close in answer._resource_closers:  # answer.close() would close the test's database as well
        close()
    assert details(only())["sha256"] == SHA


def test_a_closed_file_is_opened_again_through_the_storage(disk: files.AuditedStorage) -> None:
    disk.storage.save("a.txt", ContentFile(CONTENT))
    opened = disk.open("a.txt")
    opened.read()
    opened.close()
    with opened.open():
        assert opened.read() == CONTENT
    assert [row.action for row in rows()] == ["download", "download"]


def test_a_field_of_a_model_goes_through_it(disk: files.AuditedStorage) -> None:
    field = FileField(storage=disk, upload_to="in/")
    field.set_attributes_from_name("picture")
    held = FieldFile(SimpleNamespace(picture=""), field, "")
    held.save("a b.txt", ContentFile(CONTENT), save=False)
    with held.open("rb") as opened:
        assert opened.read() == CONTENT
    held.delete(save=False)
    assert [(row.action, row.resource) for row in rows()] == [
        (action, "disk:in/a_b.txt") for action in ("upload", "download", "delete")
    ]


def test_sha1_is_there_by_setting_only(disk: files.AuditedStorage, settings: Any) -> None:
    disk.save("a.txt", ContentFile(b"x"))
    settings.AUDIT = settings.AUDIT | {"FILE_SHA1": True}
    disk.save("b.txt", ContentFile(b"x"))
    without, beside = (row.details for row in rows())
    assert "sha1" not in without
    assert beside["sha1"] == "11f6ad8ec52a2984abaafd7c3b516503785c2072"


def test_a_storage_can_be_named_in_settings_and_is_written_into_migrations(settings: Any, tmp_path: Any) -> None:
    settings.STORAGES = settings.STORAGES | {
        "media": {
            "BACKEND": "audit.files.AuditedStorage",
            "OPTIONS": {
                "label": "media",
                "storage": {
                    "BACKEND": "django.core.files.storage.FileSystemStorage",
                    "OPTIONS": {"location": str(tmp_path), "base_url": "/m/"},
                },
            },
        }
    }
    from django.core.files.storage import storages  # noqa: PLC0415  (as it is with these settings)

    made = storages["media"]
    assert made.url(made.save("a.txt", ContentFile(b"x"))) == "/m/a.txt"
    assert only().resource == "media:a.txt"
    assert made.location == str(tmp_path)  # what only the storage beneath has
    path, args, kwargs = files.audited(InMemoryStorage(), label="x").deconstruct()
    assert (path, kwargs) == ("audit.files.AuditedStorage", {"label": "x"}) and isinstance(args[0], InMemoryStorage)
