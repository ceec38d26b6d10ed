"""Migrations forwards, backwards and forwards again, on a database of their own that holds rows."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.migration, pytest.mark.every_engine]

ROWS = """
import django; django.setup()
from django.conf import settings
settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
from django.core import mail
mail.outbox = []
from tests.factories import Api, UserFactory
UserFactory(email="jane@example.com")
assert Api().sign_in()["status"] == "authenticated"
"""
TAMPER = """
import django; django.setup()
from django.db import DatabaseError, connection
for sql in ("UPDATE audit_event SET action = 'x'", "DELETE FROM audit_event"):
    try:
        connection.cursor().execute(sql)
    except DatabaseError:
        continue
    raise SystemExit(f"the trail took {sql}")
"""

TO_ZERO = """
import django; django.setup()
from django.core.management import call_command
for app in ("accounts", "audit", "gatehouse"):
    call_command("migrate", app, "zero", verbosity=0)
call_command("migrate", verbosity=0)
"""


@pytest.fixture
def site(make_site: Callable[..., LiveSite]) -> LiveSite:
    site = make_site(BASE_URL="http://testserver", ALLOWED_HOSTS="testserver", LOG_LEVEL="ERROR")
    site.database.create()
    return site


def run(site: LiveSite, script: str) -> None:
    env = site.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "DB_POOL": "off"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def count(site: LiveSite, table: str) -> int:
    return int(site.query(f"SELECT count(*) FROM {table}")[0][0])


def test_l23_forwards_backwards_and_forwards_again(site: LiveSite) -> None:
    site.manage("migrate", "--noinput")
    run(site, ROWS + TAMPER)
    events = site.query("SELECT id, action, user_id FROM audit_event ORDER BY id")
    people = site.query("SELECT id, email_key, password FROM accounts_user")

    site.manage("migrate", "audit", "0001")  # one step: the triggers go, the rows stay
    site.manage("migrate", "sessions_app", "zero")
    assert site.query("SELECT id, email_key, password FROM accounts_user") == people
    site.manage("migrate", "--noinput")
    assert site.query("SELECT id, action, user_id FROM audit_event ORDER BY id") == events
    assert (count(site, "accounts_user"), count(site, "sessions_app_session")) == (1, 0)
    run(site, TAMPER)  # the triggers are back

    run(site, TO_ZERO)
    run(site, ROWS + TAMPER)
    assert (count(site, "accounts_user"), count(site, "sessions_app_session")) == (1, 1)


def test_the_models_and_the_migrations_agree(site: LiveSite) -> None:
    site.manage("makemigrations", "--check", "--dry-run", "accounts", "sessions_app", "audit", "gatehouse")


def test_no_migration_names_a_concrete_user() -> None:
    for app in ("sessions_app", "audit", "gatehouse", "adminpanel"):
        for path in (ROOT / app / "migrations").glob("0*.py"):
            assert "accounts.user" not in path.read_text().lower(), path
