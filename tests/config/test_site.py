"""The site's own paths, and the headers that stand on every answer, errors and static files included."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import get_finders

from gatehouse.problems import PROBLEMS

pytestmark = pytest.mark.django_db

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY = {
    "default-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "object-src 'none'",
}
PATHS = [
    ("/", 302),
    ("/account/login", 200),
    ("/account/signup", 200),
    ("/nothing-here", 404),
    ("/problems/otp_invalid", 200),
    ("/.well-known/security.txt", 200),
    ("/.well-known/nothing", 404),
    ("/static/gatehouse/site.css", 200),
    ("/static/gatehouse/nothing.css", 404),
    ("/health/live", 200),
    ("/api/v1/nothing", 404),
    ("/api/v1/auth/session", 401),
    ("/api/v1/schema", 200),
]


@pytest.mark.parametrize(("path", "status"), PATHS)
def test_g08_every_answer_carries_the_headers(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert {name: answer.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert set(re.split(r";\s*", answer["Content-Security-Policy"].strip("; "))) == POLICY
    for feature in ("camera", "microphone", "geolocation", "payment", "usb"):
        assert f"{feature}=()" in answer["Permissions-Policy"]
    assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert re.fullmatch(r"[\w-]{1,64}", answer["X-Request-ID"])
    answer.close()


@pytest.mark.parametrize("path", ["/account/login", "/nothing-here", "/problems/otp_invalid", "/account/signup"])
def test_g12_pages_hold_no_inline_code(client, path):
    html = client.get(path).text
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)


def test_the_root_leads_to_the_sign_in(client):
    assert client.get("/")["Location"] == "/account/login"


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_code_has_a_page(client, code):
    page = client.get(f"/problems/{code}")
    assert page.status_code == 200
    assert f"<code>{code}</code>" in page.text


def test_another_code_has_none(client):
    assert client.get("/problems/nothing").status_code == 404


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/nothing", "/api/v2/auth/login"])
def test_an_unknown_path_of_the_api_is_a_problem(client, method, path):
    answer = getattr(client, method)(path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == "not_found"


def test_where_a_password_is_changed(client):
    answer = client.get("/.well-known/change-password")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/")


def test_where_to_report_a_weakness(client):
    answer = client.get("/.well-known/security.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:no-reply@example.com"
    assert fields["Canonical"] == "http://testserver/.well-known/security.txt"
    left = datetime.fromisoformat(fields["Expires"]) - datetime.now(tz=UTC)
    assert timedelta(days=30) < left < timedelta(days=365)


@pytest.mark.parametrize("name", ["", "openid-configuration", "jwks.json", "change-password/x", "%2e%2e"])
def test_another_well_known_name_is_plainly_not_found(client, name):
    assert client.get(f"/.well-known/{name}").status_code == 404


def test_v1347_static_files_are_of_the_kinds_that_pages_use(client):
    served = {Path(name).suffix for finder in get_finders() for name, _storage in finder.list(None)}
    fonts, words = {".eot", ".ttf", ".woff", ".woff2"}, {".html", ".md", ".txt", ""}  # of packages, with their licences
    assert served <= {".css", ".js", ".map", ".png", ".svg"} | fonts | words
    for name in ("x.py", "gatehouse/site.py", "../manage.py", "%2e%2e/manage.py", "gatehouse/client.js.bak"):
        assert client.get(f"/static/{name}").status_code == 404


def test_the_description_is_openapi_3_1(client):
    answer = client.get("/api/v1/schema", headers={"accept": "application/json"})
    assert b"openapi: 3.1" in answer.content or json.loads(answer.content)["openapi"].startswith("3.1")


def test_the_page_of_the_description_keeps_scripts_in_files(client):
    answer = client.get("/api/v1/docs")
    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "img-src 'self' data:" in policy
    assert "script-src" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert address.startswith(("/static/", "/api/v1/docs")), address


ORIGIN = "https://app.example.com"


@pytest.fixture
def cors(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def test_a_named_origin_may_read_with_credentials(client, cors):
    answer = client.get("/api/v1/auth/session", headers={"origin": ORIGIN})
    assert answer["Access-Control-Allow-Origin"] == ORIGIN
    assert answer["Access-Control-Allow-Credentials"] == "true"
    exposed = {name.strip().lower() for name in answer["Access-Control-Expose-Headers"].split(",")}
    assert exposed == {"x-request-id", "retry-after", "ratelimit", "ratelimit-policy"}
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test",
        "null",
        "http://app.example.com",
        "https://app.example.com.evil.test",
        "https://evilapp.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com/",
    ],
)
def test_no_other_origin_is_let_in_or_reflected(client, cors, origin):
    for answer in (
        client.get("/api/v1/auth/session", headers={"origin": origin}),
        client.options("/api/v1/auth/login", headers={"origin": origin, "access-control-request-method": "POST"}),
    ):
        assert "Access-Control-Allow-Origin" not in answer


def test_pages_are_for_their_own_origin(client, cors):
    assert "Access-Control-Allow-Origin" not in client.get("/account/login", headers={"origin": ORIGIN})


@pytest.fixture
def https_only(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health(/|$)"]
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True


def test_production_redirects_pages_and_refuses_the_api(https_only, client):
    page = client.get("/account/login")
    assert (page.status_code, page["Location"]) == (301, "https://testserver/account/login")
    api = client.get("/api/v1/auth/session")
    assert api.status_code == 403
    assert json.loads(api.content)["code"] == "permission_denied"
    assert client.get("/health/live").status_code == 200


def test_production_pins_https(https_only, client):
    answer = client.get("/account/login", secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
