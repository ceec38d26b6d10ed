"""GET /audit/export: a stream of what the filters find, recorded before it begins and when it ends."""

import csv
import hashlib
import io
import json
import tracemalloc

import pytest

from accounts.roles import Role
from audit import export, queries
from audit.models import Event, SubjectKey
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.trail import TrailScope
from tests.factories import problem, refused_fields

pytestmark = pytest.mark.django_db


def records(action):
    return [(row.success, row.details) for row in Event.objects.filter(action=action).order_by("pk")]


def test_lines_of_json_are_the_events_of_the_list(admin, write):
    made = [write(user_id="7", email="jane@example.com") for _ in range(3)]
    write(user_id="8")
    answer = admin.get("export?user=7")
    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Disposition"] == 'attachment; filename="audit-events.ndjson"'
    assert answer["Cache-Control"] == "no-store"
    lines = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert lines == admin.get("events?user=7").json()["results"]
    assert [line["id"] for line in lines] == [event.pk for event in made[::-1]]


def test_csv_has_the_same_columns_in_every_row_and_no_formula(admin, write):
    write(user_id="7", email="=cmd|' /C calc'!A0", resource="+1", details={"a": [1]}, error_message="@SUM(1)")
    write(user_id="7", client=Client(ip=None), actor=Actor.system())
    erased = write(user_id="7", actor=Actor("user", "7", "user"))
    SubjectKey.objects.filter(subject="user:7", kind="network").delete()
    answer = admin.get("export?format=csv&user=7")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    first, second, third = csv.DictReader(io.StringIO(answer.getvalue().decode()))
    assert (first["id"], first["erased"], first["ip_address"]) == (str(erased.pk), "true", "")
    assert (second["actor_type"], second["user_agent"], second["altered"]) == ("system", "", "false")
    assert (third["email"], third["resource"], third["error_message"]) == ("'=cmd|' /C calc'!A0", "'+1", "'@SUM(1)")
    assert json.loads(third["details"]) == {"a": [1]}


def test_it_is_recorded_before_the_first_byte_and_at_its_end(admin, write):
    write(user_id="7")
    answer = admin.get("export?user=7&user=8&user=joe@example.org&q=jane@example.com&format=csv")
    ((success, details),) = records("audit_export_begun")
    filters = {"user": ["7", "8", "j•••@e•••.org"], "q": "j•••@e•••.com"}
    assert (success, details) == (True, {"format": "csv", "filters": filters})
    assert records("download") == []
    answer.getvalue()
    begun = Event.objects.get(action="audit_export_begun")
    assert (begun.actor_id, begun.actor_label) == (str(admin.user.pk), "admin")
    assert (begun.session_id, begun.ip_address) == (str(admin.session.pk), "192.0.2.7")
    ((success, details),) = records("download")
    assert success and details["size_bytes"] == 0
    assert (details["mime_type"], details["extra"]) == ("text/csv", {"begun": begun.pk, "format": "csv", "events": 0})
    ended = Event.objects.get(action="download")
    assert (ended.event_type, ended.resource, ended.actor_id) == ("FILE_ACCESS", "audit:export", begun.actor_id)
    assert (ended.session_id, ended.ip_address) == (begun.session_id, begun.ip_address)


def test_its_end_says_how_much_left_and_whether_that_was_all(admin, write, monkeypatch):
    for _ in range(5):
        write(user_id="7")
    body = admin.get("export?user=7").getvalue()
    read = queries._walk
    monkeypatch.setattr(queries, "_walk", lambda found, _number: read(found, 2))
    broken = admin.get("export?user=7")
    lines = iter(broken.streaming_content)
    next(lines)
    next(lines)
    for close in broken._resource_closers * 2:  # what the server does when somebody hangs up
        close()
    assert admin.api.send("HEAD", "/audit/export?user=7", **admin.headers).getvalue() == b""
    (first, told), (second, half), (third, nothing) = records("download")
    assert (first, told["extra"]["events"], told["size_bytes"]) == (True, 5, len(body))
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert (second, half["extra"]["events"], "sha256" in half) == (False, 2, False)
    assert (third, nothing["extra"]["events"]) == (False, 0)


def test_nothing_leaves_where_it_cannot_be_recorded(admin, write, monkeypatch):
    write(user_id="7")

    def fail(*_args):
        raise RuntimeError("no")

    monkeypatch.setattr(export, "record", fail)
    problem("internal_error", 500, admin.get("export?user=7"))


@pytest.mark.parametrize("role", [Role.GUEST, Role.USER, Role.MODERATOR])
def test_whose_role_does_not_carry_it_away_gets_nothing(reader, role):
    problem("permission_denied", 403, reader(role).get("export"))
    assert records("audit_export_begun") == []


@pytest.mark.parametrize(
    ("query", "field"), [("format=xml", "format"), ("limit=5", "limit"), ("cursor=x", "cursor"), ("ip=x", "ip")]
)
def test_what_is_asked_wrong_is_named_and_not_recorded(admin, query, field):
    assert set(refused_fields(admin.get(f"export?{query}"))) == {f"?{field}"}
    assert records("audit_export_begun") == []


@pytest.mark.parametrize(
    ("accept", "status"), [("text/csv", 200), ("application/x-ndjson", 200), ("*/*", 200), ("image/png", 406)]
)
def test_what_a_client_accepts(admin, accept, status):
    assert admin.api.get("/audit/export?format=csv", accept=accept, **admin.headers).status_code == status


def test_a_longer_export_takes_no_more_memory(write):
    write(user_id="7", resource="/" + "x" * 900)
    fill(300)
    peak()  # what is made once is made
    short = peak()
    fill(1700)
    assert peak() < 1.5 * short + 200_000


def fill(number):
    row = Event.objects.order_by("pk").first()
    names = [field.attname for field in Event._meta.concrete_fields if field.attname != "id"]
    Event.objects.bulk_create(Event(**{name: getattr(row, name) for name in names}) for _ in range(number))


def peak():
    scope = TrailScope(actor=Actor.system())
    pages = queries.walk(number=100, users=["7"])
    stream = export.Export(
        pages, form="csv", shape=lambda event: {"id": event.pk, "resource": event.resource, "ip": event.ip_address},
        scope=scope, client=Client(ip=None), filters={},
    )  # fmt: skip
    tracemalloc.start()
    try:
        for _chunk in stream:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        stream.close()
