import json
import logging

import pytest
from django.utils.translation import gettext_lazy, override

from gatehouse.problems import PROBLEMS, FieldError, Problem, ProblemKind, problem_response, validation
from gatehouse.problems.drf import problem_of

CODES = {
    400: "validation_failed bad_json token_invalid token_expired token_used otp_invalid otp_expired",
    401: "not_authenticated access_invalid access_expired invalid_credentials refresh_invalid refresh_reused "
    "session_revoked session_expired",
    403: "permission_denied account_disabled csrf_failed origin_not_allowed reauthentication_required "
    "role_not_allowed self_action_forbidden factor_required",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "challenge_expired",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited account_locked",
    500: "internal_error",
    503: "service_unavailable",
}


def body(response):
    assert response["Content-Type"] == "application/problem+json"
    return json.loads(response.content)


def test_the_table_holds_exactly_the_codes_of_the_contract():
    assert {code: kind.status for code, kind in PROBLEMS.items()} == {
        code: status for status, codes in CODES.items() for code in codes.split()
    }


def test_every_401_says_why_and_nothing_else_does():
    assert all(bool(kind.challenge) == (kind.status == 401) for kind in PROBLEMS.values())


def test_a_problem_has_the_members_of_the_contract(rf):
    response = problem_response(Problem("otp_invalid", attempts_remaining=3), rf.get("/api/v1/x"))
    answer = body(response)
    assert answer.pop("request_id")
    assert answer == {
        "type": "http://testserver/problems/otp_invalid",
        "title": "The code is wrong",
        "status": 400,
        "detail": "Enter the newest code.",
        "code": "otp_invalid",
        "attempts_remaining": 3,
    }


def test_titles_follow_the_language(rf, monkeypatch):
    monkeypatch.setitem(PROBLEMS, "conflict", ProblemKind(409, gettext_lazy("Yes"), gettext_lazy("No")))
    with override("de"):
        answer = body(problem_response(Problem("conflict"), rf.get("/api/v1/x")))
    assert (answer["title"], answer["detail"]) == ("Ja", "Nein")


def test_pointers_tell_bodies_and_queries_apart():
    assert FieldError("a/b", "invalid", "").pointer == "#/a/b"
    assert FieldError("limit", "invalid", "", "query").pointer == "?limit"
    assert FieldError("", "invalid", "").pointer == "#"
    assert validation("password", "password_too_short", "Longer.").errors == (
        FieldError("password", "password_too_short", "Longer."),
    )


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("path", "extra", "status", "code"),
    [
        ("/api/v1/nothing", {}, 404, "not_found"),
        ("/api/v1/strict", {}, 405, "method_not_allowed"),
        ("/api/v1/list", {"HTTP_HOST": "evil.test"}, 400, "validation_failed"),
        ("/api/v1/raise/bug", {}, 500, "internal_error"),
        ("/api/v1/raise/trigger", {}, 500, "internal_error"),
        ("/api/v1/raise/database", {}, 503, "service_unavailable"),
        ("/api/v1/raise/middleware", {}, 503, "service_unavailable"),
        ("/api/v1/raise/denied", {}, 403, "permission_denied"),
        ("/api/v1/raise/suspicious", {}, 400, "validation_failed"),
        ("/api/v1/raise/locked", {}, 429, "account_locked"),
    ],
)
def test_every_error_below_api_is_a_problem_document(site, settings, path, extra, status, code, debug):
    settings.DEBUG = debug
    response = site.get(path, **extra)
    answer = body(response)
    assert (response.status_code, answer["status"], answer["code"]) == (status, status, code)
    assert answer["request_id"] == response["X-Request-ID"]
    assert ("errors" in answer) == (code == "validation_failed")
    assert b"canary" not in response.content


def test_401_carries_a_challenge_and_405_the_methods(site):
    response = site.post("/api/v1/me", {}, content_type="application/json")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer error="not_authenticated"'
    assert "POST" in site.get("/api/v1/strict")["Allow"]


def test_429_and_503_say_when_to_come_again(site):
    assert site.get("/api/v1/raise/limited")["Retry-After"] == "7"
    assert site.get("/api/v1/raise/database")["Retry-After"] == "5"
    assert site.get("/raise/database")["Retry-After"] == "5"


@pytest.mark.django_db
def test_a_missing_csrf_token_is_csrf_failed(site):
    strict = type(site)(enforce_csrf_checks=True)
    assert body(strict.post("/api/v1/form"))["code"] == "csrf_failed"
    assert strict.post("/form").status_code == 403


@pytest.mark.parametrize(
    ("fault", "status"),
    [("locked", 429), ("disabled", 403), ("gone", 410), ("database", 503), ("bug", 500), ("denied", 403)],
)
def test_a_page_answers_with_a_page(site, fault, status):
    response = site.get(f"/raise/{fault}")
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    assert response["X-Request-ID"] in response.content.decode()


@pytest.mark.parametrize("path", ["/raise/middleware", "/raise/database"])
def test_an_outage_is_503_on_pages_wherever_it_strikes(site, path):
    response = site.get(path)
    assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    ("fault", "status"), [("locked", 429), ("limited", 429), ("disabled", 403), ("gone", 410), ("bug", 500)]
)
def test_the_projects_own_error_pages_render(site, settings, fault, status):
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [settings.BASE_DIR / "templates"],
            "APP_DIRS": True,
        }
    ]
    response = site.get(f"/raise/{fault}")
    page = response.content.decode()
    assert response.status_code == status
    assert "gatehouse/site.css" in page
    assert response["X-Request-ID"] in page


def test_a_page_of_errors_that_fails_itself_is_replaced(site, settings, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("canary")

    monkeypatch.setattr("gatehouse.problems.answers.loader.render_to_string", broken)
    response = site.get("/raise/locked")
    assert (response.status_code, response["Retry-After"]) == (429, "120")
    assert b"canary" not in response.content


def test_a_fault_is_logged_once_with_its_request_id(site, caplog):
    with caplog.at_level(logging.ERROR, logger="django.request"):
        site.get("/api/v1/raise/bug", HTTP_X_REQUEST_ID="wanted-1")
    assert [record.exc_info is not None for record in caplog.records if record.levelno >= logging.ERROR] == [True]


def test_a_fault_of_ours_is_no_problem():
    assert problem_of(RuntimeError()) is None
