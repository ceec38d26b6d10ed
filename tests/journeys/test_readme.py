"""The journey with curl, exactly as the README shows it, against a running site."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import LiveSite

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_journey_of_the_readme_goes_by_copy_and_paste(make_site: Callable[..., LiveSite]) -> None:
    block = re.search(r"## With curl.*?```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert block
    site = make_site(EMAIL_URL="dev:").start()
    script = "set -eu\n" + block[1].replace("http://127.0.0.1:8000", site.url)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    registered, verified, session, sessions, refreshed = map(json.loads, said[:5])
    assert registered == {"status": "verification_required"}
    assert verified == {"status": "verified"}
    assert session["user"]["email"] == "jane@example.com"
    assert [row["current"] for row in sessions["results"]] == [True]
    assert refreshed["token_type"] == "Bearer"
    assert said[5] == "204"
    assert json.loads(said[6])["code"] == "session_revoked"
