"""Every field of every endpoint with what does not belong there: refused by name, and nothing written."""

import json
from typing import Any

import pytest
from django.apps import apps

from accounts.models import Mail, User
from tests.factories import EMAIL, PASSWORD, Api, UserFactory, mark, problem, refused_fields

UNTOUCHED = {"audit_event", "gatehouse_counter", "axes_accessattempt"}  # what a refusal may write
CHALLENGE = "019aa000-0000-7000-8000-000000000000"

# endpoint -> every field with a good value; True: must be there
BODIES: dict[str, dict[str, tuple[Any, bool]]] = {
    "/auth/register": {
        "email": ("new@example.com", True),
        "password": (PASSWORD, True),
        "accept_terms": (True, True),
        "display_name": ("Jane", False),
    },
    "/auth/verify-email": {"token": ("x" * 43, True)},
    "/auth/disavow": {"token": ("x" * 43, True)},
    "/auth/verify-email/resend": {"email": (EMAIL, True)},
    "/auth/login": {
        "email": (EMAIL, True),
        "password": ("wrong wrong wrong", True),
        "device_name": ("laptop", False),
        "trust_token": ("x" * 43, False),
    },
    "/auth/otp/send": {"challenge_id": (CHALLENGE, True), "method": ("email", False)},
    "/auth/otp/verify": {
        "challenge_id": (CHALLENGE, True),
        "code": ("123456", True),
        "method": ("email", False),
        "trust_device": (False, False),
    },
    "/auth/refresh": {"refresh_token": ("x.y.z", False)},
    "/auth/logout": {"refresh_token": ("x.y.z", False)},
    "/auth/reauthenticate": {
        "password": ("wrong wrong wrong", True),
        "method": ("totp", False),
        "code": ("123456", False),
    },
    "/sessions/revoke-all": {"include_current": (False, False)},
    "/auth/password/forgot": {"email": (EMAIL, True)},
    "/auth/password/reset": {
        "token": ("x" * 43, True),
        "new_password": ("a long and quiet river", True),
        "method": ("totp", False),
        "code": ("123456", False),
    },
    "/me/email": {"new_email": ("elsewhere@example.org", True)},
    "/me/email/confirm": {"token": ("x" * 43, True)},
    "/me/password": {
        "current_password": ("wrong wrong wrong", True),
        "new_password": ("a long and quiet river", True),
        "revoke_other_sessions": (True, False),
    },
    "/me/factors/totp": {"name": ("My phone", False)},
    f"/me/factors/totp/{CHALLENGE}/confirm": {"code": ("123456", True)},
    "/me/recovery-codes": {},
}
PUBLIC = {"/me/email/confirm"}
SIGNED_IN = {
    "/auth/reauthenticate",
    "/sessions/revoke-all",
    *(path for path in BODIES if path.startswith("/me/")),
} - PUBLIC
FLAGS = {"accept_terms", "trust_device", "include_current", "revoke_other_sessions"}
OPAQUE = {"token", "trust_token", "refresh_token", "challenge_id"}  # any text is just an unknown one
FIELDS = [(path, field) for path, fields in BODIES.items() for field in fields]

WRONG_TYPES: list[Any] = [None, 1, 0, -1, 1.5, [], ["x"], {}, {"a": 1}, [[]], 10**30]
BAD_TEXTS = ["\x00", "a\x00b", "\ud800", "x\udfffy"]
ODD_TEXTS = [
    "\u202eevil", "a\u200bb", "\u2066x\u2069", "\ufeff", "\r\nBcc: x@y.test", "\x1b[31m", "x" * 60_000, "é" * 9_000,
    "' OR '1'='1", "'; DROP TABLE accounts_user; --", "1 UNION SELECT password FROM accounts_user", "admin'/*",
    '"><script>alert(1)</script>', "<img src=x onerror=alert(1)>", "javascript:alert(1)", "{{7*7}}",
    "${7*7}", "<%= 7 %>",
    "../../../../etc/passwd", "..\\..\\windows", "file:///etc/passwd", "%00", "%s%s%s%n", "$(id)", "`id`",
    "| ls", "NULL",
    "undefined", "NaN", "-1", "1e309", "0x0", "true", "[]", "ＡＢＣ", "田中さん", "الحروف", "עברית", "ก็็็็", "Z̸͙͇̫̪",
    "👩‍👩‍👧", "İıſﬁK", "\u2028", "\t", "   ", "CON", "__proto__", "user__password__startswith",
]  # fmt: skip


def good(path: str, **instead: Any) -> dict[str, Any]:
    return {name: value for name, (value, _required) in BODIES[path].items()} | instead


