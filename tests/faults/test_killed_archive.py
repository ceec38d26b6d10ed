"""An archiver killed anywhere loses and doubles nothing, and the next one finishes what it began."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_killed_seal import start
from tests.live import LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]


@pytest.mark.timeout(300)
def test_l01_an_archiver_killed_at_any_step_loses_and_doubles_nothing(
    make_site: Callable[..., LiveSite], tmp_path: Path
) -> None:
    site = make_site(LOG_LEVEL="ERROR", BASE_URL="http://testserver")
    site.database.create()
    site.manage("migrate", "--noinput")
    folder = tmp_path / "archive"
    folder.mkdir(mode=0o700)

    said, complaint = start(site, "-m", "tests.faults.killed_archive", str(folder)).communicate(timeout=280)

    assert said, complaint
    found = json.loads(said)
    assert found["killed"] >= 30
    assert found["removed"] == found["gone"]
