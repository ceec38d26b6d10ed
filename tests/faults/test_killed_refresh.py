"""L01, E03: a web process killed in the middle of a refresh, or between commit and answer, signs nobody out."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]


def test_l01_e03_a_refresh_that_is_killed_anywhere_is_repeated(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(LOG_LEVEL="ERROR", ALLOWED_HOSTS="testserver", BASE_URL="http://testserver")
    site.migrate()
    env = site.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "DB_POOL": "off"}
    command = [sys.executable, "-m", "tests.faults.killed_refresh"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["statements"] >= 2  # PostgreSQL's UPDATE gives its row back
    assert found["killed_last"]
    assert set(found["told"]) == {200}
    assert site.query("SELECT count(*) FROM sessions_app_session WHERE revoked_at IS NOT NULL") == [(0,)]
