"""Takes in a million accounts to the end, killed once on the way, and tells its pace and the most memory it held."""

import argparse
import csv
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - the apps are loaded first
from django.db import connection  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MOST_MEMORY = 200  # MiB
LOOK_EVERY = 1.0  # seconds
_BORN = datetime(2020, 1, 1, tzinfo=UTC)
_HASH = "$2b$12$" + "abcdefghijklmnopqrstu." + "{:030d}."  # of its kind's shape; nobody's password
_NUMBERS = re.compile(r": ([\d,]+)\. There already: ([\d,]+)\. Lines refused: ([\d,]+)\.")

# How many accounts are just what their line says, and how many there are; one that was imported twice cannot be.
SAME = """
SELECT count(*), (SELECT count(*) FROM accounts_user),
       (SELECT count(*) FROM audit_event WHERE action = 'user_imported')
FROM generate_series(0, %(last)s) AS line JOIN accounts_user ON email_key = 'person' || line || '@example.com'
WHERE password = 'bcrypt$$2b$12$abcdefghijklmnopqrstu.' || lpad(line::text, 30, '0') || '.'
  AND display_name = 'Person ' || line
  AND created_at = timestamptz '2020-01-01 00:00:00+00' + line * interval '1 minute'
"""


@dataclass
class Run:
    """One run of the command: seconds and MiB; ``halfway`` is what it held when half of its time had gone."""

    name: str
    seconds: float
    peak: float
    halfway: float
    taken: int = 0
    present: int = 0
    refused: int = 0

    @property
    def pace(self) -> float:
        """Lines a second."""
        return (self.taken + self.present + self.refused) / self.seconds


def main() -> int:
    """Write the files, run the command over them, print, keep, and tell by the status whether the target was met."""
    parser = argparse.ArgumentParser(prog="script/bench --import")
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        lines, table = Path(folder) / "people.jsonl", Path(folder) / "people.csv"
        _write(rows, lines, table)
        runs = [_run("dry run, JSON lines", str(lines), "--dry-run")]
        _run("killed", str(lines), kill_at=rows // 3)
        left = _accounts()
        runs.append(_run(f"import, after a kill at {left:,}", str(lines)))
        runs.append(_run("dry run, CSV, all there", str(table), "--dry-run"))
    same = _same(rows)
    for run in runs:
        became = f"new {run.taken:,}, there {run.present:,}, refused {run.refused:,}"
        print(f"{run.name}: {became}; {run.seconds:.1f} s, {run.pace:.0f} lines a second;", end=" ")
        print(f"at most {run.peak:.1f} MiB, {run.halfway:.1f} halfway")
    met = same == (rows, rows, rows) and max(run.peak for run in runs) < MOST_MEMORY
    print(f"Accounts that are what their line says: {same[0]:,} of {same[1]:,}, in the trail {same[2]:,}.")
    print("The target is met." if met else "The target is missed.")
    _keep(rows, runs)
    return 0 if met else 1


def _write(rows: int, lines: Path, table: Path) -> None:
    """Write the same people as JSON lines and as CSV."""
    with lines.open("w") as objects, table.open("w", newline="") as cells:
        writer = csv.DictWriter(cells, ["email", "password_hash", "display_name", "email_verified", "created_at"])
        writer.writeheader()
        for person in _people(rows):
            objects.write(json.dumps(person) + "\n")
            writer.writerow(person)


def _people(rows: int) -> Iterator[dict[str, str]]:
    for number in range(rows):
        born = (_BORN + timedelta(minutes=number)).isoformat()
        yield {
            "email": f"person{number}@example.com",
            "password_hash": _HASH.format(number),
            "display_name": f"Person {number}",
            "email_verified": born,
            "created_at": born,
        }


def _run(name: str, *words: str, kill_at: int = 0) -> Run:
    """Run ``accounts import`` to its end, or kill it once there are *kill_at* accounts."""
    held: list[float] = []
    started = time.perf_counter()
    command = [sys.executable, "manage.py", "accounts", "import", *words]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=said)
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            held.append(_held(process.pid))
            if kill_at and _accounts() >= kill_at:
                process.send_signal(signal.SIGKILL)
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - started
        said.seek(0)
        numbers = _NUMBERS.search(said.read())
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (-signal.SIGKILL if kill_at else 0):
        raise RuntimeError(f"the import ended with {process.returncode}")
    counts = [int(number.replace(",", "")) for number in numbers.groups()] if numbers else []
    return Run(name, seconds, used.ru_maxrss / 1024, held[len(held) // 2], *counts)


def _held(pid: int) -> float:
    """Return what a process holds at this moment, in MiB; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _accounts() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_user")
        found = cursor.fetchone()
    return int(found[0]) if found else 0


def _same(rows: int) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user")
        cursor.execute(SAME, {"last": rows - 1})
        return tuple(cursor.fetchone() or ())


def _keep(rows: int, runs: list[Run]) -> None:
    """Write the figures with what they were taken on."""
    now = datetime.now(UTC)
    machine = {"cores": os.cpu_count(), "arch": platform.machine(), "python": platform.python_version()}
    load = [round(one, 2) for one in os.getloadavg()]
    result = {"at": now.isoformat(timespec="seconds"), "machine": machine, "load_at_end": load, "rows": rows}
    result["runs"] = [asdict(run) for run in runs]
    path = Path(settings.VAR_DIR) / f"import-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1))
    print(f"Kept in {path}.")


if __name__ == "__main__":
    sys.exit(main())
