"""A sealer killed anywhere leaves a trail that verifies, goes on and is counted once; two at once make one chain."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

FILL = """
import django; django.setup()
import audit
from gatehouse.client import Client
who = Client.local("fill")
for number in range(400):
    audit.record(event_type="SYSTEM", action="sys_test", client=who, resource=str(number))
"""


@pytest.fixture
def site(make_site: Callable[..., LiveSite]) -> LiveSite:
    site = make_site(LOG_LEVEL="ERROR", BASE_URL="http://testserver")
    site.migrate()
    return site


def start(site: LiveSite, *words: str) -> "subprocess.Popen[str]":
    env = site.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "DB_POOL": "off"}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.timeout(300)
def test_l01_a_sealer_killed_at_any_statement_loses_and_doubles_nothing(site: LiveSite) -> None:
    said, complaint = start(site, "-m", "tests.faults.killed_seal").communicate(timeout=280)
    assert said, complaint
    found = json.loads(said)
    assert found["ok"]
    assert found["killed"] >= 12
    assert found["events"] == 3 * (found["killed"] + 1)


@pytest.mark.timeout(300)
def test_l05_sealers_in_processes_of_their_own_make_one_chain(site: LiveSite) -> None:
    said, complaint = start(site, "-c", FILL).communicate(timeout=120)
    assert not said, complaint
    sealers = [start(site, "manage.py", "audit", "seal") for _ in range(3)]
    ends = [(sealer.communicate(timeout=120), sealer.returncode) for sealer in sealers]
    assert {status for _, status in ends} <= {0, 75}, ends
    assert site.query("SELECT count(*) FROM audit_sealedevent") == [(400,)]
    assert "nothing is wrong" in site.manage("audit", "verify").stdout
