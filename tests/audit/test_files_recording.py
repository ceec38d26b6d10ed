"""``audit.files.recording`` and on whose behalf: one row an operation, in its transaction, and failures that stay."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory

import audit
from audit import files
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from tests.factories import UserFactory
from tests.faults.trail import no_new_events

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CLIENT = Client(ip="203.0.113.9", user_agent="Mozilla/5.0", request_id="request-1")
WHO = {"client": CLIENT, "user_id": "7"}
ASKED = {"action": "upload", "resource": "avatar:7", **WHO}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "files.md"


class BrokenError(Exception):
    """What a test raises."""


def told() -> list[tuple[str, bool]]:
    rows = Event.objects.filter(event_type="FILE_ACCESS").order_by("pk")
    return [(row.action, row.success) for row in rows]


def newest() -> Event:
    return Event.objects.order_by("-pk")[0]


def test_what_goes_by_is_counted_and_hashed() -> None:
    with audit.files.recording(**ASKED, session_id="s", mime_type="image/PNG; q=1") as op:
        assert b"".join(op.through([b"ab", b"cd"])) == b"abcd"
        op.extra["kept_for"] = 30
    row = newest()
    assert (row.action, row.resource, row.success) == ("upload", "avatar:7", True)
    assert (row.user_id, row.actor_type, row.actor_id, row.session_id) == ("7", "user", "7", "s")
    assert (row.ip_address, row.request_id) == ("203.0.113.9", "request-1")
    found = dict(row.details)
    assert {type(found.pop("duration_ms")), type(found.pop("bytes_per_second"))} == {int}
    assert found == {
        "size_bytes": 4,
        "mime_type": "image/png",
        "sha256": hashlib.sha256(b"abcd").hexdigest(),
        "extra": {"kept_for": 30},
    }


def test_where_nothing_goes_by_only_what_is_known_is_told() -> None:
    with files.recording("move", resource="doc:1", source="/a/ä.txt", target="/b/\x1b[31m", **WHO) as op:
        op.size_bytes = 12
    found = dict(newest().details)
    found.pop("duration_ms")
    assert found == {"size_bytes": 12, "from": "/a/ä.txt", "to": "/b/\\x1b[31m"}


def test_an_operation_that_is_none_is_refused_before_it_begins() -> None:
    with pytest.raises(ValueError, match="one of upload, download"), files.recording("shred", resource="x"):
        pytest.fail("it began")


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (OSError(28, "No space left on device", "/srv/secret"), "error", "OSError: No space left on device"),
        (
            PermissionError(13, "Permission denied", "/srv/secret"),
            "not_permitted",
            "PermissionError: Permission denied",
        ),
        (BrokenError("canary-content"), "error", "BrokenError"),
        (KeyboardInterrupt(), "error", "KeyboardInterrupt"),
    ],
)
def test_a_failure_is_told_with_its_reason_and_raised_on(error: BaseException, reason: str, said: str) -> None:
    with pytest.raises(type(error)) as caught, files.recording(**ASKED) as op:
        op.saw(b"ab")
        raise error
    row = newest()
    assert caught.value is error
    assert (row.success, row.failure_reason, row.error_message) == (False, reason, said)
    assert row.details["size_bytes"] == 2
    assert told() == [("upload", False)]


def test_j08_a_failure_that_cannot_be_recorded_hides_no_error(caplog: Any) -> None:
    with no_new_events(), pytest.raises(BrokenError), files.recording(**ASKED):
        raise BrokenError
    assert "file_failure_not_recorded" in caplog.text


def test_j07_a_success_goes_with_the_transaction_of_its_change() -> None:
    with pytest.raises(BrokenError), transaction.atomic():
        with files.recording(**ASKED) as op:
            op.saw(b"ab")
        raise BrokenError
    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_j07_what_was_done_and_rolled_back_is_a_failure_and_what_was_kept_is_none() -> None:
    with pytest.raises(BrokenError), files.recording(**ASKED) as op, transaction.atomic():
        op.done()
        raise BrokenError
    assert told() == [("upload", False)]
    with pytest.raises(BrokenError), files.recording(**ASKED) as op:
        with transaction.atomic():
            op.done()
        raise BrokenError
    assert told() == [("upload", False), ("upload", True)]


@pytest.mark.django_db(transaction=True)
def test_j07_what_was_done_and_quietly_rolled_back_is_a_failure() -> None:
    with files.recording(**ASKED) as op, transaction.atomic():
        op.done()
        transaction.set_rollback(True)
    assert told() == [("upload", False)]
    assert newest().error_message == "RolledBackError"


@pytest.mark.django_db(transaction=True)
def test_j07_a_failure_stays_though_its_transaction_is_rolled_back() -> None:
    with pytest.raises(BrokenError), files.acting(client=CLIENT, actor=Actor.system("worker")), transaction.atomic():
        UserFactory(email="gone@example.com")
        with files.recording("upload", resource="avatar:7"):
            raise BrokenError
    assert told() == [("upload", False)]
    assert (newest().actor_label, newest().request_id) == ("worker", "request-1")


@pytest.mark.django_db(transaction=True)
def test_j07_a_failure_that_was_caught_is_told_once() -> None:
    with files.acting(client=CLIENT, actor=Actor.system("worker")), transaction.atomic():
        try:
            with files.recording("upload", resource="avatar:7"):
                raise BrokenError
        except BrokenError:
            pass
    assert told() == [("upload", False)]


def respond(request: Any, user: Any) -> Event:
    """Send *request* through the middleware to a view that stores a file after it signed *user* in."""
    storage = files.audited(InMemoryStorage(), label="media")

    def view(request: Any) -> HttpResponse:
        request.user = user
        storage.save("a.txt", ContentFile(b"x"))
        return HttpResponse()

    files.FilesMiddleware(view)(request)
    return newest()


def test_behind_the_middleware_it_is_whoever_is_signed_in() -> None:
    request, user = (
        RequestFactory().get("/", REMOTE_ADDR="198.51.100.4", headers={"user-agent": "curl/8"}),
        UserFactory(),
    )
    row = respond(request, user)
    assert (row.actor_type, row.actor_id, row.actor_label, row.user_id) == ("user", str(user.pk), "user", str(user.pk))
    assert (row.ip_address, row.user_agent) == ("198.51.100.4", "curl/8")
    row = respond(request, AnonymousUser())
    assert (row.actor_type, row.actor_id, row.user_id) == ("anonymous", None, None)


def test_a_download_is_of_whoever_opened_the_file_though_it_is_read_later() -> None:
    storage = files.audited(InMemoryStorage())
    storage.storage.save("a.txt", ContentFile(b"x"))
    with files.acting(client=CLIENT, actor=Actor("user", "7", "admin"), user_id=8):
        opened = storage.open("a.txt")
    with opened:
        opened.read()
    row = newest()
    assert (row.actor_id, row.actor_label, row.user_id, row.request_id) == ("7", "admin", "8", "request-1")


def test_without_a_word_it_is_the_system() -> None:
    with files.recording("delete", resource="x"):
        pass
    assert (newest().actor_type, newest().actor_label) == ("system", "system")


@pytest.mark.parametrize("number", range(len(re.findall(r"^```python$", DOCS.read_text(), re.MULTILINE))))
def test_the_examples_of_the_docs_run_as_they_are(number: int, settings: Any, tmp_path: Any) -> None:
    """Each example stands alone, given what it says it is given: a file of somebody's, and the request."""
    source = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)[number]
    request = RequestFactory().get("/")
    request.user = UserFactory()
    given = {"request": request, "upload": ContentFile(b"x", "me.png"), "folder": tmp_path}
    before = Event.objects.count()
    exec(compile(source, f"{DOCS}:{number}", "exec"), given)
    if "settings.py" not in source:
        assert Event.objects.count() > before
