"""A production start: every fault at once, each by the name of its variable; none where all is well."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from config import caches, keys, refusals
from config.env import Environment

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "ENVIRONMENT": "production",
    **{name: secrets.token_hex(32) for name in keys.RINGS},
    "DATABASE_URL": "postgresql://gate:pw@127.0.0.1:1/gate",
    "EMAIL_URL": "smtp+tls://user:pw@mail.example.org:587",
    "EMAIL_FROM": "Gate <no-reply@gate.test>",
    "BASE_URL": "https://id.gate.test",
    "TRUSTED_PROXIES": "1",
    "AUDIT_CHECKPOINTS": "mail:auditor@example.org",
}


def faults(**env):
    return [fault.name for fault in refusals.faults(Environment(GOOD | env))]


def start(*words, **env):
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}} | {"ENV_FILE": ""}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=clean | env, capture_output=True, text=True, timeout=60, check=False
    )


def test_nothing_is_wrong_with_a_whole_set():
    assert faults() == []


@pytest.mark.parametrize("name", keys.RINGS)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "short",
        "x" * 31,
        "a" * 64,
        "change-me-change-me-change-me-change-me",
        "django-insecure-8f7d6a5s4d3f2g1h0j9k8l7z6x5c4v3b",
        "your-super-secret-jwt-key-of-32-bytes-or-more",
        "ü" * 15,
    ],
)
def test_a_missing_or_weak_secret(name, value):
    assert faults(**{name: value}) == [name]


@pytest.mark.parametrize("name", [name for name in keys.RINGS if name != "SECRET_KEY"])
def test_every_key_of_a_ring_is_looked_at(name):
    assert faults(**{name: f"{secrets.token_hex(32)},weak"}) == [name]


def test_an_old_secret_key_is_looked_at():
    assert faults(SECRET_KEY_FALLBACKS="weak") == ["SECRET_KEY_FALLBACKS"]


def test_one_key_for_two_purposes():
    assert faults(JWT_SECRET=GOOD["MAIL_KEY"]) == ["JWT_SECRET", "MAIL_KEY"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "sqlite:///var/gate.sqlite3"),
        ("DATABASE_URL", "oracle://db/gate"),
        ("EMAIL_URL", ""),
        ("EMAIL_URL", "console:"),
        ("EMAIL_URL", "dev:"),
        ("EMAIL_URL", "file:var/out"),
        ("EMAIL_URL", "mail.example"),
        ("EMAIL_FROM", ""),
        ("EMAIL_FROM", "Gate <no-reply@localhost>"),
        ("DEBUG", "true"),
        ("DEBUG", "perhaps"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "id.gate.test,*.gate.test"),
        ("ALLOWED_HOSTS", ".gate.test"),
        ("BASE_URL", ""),
        ("BASE_URL", "http://id.gate.test"),
        ("BASE_URL", "https://"),
        ("FRONTEND_URL", "http://app.gate.test"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*.gate.test"),
        ("CORS_ORIGINS", "https://app.gate.test,http://app.gate.test"),
        ("CORS_ORIGINS", "https://app.gate.test/"),
        ("CORS_ORIGINS", "null"),
        ("ADMIN_PATH", "/"),
        ("ADMIN_PATH", "api/staff/"),
        ("LIMITS_SCALE", "10"),
        ("LIMITS_SCALE", "0.5"),
        ("REDIS_URL", "http://redis"),
        ("SESSION_CACHE", "true"),
        ("PORT", "eighty"),
        ("OTP_TTL", "soon"),
    ],
)
def test_each_fault_by_its_name(name, value):
    assert faults(**{name: value}) == [name]


def test_sendgrid_stands_for_the_mail_server():
    assert faults(EMAIL_URL="", SENDGRID_API_KEY="SG.abc") == []


def test_no_fault_repeats_a_value():
    env = GOOD | {name: "hunter2-hunter2" for name in keys.RINGS} | {"BASE_URL": "http://hunter2"}
    assert not any("hunter2" in str(fault) for fault in refusals.faults(Environment(env)))


def test_a_redis_that_does_not_answer_is_a_word_and_no_fault():
    env = Environment(GOOD | {"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert refusals.faults(env) == []
    assert [warning.name for warning in refusals.warnings(env)] == ["REDIS_URL"]
    assert refusals.warnings(Environment(GOOD)) == []


def test_sessions_are_cached_where_there_is_a_redis_and_somebody_wants_it():
    url = "redis://127.0.0.1:6379/0"
    both = Environment(GOOD | {"REDIS_URL": url, "SESSION_CACHE": "true"})
    assert refusals.faults(both) == []
    assert caches.session_cache(both) == url
    assert caches.session_cache(Environment(GOOD | {"REDIS_URL": url})) == ""


def test_no_proxy_in_front_is_a_word_and_no_fault():
    env = Environment(GOOD | {"TRUSTED_PROXIES": ""})
    assert refusals.faults(env) == []
    assert [warning.name for warning in refusals.warnings(env)] == ["TRUSTED_PROXIES"]


EXPECTED = {
    "AUDIT_KEY", "BASE_URL", "CORS_ORIGINS", "DATABASE_URL", "DEBUG", "EMAIL_FROM", "EMAIL_URL", "ENCRYPTION_KEY",
    "JWT_SECRET", "LIMITS_SCALE", "MAIL_KEY", "SECRET_KEY",
}  # fmt: skip
WRONG = {"ENVIRONMENT": "production", "DEBUG": "1", "CORS_ORIGINS": "*", "LIMITS_SCALE": "5", "SECRET_KEY": "changeme"}


@pytest.mark.parametrize(
    "words",
    [
        ["manage.py", "check", "--deploy"],
        ["manage.py", "migrate"],
        ["-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi"],
        ["script/serve.py"],
    ],
    ids=lambda words: words[-1],
)
def test_every_way_to_start_lists_them_all_and_nothing_else(words):
    done = start(*words, **WRONG)
    assert done.returncode == 1
    assert "12 settings are missing or unsafe" in done.stderr
    named = {line.split()[0] for line in done.stderr.splitlines() if line.startswith("  ")}
    assert named == EXPECTED
    assert "Traceback" not in done.stderr + done.stdout
    assert "changeme" not in done.stderr + done.stdout


def test_a_good_production_start_passes_its_own_check():
    done = start("manage.py", "check", "--deploy", "--fail-level", "WARNING", **GOOD)
    assert done.returncode == 0, done.stderr


def test_the_same_faults_show_under_check_deploy_in_development(tmp_path):
    done = start("manage.py", "check", "--deploy", VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    for name in ("DATABASE_URL", "EMAIL_URL", "BASE_URL", "SECRET_KEY"):
        assert f"(config.E001) {name} is not set" in done.stderr


_ASK = """
import json
from config import env
env.prepare()
from django.conf import settings
names = '''SECURE_SSL_REDIRECT SECURE_HSTS_SECONDS SECURE_HSTS_INCLUDE_SUBDOMAINS
    SESSION_COOKIE_SECURE SESSION_COOKIE_NAME
    CSRF_COOKIE_SECURE CSRF_COOKIE_NAME CSRF_COOKIE_HTTPONLY ALLOWED_HOSTS DEVELOPMENT_MAILBOX DEBUG'''.split()
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def test_what_production_turns_on():
    assert json.loads(start("-c", _ASK, **GOOD).stdout) == {
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session",
        "CSRF_COOKIE_SECURE": True,
        "CSRF_COOKIE_NAME": "__Host-csrf",
        "CSRF_COOKIE_HTTPONLY": True,
        "ALLOWED_HOSTS": ["id.gate.test"],
        "DEVELOPMENT_MAILBOX": "",
        "DEBUG": False,
    }


def test_development_needs_no_variable(tmp_path):
    done = start("-c", _ASK, VAR_DIR=str(tmp_path), DATABASE_URL=f"sqlite:///{tmp_path}/gate.sqlite3")
    assert done.returncode == 0, done.stderr
    assert '"SESSION_COOKIE_NAME": "session"' in done.stdout


def test_an_unknown_environment_is_refused_by_name(tmp_path):
    done = start("manage.py", "check", ENVIRONMENT="staging", VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "ENVIRONMENT  must be development or production." in done.stderr
