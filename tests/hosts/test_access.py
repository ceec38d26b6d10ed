"""The examples of docs/sessions.md, copied into somebody else's project with ``auth.User`` and run there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "sessions.md").read_text().partition("## Views of your own")[2]
EXAMPLES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", SECTION, re.DOTALL))

REST = """
from pathlib import Path
SECRET_KEY = "a host's own secret key, long enough for a test"
INSTALLED_APPS = [
    "sessions_app", "gatehouse", "rest_framework",
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "host.sqlite3"}}
ROOT_URLCONF = "urls"
SESSION_ENGINE = "sessions_app.store"
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
GATEHOUSE = {"HASH_KEYS": ("h" * 40,), "MAIL_KEYS": ("m" * 40,), "ENCRYPTION_KEYS": ("e" * 40,)}
SESSIONS = {"SIGNING_KEYS": ("0123456789abcdefghijklmnopqrstuvwxyz",)}
"""
URLS = """
from django.urls import path
import views
urlpatterns = [
    path("api/orders", views.OrdersView.as_view()),
    path("api/greeting", views.greeting),
    path("api/invoices", views.invoices),
    path("api/delete", views.delete_everything),
    path("api/front", views.front_page),
]
"""
SCRIPT = """
import django
django.setup()
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone
from gatehouse.client import Client
from sessions_app import services as sessions, tokens
from sessions_app.models import Door, Session, Transport

call_command("migrate", verbosity=0)
user = get_user_model().objects.create(username="jane")
def open_one(door):
    with transaction.atomic():
        here = Client.local("host")
        return sessions.open(user=user, client=here, door=door, transport=Transport.BEARER, factors=["password"])

api, page = open_one(Door.API), open_one(Door.PAGE)
bearer = {"Authorization": f"Bearer {tokens.access_for(api)}"}
browser = Browser(enforce_csrf_checks=True)
store = browser.session
store["sid"] = str(page.pk)
store.save()
browser.cookies["session"] = store.session_key

PATHS = ("orders", "greeting", "invoices", "delete", "front")
def get(client, name, **headers):
    answer = client.get(f"/api/{name}", headers=headers)
    return answer.status_code, answer.json().get("code", "")
def all_of(client, **headers):
    return [get(client, name, **headers) for name in PATHS]

ok, nobody = (200, ""), (401, "not_authenticated")
assert all_of(Browser()) == [nobody, ok, nobody, nobody, ok], all_of(Browser())
assert all_of(Browser(), **bearer) == [ok] * 5, all_of(Browser(), **bearer)
assert all_of(browser) == [ok] * 5, all_of(browser)
assert Browser().get("/api/orders", headers=bearer).json()["user"] == str(user.pk)
assert Browser().get("/api/invoices", headers=bearer).json() == {"user": str(user.pk), "door": "api"}
assert browser.get("/api/invoices").json()["door"] == "page"
for name in ("greeting", "front"):
    assert Browser().get(f"/api/{name}").json() == {"signed_in": False}
    assert browser.get(f"/api/{name}").json() == {"signed_in": True}

bad = (401, "access_invalid")
assert all_of(Browser(), Authorization="Bearer a.b.c") == [bad] * 5
assert Browser(enforce_csrf_checks=True).post("/api/invoices", headers=bearer).status_code == 200
assert browser.post("/api/invoices").json()["code"] == "csrf_failed"
assert Browser(enforce_csrf_checks=True).post("/api/front").json()["code"] == "csrf_failed"

Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=6))
stale = (403, "reauthentication_required")
assert all_of(Browser(), **bearer) == [ok, ok, ok, stale, ok]
assert all_of(browser) == [ok, ok, ok, stale, ok]

user.is_active = False
user.save()
assert {code for _status, code in all_of(Browser(), **bearer)} == {"session_revoked"}
assert all_of(browser) == [nobody, ok, nobody, nobody, ok]
print("every example did what it says")
"""


@pytest.mark.integration
def test_the_examples_run_in_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(REST + EXAMPLES["settings"])
    (tmp_path / "views.py").write_text(EXAMPLES["views"])
    (tmp_path / "urls.py").write_text(URLS)
    env = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    env |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "DJANGO_SETTINGS_MODULE": "settings"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "every example did what it says" in done.stdout
