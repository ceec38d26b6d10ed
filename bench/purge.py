"""Cleans up a million sessions that time has ended while requests go on at a steady pace, and compares their p99."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - the apps are loaded first
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench import people, traffic  # noqa: E402
from sessions_app.models import Session  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MOST_P99_RATIO = 1.5

PEOPLE = 50
CONNECTIONS = 8
WARM_UP = 3.0  # seconds

# Every column a session has takes what an old page session would hold; the rows differ by key and by minute.
FILL = """
INSERT INTO sessions_app_session ({columns})
SELECT {values} FROM generate_series(1, %(rows)s) AS serial
"""


@dataclass
class Pace:
    """Requests that are due at a steady pace, whatever became of those before; times in milliseconds."""

    port: int
    requests: list[bytes]
    a_second: int
    took: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)

    def keep(self, going: Callable[[], bool]) -> None:
        """Send while *going* says so. Time runs from when a request was due: one that waits for its turn is slow."""
        started = time.perf_counter()
        threads = [threading.Thread(target=self._one, args=(turn, started, going)) for turn in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, turn: int, started: float, going: Callable[[], bool]) -> None:
        link = traffic.Connection(self.port)
        number = turn
        while going():
            due = started + number / self.a_second
            time.sleep(max(0.0, due - time.perf_counter()))
            answer = link.send(self.requests[number % len(self.requests)])
            if due - started > WARM_UP:
                self.took.append((time.perf_counter() - due) * 1000)
            if answer.status != 200:
                self.wrong.append(answer.status)
            number += CONNECTIONS
        link.close()


def main() -> int:
    """Fill, measure without, measure beside, print, keep, and tell by the status whether the target was met."""
    options = _options()
    members = people.accounts(PEOPLE)
    bearers = people.access_tokens(members)
    requests = [traffic.request("GET", "/api/v1/auth/session", Authorization=f"Bearer {one}") for one in bearers]
    _fill(options.rows, options.marked, [member.pk for member in members])
    port = int(os.environ["PORT"])
    before = _without(port, requests, options)
    beside, seconds, said = _beside(port, requests, options)
    after = _without(port, requests, options)
    without = [*before.took, *after.took]
    left = Session.objects.count()
    wrong = [*before.wrong, *beside.wrong, *after.wrong]
    ratio = _p99(beside.took) / _p99(without)
    print(said.strip())
    print(f"{options.rows} rows in {seconds:.1f} s: {options.rows / seconds:.0f} a second.")
    print(f"{'':<10} {'requests':>8} {'median':>8} {'p95':>8} {'p99':>8} ms")
    for name, took in (("without", without), ("beside", beside.took)):
        print(f"{name:<10} {len(took):>8} {statistics.median(took):>8.1f} {_p95(took):>8.1f} {_p99(took):>8.1f}")
    print(f"p99 beside the clean-up: {ratio:.2f} times (at most {MOST_P99_RATIO}).")
    met = ratio <= MOST_P99_RATIO and left == PEOPLE and not wrong
    if left != PEOPLE or wrong:
        print(f"{left} sessions are left of {PEOPLE} that live; {len(wrong)} answers were not 200.")
    print("The target is met." if met else "The target is missed.")
    _keep(options, ratio, seconds, without, beside.took)
    return 0 if met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench --purge")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--marked", type=float, default=0.5, help="the share whose end the hourly run has marked before"
    )
    parser.add_argument("--pace", type=int, default=50, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60, help="how long without, before and after")
    options, options.cleanup = parser.parse_known_args()  # the rest is the command's: --batch, --rest
    return options


def _fill(rows: int, marked: float, owners: list[object]) -> None:
    """Leave *rows* sessions that ended two months ago; every one of them would have to go."""
    ended = timezone.now() - timedelta(days=60)
    values = {column: "NULL" for column in (one.column for one in Session._meta.concrete_fields)}
    minute = "%(ended)s - serial * interval '1 second'"
    values |= {
        "id": "gen_random_uuid()",
        "user_id": "(%(owners)s)[1 + serial %% %(people)s]",
        "door": "'page'",
        "transport": "'cookie'",
        "keep": "true",
        "ip": "'192.0.2.7'",
        "user_agent": "'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0'",
        "device_name": "'Firefox 142 on Linux'",
        "device_kind": "'desktop'",
        "factors": '\'["password", "email"]\'',
        "created_at": f"{minute} - interval '9 days'",
        "authenticated_at": f"{minute} - interval '9 days'",
        "last_used_at": f"{minute} - interval '7 days'",
        "idle_expires_at": minute,
        "absolute_expires_at": f"{minute} + interval '21 days'",
        "refresh_kid": "''",
        "rotation": "0",
        "revoked_at": f"CASE WHEN serial <= %(marked)s THEN {minute} END",
        "revoked_reason": "CASE WHEN serial <= %(marked)s THEN 'idle' ELSE '' END",
        "revoked_by": "''",
    }
    given = {"rows": rows, "marked": int(rows * marked), "ended": ended, "owners": owners, "people": len(owners)}
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(columns=", ".join(values), values=", ".join(values.values())), given)
        cursor.execute("VACUUM ANALYZE sessions_app_session")


def _without(port: int, requests: list[bytes], options: argparse.Namespace) -> Pace:
    pace = Pace(port, requests, options.pace)
    end = time.perf_counter() + WARM_UP + options.seconds
    pace.keep(lambda: time.perf_counter() < end)
    return pace


def _beside(port: int, requests: list[bytes], options: argparse.Namespace) -> tuple[Pace, float, str]:
    """Keep the pace while the command cleans up; return it, how long that took, and what was said."""
    pace = Pace(port, requests, options.pace)
    started = time.perf_counter()
    command = [sys.executable, "manage.py", "cleanup", "--only", "expired,sessions", *options.cleanup]
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
    pace.keep(lambda: process.poll() is None)
    seconds = time.perf_counter() - started
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the clean-up ended with {process.returncode}")
    return pace, seconds, said


def _p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


def _p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[94]


def _keep(options: argparse.Namespace, ratio: float, seconds: float, without: list[float], beside: list[float]) -> None:
    """Write the figures with what they were taken on."""
    now = datetime.now(UTC)
    result = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "arch": platform.machine(), "python": platform.python_version()},
        "load_at_end": [round(load, 2) for load in os.getloadavg()],
        "workers": os.environ["WEB_WORKERS"],
        "rows": options.rows,
        "marked": options.marked,
        "seconds": round(seconds, 1),
        "p99_ratio": round(ratio, 3),
        "p99_ms": {"without": round(_p99(without), 2), "beside": round(_p99(beside), 2)},
        "median_ms": {
            "without": round(statistics.median(without), 2),
            "beside": round(statistics.median(beside), 2),
        },
    }
    path = Path(settings.VAR_DIR) / f"purge-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1))
    print(f"Kept in {path}.")


if __name__ == "__main__":
    sys.exit(main())
