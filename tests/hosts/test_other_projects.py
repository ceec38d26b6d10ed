"""Somebody else's Django project with some of the apps: a process of its own, with settings of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """
import sys, tempfile
from pathlib import Path
import django
from django.conf import settings

APPS, USER, SOURCES = {apps!r}, {user!r}, {sources!r}
settings.configure(
    SECRET_KEY="a host's own secret key, long enough for a test",
    INSTALLED_APPS=[*APPS, "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    AUTH_USER_MODEL=USER,
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": Path(sys.argv[1]) / "host.sqlite3"}}}},
    CACHES={{"default": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}},
    ROOT_URLCONF="sessions_app.api.urls",
    USE_TZ=True,
    GATEHOUSE={{"HASH_KEYS": ("h" * 40,), "MAIL_KEYS": ("m" * 40,), "ENCRYPTION_KEYS": ("e" * 40,)}},
    SESSIONS={{"SIGNING_KEYS": ("0123456789abcdefghijklmnopqrstuvwxyz",)}},
    AUDIT={{"SOURCES": SOURCES, "KEYS": ("a" * 40,)}},
    AXES_VERBOSE=False,
)
django.setup()
from django.core.management import call_command
from django.contrib.auth import get_user_model
from django.db import transaction
from gatehouse.client import Client
from sessions_app import services as sessions, tokens
from sessions_app.models import Door, Transport

call_command("check", "--fail-level", "ERROR")
call_command("migrate", verbosity=0)
user = {make}
with transaction.atomic():
    session = sessions.open(
        user=user, client=Client.local("host"), door=Door.API, transport=Transport.BEARER, factors=["password"]
    )
claims = tokens.read_access(tokens.access_for(session))
assert claims.sub == str(user.pk) and claims.sid == session.pk
print("installed:", *sorted(app.label for app in django.apps.apps.get_app_configs()))
{after}
"""


def run(folder: Path, **project: object) -> str:
    source = PROJECT.format(**project)
    env = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", source, str(folder)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
def test_sessions_and_the_trail_serve_any_user_model(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        apps=["sessions_app", "audit", "gatehouse"],
        user="auth.User",
        sources=("sessions_app.signals.security_event",),
        make='get_user_model().objects.create(username="jane")',
        after=(
            'call_command("keys", "generate", "--algorithm", "EdDSA", "--activate")\n'
            "assert tokens.read_access(tokens.access_for(session)).sid == session.pk\n"
            'call_command("cleanup", "--batch", "1")\n'
            'call_command("sessions", "list", "--user", "1")\n'
            'call_command("sessions", "revoke", "--user", "1", "--reason", "a test")\n'
            "from audit import queries\nprint(*[(e.action, e.user_id) for e in queries.events()])"
        ),
    )
    assert "('sys_signing_key_activated', None)" in said
    assert "('session_created', '1')" in said and "('session_revoked', '1')" in said
    assert "sessions: 0 removed" in said and "Sessions ended: 1." in said
    assert "accounts" not in said


@pytest.mark.integration
def test_accounts_run_without_the_trail_and_the_staff_area(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        apps=["accounts", "sessions_app", "gatehouse", "axes"],
        user="accounts.User",
        sources=(),
        make='get_user_model().objects.create(email="jane@example.com", status="active", is_active=True)',
        after=(
            "from accounts.services import registration\n"
            'registration.register(email="joe@example.com", password="correct horse battery staple",'
            ' accept_terms=True, client=Client.local("host"))\n'
            "print(get_user_model().objects.count(), 'accounts')\n"
            'call_command("cleanup")'
        ),
    )
    assert "2 accounts" in said and "unverified: 0 removed" in said
    assert "audit" not in said and "adminpanel" not in said
