"""GET /audit/events and /audit/events/{id}: every filter, page after page, in the shape of the contract."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from audit.models import Event, SubjectKey
from gatehouse.client import Client
from gatehouse.events import Actor
from tests.audit import trails
from tests.factories import Api, problem, refused_fields

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
WHAT = {"event_type": "SECURITY", "action": "authn_login_success", "success": True}


def test_the_shape_of_an_event(admin, write):
    event = write(
        user_id="7",
        actor=Actor("user", "8", "admin"),
        email="Jane@Example.com",
        resource="/api/v1/users/7",
        success=False,
        failure_reason="not_permitted",
        error_message="no",
        session_id="s-1",
        details={"before": "user"},
    )
    expected = {
        "id": event.pk,
        "timestamp": event.timestamp.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "event_type": "SECURITY",
        "action": "authn_login_success",
        "user_id": "7",
        "actor": {"type": "user", "id": "8", "label": "admin"},
        "email": "Jane@Example.com",
        "resource": "/api/v1/users/7",
        "success": False,
        "failure_reason": "not_permitted",
        "error_message": "no",
        "details": {"before": "user"},
        "ip_address": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
        "request_id": "request-1",
        "session_id": "s-1",
    }
    assert admin.get("events?user=7").json() == {"results": [expected], "next": None, "previous": None}
    answer = admin.get(f"events/{event.pk}")
    assert (answer.status_code, answer["Cache-Control"], answer.json()) == (200, "no-store", expected)


def test_what_is_not_there_is_null(admin, write):
    event = write(client=Client(ip=None), actor=Actor.system())
    shown = admin.get(f"events/{event.pk}").json()
    empty = {"user_id", "email", "resource", "failure_reason", "error_message", "ip_address", "user_agent"}
    assert {name for name, value in shown.items() if value is None} == empty | {"request_id", "session_id"}
    assert shown["details"] == {}


def test_what_was_erased_is_null_and_says_so(admin, write):
    event = write(user_id="7", email="jane@example.com", details={"name": "Jane"})
    SubjectKey.objects.all().delete()
    shown = admin.get(f"events/{event.pk}").json()
    private = ("email", "details", "error_message", "ip_address", "user_agent")
    assert shown["erased"] is True and "altered" not in shown
    assert {shown[name] for name in private} == {None}
    assert shown["action"] == "authn_login_success"


@pytest.mark.django_db(transaction=True)  # MariaDB commits where the guard is taken away
def test_what_was_altered_says_so_and_nothing_else_fails(admin, write):
    bad, good = write(user_id="7", email="jane@example.com"), write(user_id="7")
    trails.tamper(f"UPDATE audit_event SET action = 'authn_logout' WHERE id = {bad.pk}")
    shown = {one["id"]: one for one in admin.get("events?user=7").json()["results"]}
    assert (shown[bad.pk]["altered"], shown[bad.pk]["email"], shown[bad.pk]["details"]) == (True, None, None)
    assert "altered" not in shown[good.pk] and shown[good.pk]["ip_address"] == "203.0.113.7"


def test_every_filter_finds_its_event(admin, write):
    other = write(user_id="1")
    event = write(
        event_type="ADMIN",
        action="authz_change",
        user_id="7",
        actor=Actor("user", "8", "admin"),
        email="jane@example.com",
        success=False,
        resource="/users/7",
        session_id="s-7",
        client=Client(ip="198.51.100.7", request_id="r-7"),
    )
    for query in (
        *("type=ADMIN", "action=authz_change", "user=7", "user=8", "user=7&as=subject", "user=8&as=actor"),
        *("email=JANE@example.com", "ip=198.51.100.7", "ip=198.51.100.0/24", "ip=198.51.0.0/16", "resource=/users/"),
        *("session=s-7", "request_id=r-7", "q=jane@example.com", "q=r-7", "q=s-7", f"q={event.pk}"),
        "type=ADMIN&type=SYSTEM&action=authz_change&success=false&user=7&ip=198.51.100.7&email=jane@example.com",
    ):
        assert admin.ids(query) == [event.pk], query
    assert admin.ids("user=7&as=actor") == admin.ids("user=8&as=subject") == []
    assert admin.ids("success=false&type=ADMIN") == [event.pk]
    assert admin.ids("user=1&user=7&success=true") == [other.pk]
    assert admin.ids("action=authz_change&action=authn_login_success&user=1&user=8") == [event.pk, other.pk]


def test_since_is_inclusive_and_until_is_not(admin, write):
    event = write(user_id="7")
    at, after = event.timestamp, event.timestamp + timedelta(microseconds=1)
    assert admin.ids(f"user=7&since={text(at)}") == [event.pk]
    assert admin.ids(f"user=7&until={text(at)}") == admin.ids(f"user=7&since={text(after)}") == []
    assert admin.ids(f"user=7&until={text(after)}") == [event.pk]


def text(at):
    return quote(at.astimezone(UTC).isoformat().replace("+00:00", "Z"))


@pytest.mark.parametrize("query", ["user=7", "type=SECURITY&type=SYSTEM&user=7", "user=7&as=subject"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_lead_on_and_back_and_hold_each_event_once(admin, write, query, limit):
    both, other = {"user_id": "7", "actor_type": "user", "actor_id": "7"}, {"user_id": "7", "actor_type": "system"}
    acted = {"user_id": "9", "actor_type": "user", "actor_id": "7"}
    moments = [NOON, *[NOON + timedelta(seconds=1)] * 3, NOON + timedelta(seconds=2), NOON + timedelta(seconds=3)]
    rows = [Event(**facts, **WHAT, timestamp=at) for facts, at in zip([both, other] * 3, moments, strict=True)]
    Event.objects.bulk_create([*rows, Event(**acted, **WHAT, timestamp=NOON + timedelta(seconds=1))])
    made = Event.objects.filter(timestamp__lt=NOON + timedelta(days=1))
    made = made.filter(user_id="7") if "as=" in query else made
    expected = [row.pk for row in made.order_by("-timestamp", "-pk")]
    seen, path = [], f"events?{query}&limit={limit}"
    while path:
        body = admin.get(path).json()
        seen.append([one["id"] for one in body["results"]])
        write()  # what comes meanwhile moves no old page
        path = (body["next"] or "").partition("/audit/")[2]
        assert not path or body["next"].startswith("http://testserver/api/v1/audit/events?")
    assert [one for page in seen for one in page] == expected
    for page in reversed(seen[:-1]):
        body = admin.get(body["previous"].partition("/audit/")[2]).json()
        assert [one["id"] for one in body["results"]] == page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=nonsense", "cursor"),
        ("type=OTHER", "type"),
        ("type=ADMIN&type=admin", "type"),
        ("as=victim", "as"),
        ("success=1", "success"),
        ("success=true&success=false", "success"),
        ("ip=1.2.3.4/8", "ip"),
        ("ip=nowhere", "ip"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("email=", "email"),
        ("user=", "user"),
        ("user=" + "x" * 256, "user"),
        ("&".join(["user=1"] * 21), "user"),
        ("resource=%00", "resource"),
        ("q=%E2%80%AE", "q"),
        ("users=1", "users"),
        ("format=csv", "format"),
    ],
)
def test_what_is_asked_wrong_is_named(admin, query, field):
    errors = refused_fields(admin.get(f"events?{query}"))
    assert set(errors) == {f"?{field}"}
    assert (errors[f"?{field}"] == "unknown_field") == (field in {"users", "format"})


@pytest.mark.parametrize("number", ["999999999", "9" * 30])
def test_an_event_that_is_not_there_is_not_found(admin, number):
    problem("not_found", 404, admin.get(f"events/{number}"))


def test_the_document_names_every_status(db):
    described = Api().get("/schema", accept="application/json").json()["paths"]
    for path, statuses in {
        "/api/v1/audit/events": {"200", "400", "401", "403", "405", "406", "429", "500", "503"},
        "/api/v1/audit/events/{event_id}": {"200", "400", "401", "403", "404", "405", "406", "429", "500", "503"},
    }.items():
        assert set(described[path]["get"]["responses"]) == statuses
        assert described[path]["get"]["security"] == [{"apiKey": []}, {"bearerAuth": []}, {"staffSession": []}]
    written = described["/api/v1/audit/events"]["post"]["responses"]
    assert set(written) == {"201", "400", "401", "403", "405", "406", "413", "415", "429", "500", "503"}
    names = {parameter["name"] for parameter in described["/api/v1/audit/events"]["get"]["parameters"]}
    assert {"type", "as", "email", "since", "limit", "cursor"} <= names