@pytest.fixture
def headers(api: Api, path: str) -> dict[str, str]:
    """What a client sends along that is signed in where *path* asks for it; there is an account either way."""
    UserFactory(email=EMAIL)
    return {"authorization": f"Bearer {api.sign_in()['access_token']}"} if path in SIGNED_IN else {}


def rows() -> dict[str, list[Any]]:
    """Return every row there is, but those that a refusal may write."""
    return {
        model._meta.db_table: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.db_table not in UNTOUCHED
    }


@pytest.mark.one_engine
@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_h12_a_field_of_the_wrong_type_is_named_and_nothing_is_written(
    api: Api, headers: dict[str, str], settings: Any, path: str, field: str
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}
    before = rows()
    for value in [*WRONG_TYPES, "" if field not in ("display_name", "device_name", "name") else None]:
        refused = refused_fields(api.post(path, good(path, **{field: value}), **headers))
        expected = "null" if value is None else "blank" if value == "" and field not in FLAGS else None
        if expected is None and field not in ("method",):
            expected = "invalid"
        assert set(refused) == {f"#/{field}"}, value
        assert expected is None or refused[f"#/{field}"] in (expected, "invalid_choice"), (value, refused)
    assert rows() == before


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_a_field_that_is_not_there_is_named_where_it_must_be(
    api: Api, headers: dict[str, str], path: str, field: str
) -> None:
    body = good(path)
    del body[field]
    answer = api.post(path, body, **headers)
    if BODIES[path][field][1]:
        assert refused_fields(answer) == {f"#/{field}": "required"}
    else:
        assert answer.status_code < 500 and '"required"' not in answer.content.decode()


@pytest.mark.one_engine
@pytest.mark.parametrize("path", BODIES)
def test_an_unknown_field_is_named(api: Api, headers: dict[str, str], path: str) -> None:
    for name in ("is_admin", "id", "__proto__", "", "\x00", "x" * 5000, "Email", "émail"):
        refused = refused_fields(api.post(path, good(path, **{name: 1}), **headers))
        assert list(refused.values()) == ["unknown_field"]
    assert refused_fields(api.post(f"{path}?next=/x", good(path), **headers)) == {"?next": "unknown_field"}


@pytest.mark.parametrize(("path", "field"), [pair for pair in FIELDS if pair[1] not in FLAGS])
def test_h05_h06_h07_no_text_makes_a_fault(
    api: Api, headers: dict[str, str], settings: Any, path: str, field: str
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}
    for text in [*BAD_TEXTS, *ODD_TEXTS]:
        answer = api.post(path, good(path, **{field: text}), **headers)
        assert answer.status_code < 500, (text, answer.content)
        if text in BAD_TEXTS and field not in OPAQUE:
            assert f"#/{field}" in refused_fields(answer), text
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"
            assert answer.json()["code"] != "internal_error"


@pytest.mark.parametrize(
    "text", ["\u202eevil", "a\u200bb", "\u2066x", "line\nbreak", "tab\there", "\x1b[31m", "\ufeffx"]
)
def test_h10_invisible_characters_do_not_get_into_names(api: Api, text: str) -> None:
    assert refused_fields(api.register(display_name=text)) == {"#/display_name": "invalid"}
    assert refused_fields(api.login(device_name=text)) == {"#/device_name": "invalid"}
    assert "#/email" in refused_fields(api.register(f"a{text}b@example.com"))
    assert not User.objects.exists() and not Mail.objects.exists()


@pytest.mark.parametrize("name", [
    "田中 さくら", "Αλέξανδρος", "محمد", "שרה", "Nguyễn Thị", "O'Brien-Smith", "<b>Jane</b>",
                                  "👩‍🚀 Jane", "x" * 100])  # fmt: skip
def test_a_name_in_any_script_comes_back_as_it_was(api: Api, name: str) -> None:
    if "\u200d" in name:
        assert refused_fields(api.register(display_name=name)) == {"#/display_name": "invalid"}
        return
    assert api.register(display_name=name).status_code == 202
    assert User.objects.get().display_name == name


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "email",
    [
        "", "jane", "@example.com", "jane@", "jane@localhost", "jane@example", "a b@example.com", "jane@exa mple.com",
        "jane@@example.com", "jane@example..com", ".jane@example.com", "jane.@example.com", "ja..ne@example.com",
        '"jane"@example.com', "jane(comment)@example.com", "jane@[127.0.0.1]", "jane@127.0.0.1", "jane@-example.com",
        "jane@example.com.", "jane@example.com\nBcc: x@y.test", "Jane <jane@example.com>", "jane@example.com,x@y.test",
        "x" * 65 + "@example.com", "jane@" + "x" * 64 + ".com", "j@" + "x." * 130 + "com", "é" * 40 + "@example.com",
    ],
)  # fmt: skip
def test_h08_what_is_no_address_is_refused(api: Api, email: str) -> None:
    for path in ("/auth/register", "/auth/login", "/auth/verify-email/resend", "/auth/password/forgot"):
        assert set(refused_fields(api.post(path, good(path, email=email)))) == {"#/email"}
    assert not User.objects.exists() and not Mail.objects.exists()


