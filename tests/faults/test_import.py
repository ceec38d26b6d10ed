"""An import killed in its middle, and one of a file with very many lines."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.accounts.foreign_hashes import HASHES
from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

BATCH, PEOPLE = 5, 40
BCRYPT = HASHES["bcrypt-2b"][0]
IMPORT = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
left = [int(sys.argv[1])]
def count(execute, sql, params, many, context):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(sql, params, many, context)
try:
    with connection.execute_wrapper(count):
        call_command("accounts", *sys.argv[2:])
finally:
    with open("/proc/self/status") as status:
        sys.stderr.write(next(line for line in status if line.startswith("VmHWM")))
"""
NEVER = "0"
# accounts, those that left no row in the trail or the other way round, those without their consent
HALVES = """
    SELECT (SELECT count(*) FROM accounts_user),
           (SELECT count(*) FROM accounts_user)
         - (SELECT count(*) FROM audit_event WHERE action = 'user_imported'),
           (SELECT count(*) FROM accounts_user u WHERE NOT EXISTS (
                SELECT 1 FROM accounts_consent c WHERE c.user_id = u.id))"""


@pytest.fixture
def site(make_site: Callable[..., LiveSite]) -> Iterator[LiveSite]:
    """A site that is migrated, with nothing running."""
    made = make_site(LOG_LEVEL="ERROR")
    made.migrate()
    yield made


@pytest.fixture
def people(tmp_path: Path) -> Callable[[int], Path]:
    def write(number: int) -> Path:
        path = tmp_path / "people.jsonl"
        with path.open("w") as file:
            for n in range(number):
                row = {"email": f"person{n}@example.com", "password_hash": BCRYPT, "terms_version": "1"}
                file.write(json.dumps(row) + "\n")
        return path

    return write


def take(site: LiveSite, kill_at: int | str, *words: str, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    env = site.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "DB_POOL": "off"}
    command = [sys.executable, "-c", IMPORT, str(kill_at), "import", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.timeout(300)
def test_l01_an_import_killed_at_any_statement_leaves_whole_batches_and_goes_on(
    site: LiveSite, people: Callable[[int], Path]
) -> None:
    words = (str(people(PEOPLE)), "--batch", str(BATCH))
    for statement in (20, 32):
        assert take(site, statement, *words).returncode == -9
        there, unrecorded, unagreed = site.query(" ".join(HALVES.split()))[0]
        assert (unrecorded, unagreed) == (0, 0)
        assert 0 < there < PEOPLE and there % BATCH == 0
    done = take(site, NEVER, *words)
    assert done.returncode == 0, done.stderr
    assert f"Accounts taken in: {PEOPLE - there}. There already: {there}. Lines refused: 0." in done.stdout
    assert site.query(" ".join(HALVES.split())) == [(PEOPLE, 0, 0)]


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell how much memory it took")
def test_two_hundred_thousand_lines_take_no_more_memory_than_two_hundred(
    site: LiveSite, people: Callable[[int], Path]
) -> None:
    few = peak(take(site, NEVER, str(people(200)), "--dry-run"))
    words = (str(people(200_000)),)
    rehearsed, done, again = (
        take(site, NEVER, *words, *more, timeout=1_700) for more in (("--dry-run",), (), ("--dry-run",))
    )
    assert "would be taken in: 200,000. There already: 0. Lines refused: 0." in rehearsed.stdout
    assert "taken in: 200,000. There already: 0. Lines refused: 0." in done.stdout
    assert "would be taken in: 0. There already: 200,000. Lines refused: 0." in again.stdout
    assert int(site.query("SELECT count(*) FROM accounts_user")[0][0]) == 200_000
    peaks = [peak(one) for one in (rehearsed, done, again)]
    assert max(peaks) < 200, peaks
    assert max(peaks) < few + 60, (few, peaks)


def peak(done: subprocess.CompletedProcess[str]) -> float:
    """Return the most memory that the process held at once, in MiB."""
    assert done.returncode == 0, done.stderr
    found = re.search(r"VmHWM:\s*(\d+) kB", done.stderr)
    assert found, done.stderr
    return int(found[1]) / 1024
