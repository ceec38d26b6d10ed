"""An erasure killed at any of its statements leaves the account whole, and the next run goes on."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine, pytest.mark.timeout(300)]
STRIDE = 4


def test_l01_an_erasure_that_is_killed_is_done_by_the_next_run(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(BASE_URL="http://testserver", ALLOWED_HOSTS="testserver", LOG_LEVEL="ERROR", LIMITS_SCALE="1000")
    site.migrate()
    env = site.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "DB_POOL": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_erasure", str(STRIDE)],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] >= 10, found
    assert found["killed"] - 1 <= found["whole"] <= found["killed"], found