@pytest.mark.parametrize("email", ["o'brien+tag@example.com", "jane@münchen.example", "用户@例子.example", "a@b.co",
                                   "x" * 64 + "@example.com"])  # fmt: skip
def test_h08_what_is_an_address_is_taken(api: Api, email: str) -> None:
    assert api.register(email).status_code == 202
    assert User.objects.get().email == email


@pytest.mark.one_engine
@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ("{", "bad_json", 400),
        ("nonsense", "bad_json", 400),
        ('{"a": 1,}', "bad_json", 400),
        ('{"email": "a@b.co", "email": "c@d.co"}', "bad_json", 400),
        ('{"a": NaN}', "bad_json", 400),
        ('{"a": 1e999}', "bad_json", 400),
        ("[" * 30_000 + "]" * 30_000, "bad_json", 400),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "bad_json", 400),
        (b"\xff\xfe{}", "bad_json", 400),
        (b'{"a": "\xc3\x28"}', "bad_json", 400),
        ("[]", "validation_failed", 400),
        ('"text"', "validation_failed", 400),
        ("null", "validation_failed", 400),
        ("1", "validation_failed", 400),
        (b'{"a": "' + b"x" * 65536 + b'"}', "payload_too_large", 413),
    ],
)
def test_a_body_that_is_no_object_of_json_is_refused(
    api: Api, path: str, body: str | bytes, code: str, status: int
) -> None:
    headers = {}
    if path in SIGNED_IN and status != 413:
        UserFactory(email=EMAIL)
        headers = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    since = mark()
    problem(code, status, api.post(path, body, **headers))
    assert mark() == since


@pytest.mark.one_engine
@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                                  "application/xml", "text/json", ""])  # fmt: skip
def test_h14_another_media_type_is_refused(api: Api, headers: dict[str, str], path: str, kind: str) -> None:
    answer = api.send("POST", path, json.dumps(good(path)), content_type=kind, **headers)
    problem("unsupported_media_type", 415, answer)


@pytest.mark.one_engine
def test_the_verdicts_come_in_their_order(api: Api) -> None:
    """413, 404, 405, 401 and 403, 406, 415, 400: each request has every later fault besides its own."""
    big = "x" * 70_000
    odd = {"content_type": "text/plain", "accept": "text/html"}
    problem("payload_too_large", 413, api.send("PUT", "/nowhere", big, **odd))
    problem("not_found", 404, api.send("PUT", "/nowhere", "{", **odd))
    problem("method_not_allowed", 405, api.send("PUT", "/auth/reauthenticate", "{", **odd))
    problem("not_authenticated", 401, api.send("POST", "/auth/reauthenticate", "{", **odd))
    problem("not_acceptable", 406, api.send("POST", "/auth/login", "{", **odd))
    odd["accept"] = "application/json"
    problem("unsupported_media_type", 415, api.send("POST", "/auth/login", "{", **odd))
    problem("bad_json", 400, api.post("/auth/login", "{"))


@pytest.mark.one_engine
@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_with_those_that_are_allowed(api: Api, path: str, method: str) -> None:
    answer = api.send(method, path)
    problem("method_not_allowed", 405, answer)
    assert answer["Allow"] == "POST"
    overridden = api.send("POST", path, "{", x_http_method_override=method)
    assert overridden.status_code in (400, 401)


@pytest.mark.parametrize("path", ["/me/email/pending", "/me/deletion", "/me/devices", f"/me/devices/{CHALLENGE}"])
def test_a_delete_that_takes_nothing_refuses_a_field(api: Api, path: str) -> None:
    UserFactory(email=EMAIL)
    headers = {"Authorization": f"Bearer {api.sign_in()['access_token']}"}
    assert refused_fields(api.send("DELETE", path, {"reason": "bored"}, **headers)) == {"#/reason": "unknown_field"}
    assert api.send("DELETE", path, **headers).status_code in {204, 404}


def test_the_end_of_a_session_refuses_a_field(api: Api) -> None:
    UserFactory(email=EMAIL)
    body = api.sign_in()
    headers, path = {"Authorization": f"Bearer {body['access_token']}"}, f"/sessions/{body['session']['id']}"
    assert refused_fields(api.send("DELETE", path, {"reason": "bored"}, **headers)) == {"#/reason": "unknown_field"}
    assert api.get("/auth/session", **headers).status_code == 200
    assert api.send("DELETE", path, **headers).status_code == 204
