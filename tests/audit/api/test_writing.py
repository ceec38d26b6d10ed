"""``POST /audit/events``, and reading by keys: what other services may do, and what is refused by its field."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ApiKey
from accounts.roles import Role
from accounts.services import api_keys
from audit.models import Event
from gatehouse import memory
from gatehouse.client import Client
from gatehouse.events import Actor
from tests.factories import Api, mark, problem, refused_fields, trail

pytestmark = [pytest.mark.api, pytest.mark.django_db]

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
UPLOAD = {"event_type": "FILE_ACCESS", "action": "upload", "resource": "media:a.png", "success": True}
DETAILS = {
    "size_bytes": 1024,
    "mime_type": "image/png",
    "duration_ms": 12,
    "bytes_per_second": 85333,
    "sha256": SHA,
    "sha1": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
    "from": "/in/a.png",
    "to": "/out/ä.png",
    "extra": {"tags": ["a", {"b": None}], "n": 1.5},
}
WHO = {"actor": Actor.command("root"), "client": Client.local("test")}


class Service:
    """Another service with a key of its own."""

    def __init__(self, *scopes: str, **given: Any) -> None:
        self.key, self.text = api_keys.create(
            name="Media", scopes=scopes or ("audit.write",), expires_in=timedelta(days=1), **given, **WHO
        )
        self.api = Api()
        self.headers = {"authorization": f"Bearer {self.text}"}

    def post(self, data: Any = UPLOAD, path: str = "/audit/events", **more: Any) -> Any:
        return self.api.post(path, data, **self.headers, **more)

    def get(self, path: str) -> Any:
        return self.api.get(path, **self.headers)


@pytest.fixture
def service(db: None) -> Service:
    return Service()


@pytest.fixture(autouse=True)
def _fresh_memory() -> Any:
    memory.forget_all()
    yield
    memory.forget_all()


def test_a_service_writes_an_event_and_is_its_actor(service: Service) -> None:
    answer = service.post(UPLOAD | {"details": DETAILS})
    assert answer.status_code == 201, answer.content
    row = Event.objects.get(action="upload")
    told = answer.json()
    assert told == {
        "id": row.pk,
        "timestamp": told["timestamp"],
        "event_type": "FILE_ACCESS",
        "action": "upload",
        "user_id": None,
        "actor": {"type": "service", "id": str(service.key.pk), "label": "Media"},
        "email": None,
        "resource": "media:a.png",
        "success": True,
        "failure_reason": None,
        "error_message": None,
        "details": DETAILS,
        "ip_address": "192.0.2.7",
        "user_agent": "curl/8.5",
        "request_id": answer["X-Request-ID"],
        "session_id": None,
    }
    assert (row.details, row.actor_id) == (DETAILS, str(service.key.pk))
    assert told["timestamp"].endswith("Z")


@pytest.mark.parametrize("action", ["upload", "download", "delete", "move", "rename"])
def test_a_failure_has_its_message_and_a_reason(service: Service, action: str) -> None:
    answer = service.post(UPLOAD | {"action": action, "success": False, "error_message": "disk full"})
    told = answer.json()
    assert (answer.status_code, told["action"], told["success"]) == (201, action, False)
    assert (told["failure_reason"], told["error_message"]) == ("error", "disk full")


WRONG: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"event_type": "SECURITY"}, {"#/event_type": "invalid_choice"}),
    ({"event_type": None}, {"#/event_type": "null"}),
    ({"event_type": 7}, {"#/event_type": "invalid"}),
    ({"action": "shred"}, {"#/action": "invalid_choice"}),
    ({"action": ["upload"]}, {"#/action": "invalid"}),
    ({"resource": ""}, {"#/resource": "blank"}),
    ({"resource": "x" * 1001}, {"#/resource": "max_length"}),
    ({"resource": "a\x00b"}, {"#/resource": "invalid"}),
    ({"resource": "a\r\nb"}, {"#/resource": "invalid"}),
    ({"resource": "a\ud800b"}, {"#/resource": "invalid"}),
    ({"success": "true"}, {"#/success": "invalid"}),
    ({"error_message": "x" * 2001}, {"#/error_message": "max_length"}),
    ({"error_message": None}, {"#/error_message": "null"}),
    ({"details": []}, {"#/details": "invalid"}),
    ({"details": None}, {"#/details": "null"}),
    ({"details": {"size": 1}}, {"#/details/size": "unknown_field"}),
    ({"details": {"size_bytes": "1"}}, {"#/details/size_bytes": "invalid"}),
    ({"details": {"size_bytes": True}}, {"#/details/size_bytes": "invalid"}),
    ({"details": {"size_bytes": -1}}, {"#/details/size_bytes": "invalid"}),
    ({"details": {"size_bytes": 2**63}}, {"#/details/size_bytes": "invalid"}),
    ({"details": {"duration_ms": 1.5}}, {"#/details/duration_ms": "invalid"}),
    ({"details": {"bytes_per_second": None}}, {"#/details/bytes_per_second": "null"}),
    ({"details": {"mime_type": "png"}}, {"#/details/mime_type": "invalid"}),
    ({"details": {"mime_type": "image/png\r\nX: y"}}, {"#/details/mime_type": "invalid"}),
    ({"details": {"sha256": SHA.upper()}}, {"#/details/sha256": "invalid"}),
    ({"details": {"sha1": SHA}}, {"#/details/sha1": "invalid"}),
    ({"details": {"from": ["a"]}}, {"#/details/from": "invalid"}),
    ({"details": {"to": "x" * 1001}}, {"#/details/to": "max_length"}),
    ({"details": {"extra": "x"}}, {"#/details/extra": "invalid"}),
    ({"details": {"extra": {"a": ["b\x00"]}}}, {"#/details": "invalid"}),
    ({"details": {"extra": {"a\u202e": 1}}}, {"#/details": "invalid"}),
    ({"details": {"extra": {"a": "x" * 16_400}}}, {"#/details": "max_length"}),
    ({"user_id": "7"}, {"#/user_id": "unknown_field"}),
    ({"actor": {"type": "user"}}, {"#/actor": "unknown_field"}),
    ({"timestamp": "2020-01-01T00:00:00Z"}, {"#/timestamp": "unknown_field"}),
]


@pytest.mark.parametrize(("change", "fields"), WRONG, ids=lambda value: str(value)[:40])
def test_h01_h05_h12_what_does_not_fit_is_refused_by_its_field(
    service: Service, change: dict[str, Any], fields: dict[str, str]
) -> None:
    since = mark()
    assert refused_fields(service.post(UPLOAD | change)) == fields
    assert trail(since) == []


def test_every_wrong_field_is_named_at_once(service: Service) -> None:
    wrong = {"event_type": "FILE_ACCESS", "action": "shred", "success": 1, "details": [], "at": 1}
    assert refused_fields(service.post(wrong)) == {
        "#/resource": "required",
        "#/success": "invalid",
        "#/details": "invalid",
        "#/action": "invalid_choice",
        "#/at": "unknown_field",
    }
    assert refused_fields(service.post({})) == {
        f"#/{name}": "required" for name in ("event_type", "action", "resource", "success")
    }


def test_h04_bodies_that_are_no_object_and_parameters_are_refused(service: Service) -> None:
    problem("bad_json", 400, service.post(b"{"))
    assert refused_fields(service.post(b"[]")) == {"#": "invalid"}
    assert refused_fields(service.post(UPLOAD, path="/audit/events?type=FILE_ACCESS")) == {"?type": "unknown_field"}
    problem("unsupported_media_type", 415, service.post(UPLOAD, content_type="text/plain"))


@pytest.mark.parametrize("text", ["../../etc/passwd", "'; DROP TABLE audit_event; --", "\u001b[31m", "<script>"])
def test_j09_what_was_touched_is_told_as_it_was_or_refused(service: Service, text: str) -> None:
    answer = service.post(UPLOAD | {"resource": text})
    assert answer.status_code == (400 if "\u001b" in text else 201)
    if answer.status_code == 201:
        assert Event.objects.get(pk=answer.json()["id"]).resource == text


def test_i02_a_scope_opens_its_own_part_and_no_other() -> None:
    writer, reader, other = Service("audit.write"), Service("audit.read"), Service("users.read")
    written = writer.post().json()
    assert reader.get(f"/audit/events/{written['id']}").json() == written
    assert [event["id"] for event in reader.get("/audit/events?type=FILE_ACCESS").json()["results"]] == [written["id"]]
    since = mark()
    for answer in (writer.get("/audit/events"), reader.post(), other.get("/audit/events/1"), other.post()):
        problem("permission_denied", 403, answer)
    assert trail(since) == [("authz_fail", "not_permitted")] * 4
    rows = Event.objects.filter(pk__gt=since).order_by("pk")
    assert [row.details["permission"] for row in rows] == ["audit.read", "audit.write", "audit.read", "audit.write"]
    assert {row.actor_type for row in rows} == {"service"}


@pytest.mark.parametrize("path", ["/audit/statistics", "/audit/export"])
def test_no_scope_opens_what_is_for_staff_alone(path: str) -> None:
    service = Service("audit.write", "audit.read", "users.read", "sessions.introspect")
    problem("permission_denied", 403, service.get(path))
    assert service.get("/audit/integrity").status_code == 200  # tells of the trail, and of nobody


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_people_do_not_write_into_the_trail_by_hand(reader: Any, role: Role) -> None:
    somebody = reader(role)
    problem("permission_denied", 403, somebody.api.post("/audit/events", UPLOAD, **somebody.headers))
    problem("not_authenticated", 401, Api().post("/audit/events", UPLOAD))
    assert not Event.objects.filter(event_type="FILE_ACCESS").exists()


PEOPLE = ["/me", "/users/me", "/sessions", "/auth/session", "/me/devices", "/me/activity", "/me/factors"]


@pytest.mark.parametrize("path", PEOPLE)
def test_a_key_opens_nothing_that_is_for_people(path: str) -> None:
    service = Service("audit.write", "audit.read", "users.read", "sessions.introspect")
    answer = service.get(path)
    problem("not_authenticated", 401, answer)
    assert answer["WWW-Authenticate"] == 'Bearer error="not_authenticated"'
    service.key.refresh_from_db()
    assert service.key.last_used_at is None


def test_a_key_that_opens_nothing_is_401_whatever_the_reason(service: Service) -> None:
    api_keys.revoke(public_id=service.key.public_id, reason="leaked", **WHO)
    expired, swapped = Service(), Service()
    ApiKey.objects.filter(pk=expired.key.pk).update(expires_at=timezone.now())
    swapped.headers = {"authorization": f"Bearer {swapped.text[:-1]}"}
    for one in (service, expired, swapped):
        for answer in (one.post(), one.get("/audit/events")):
            problem("not_authenticated", 401, answer)
            assert answer["WWW-Authenticate"] == 'Bearer error="not_authenticated"'
    assert not Event.objects.filter(event_type="FILE_ACCESS").exists()


def test_the_limit_of_a_key_is_its_own_and_told_in_headers() -> None:
    slow, other = Service(limit_per_minute=2), Service()
    answers = [slow.post() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[0]["RateLimit-Policy"] == '"service_key";q=2;w=60, "wide_service_ip";q=6000;w=60'
    assert answers[0]["RateLimit"].startswith('"service_key";r=1;t=')
    problem("rate_limited", 429, answers[2])
    assert 1 <= int(answers[2]["Retry-After"]) <= 60
    answer = other.post()
    assert answer.status_code == 201
    assert answer["RateLimit-Policy"] == '"service_key";q=1200;w=60, "wide_service_ip";q=6000;w=60'


def test_the_wider_limit_is_for_keys_where_they_are_taken_and_for_nothing_else(service: Service) -> None:
    made_up = {"authorization": "Bearer ghk_0123456789"}
    for answer in (
        service.get("/me"),  # for people
        service.get("/nowhere"),
        service.post(path="/auth/login"),  # asks nobody who he is
        Api().get("/audit/events", **made_up),  # no key by its form
        Api().get("/audit/events"),
    ):
        assert '"wide_ip";q=600' in answer["RateLimit-Policy"]
        assert "wide_service_ip" not in answer["RateLimit-Policy"]


def test_h02_a_large_body_is_refused_before_it_is_read(service: Service) -> None:
    problem("payload_too_large", 413, service.post(b'{"resource": "' + b"x" * 70_000 + b'"}'))
