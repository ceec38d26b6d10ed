"""Seals a long trail and verifies it, then seals one that grows by 2,000 events a second."""

import argparse
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - the apps are loaded first
from django.db import connection, connections  # noqa: E402
from django.utils import timezone  # noqa: E402

import audit  # noqa: E402
from audit import canonical, sealing, verification  # noqa: E402
from audit.seals import SealedEvent  # noqa: E402
from gatehouse.client import Client  # noqa: E402

PACE = 2_000  # events a second that sealing keeps up with
MOST_BEHIND = 120.0  # seconds
LEAST_VERIFIED = 50_000  # events a second of one core
BATCHES = 10  # inserts a second
EVERY = 5.0  # seconds between two seals, while the trail grows

FILL = """
INSERT INTO audit_event ({columns})
SELECT {values} FROM audit_event e, generate_series(1, %s) AS serial WHERE e.id = %s
"""


@dataclass(frozen=True)
class Took:
    """How long something took for so many events: by the clock, and of this process' core."""

    events: int
    seconds: float
    core: float

    def told(self, what: str) -> str:
        """Return a line about it."""
        wall, core = self.events / self.seconds, self.events / self.core
        return f"{what:<10} {self.events:>9,} events: {wall:>9,.0f} a second, {core:>9,.0f} a second of a core"


def main() -> int:
    """Measure, print, keep, and tell by the status whether the targets were met."""
    options = _options()
    _fill(options.events)
    sealed = _timed(lambda: sealing.seal().events)
    print(sealed.told("sealed"))
    verified = [_timed(_verify) for _round in range(options.rounds)]
    for took in verified:
        print(took.told("verified"))
    behind = _beside(options.seconds)
    print(f"behind by  {behind:.1f} s at most, with {PACE:,} events a second (at most {MOST_BEHIND:.0f})")
    best = max(took.events / took.core for took in verified)
    met = behind <= MOST_BEHIND and best >= LEAST_VERIFIED and verification.verify().ok
    print("The targets are met." if met else "A target is missed.")
    _keep(options, sealed, verified, behind)
    return 0 if met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench --seals")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=30, help="how long the trail grows")
    parser.add_argument("--rounds", type=int, default=3, help="how often it is verified")
    return parser.parse_known_args()[0]


def _fill(number: int) -> None:
    """Leave *number* events that differ by their ids, as those of a sign-in are."""
    _insert(number, _pattern())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE audit_event")


def _pattern() -> int:
    client = Client(ip="203.0.113.7", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Firefox/142.0")
    what = {"event_type": "SECURITY", "action": "authn_login_success", "resource": "/api/v1/auth/login"}
    details = {"factors": ["password", "email"], "device": "Firefox 142 on Linux"}
    event = audit.record(**what, client=client, user_id="7", email="jane@example.com", details=details)
    return int(event.pk)


def _insert(number: int, pattern: int) -> None:
    names = [connection.ops.quote_name(name) for name in canonical.COLUMNS if name != "id"]
    values = ["statement_timestamp()" if name == '"timestamp"' else f"e.{name}" for name in names]
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(columns=", ".join(names), values=", ".join(values)), [number, pattern])


def _timed(work: Callable[[], int]) -> Took:
    began, core = time.perf_counter(), time.process_time()
    events = work()
    return Took(events, time.perf_counter() - began, time.process_time() - core)


def _verify() -> int:
    report = verification.verify()
    if not report.ok:
        raise SystemExit(f"The trail does not verify: {report.findings[0]}")
    return report.events


def _beside(seconds: float) -> float:
    """Let the trail grow and seal it now and then; return how old, in seconds, an event ever was when it was sealed."""
    pattern, end = _pattern(), time.monotonic() + seconds
    writer = threading.Thread(target=_write, args=(pattern, end))
    writer.start()
    behind = 0.0
    while time.monotonic() < end:
        time.sleep(EVERY)
        oldest = _oldest()
        sealing.seal()
        behind = max(behind, (timezone.now() - oldest).total_seconds())
    writer.join()
    sealing.seal()
    return behind


def _write(pattern: int, end: float) -> None:
    due, written = time.monotonic(), 0
    while time.monotonic() < end:
        _insert(PACE // BATCHES, pattern)
        written += PACE // BATCHES
        due += 1 / BATCHES
        time.sleep(max(0.0, due - time.monotonic()))
    connections.close_all()
    print(f"written    {written:>9,} events")


def _oldest() -> datetime:
    """Return the moment of the oldest event that no seal holds."""
    with connection.cursor() as cursor:
        top = SealedEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        cursor.execute("SELECT timestamp FROM audit_event WHERE id > %s ORDER BY id LIMIT 1", [top])
        row = cursor.fetchone()
    return row[0] if row else timezone.now()


def _keep(options: argparse.Namespace, sealed: Took, verified: list[Took], behind: float) -> None:
    """Write the figures with what they were taken on."""
    now = datetime.now(UTC)
    result = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "arch": platform.machine(), "python": platform.python_version()},
        "load_at_end": [round(load, 2) for load in os.getloadavg()],
        "events": options.events,
        "sealed_a_second": round(sealed.events / sealed.seconds),
        "sealed_a_second_of_a_core": round(sealed.events / sealed.core),
        "verified_a_second": [round(took.events / took.seconds) for took in verified],
        "verified_a_second_of_a_core": [round(took.events / took.core) for took in verified],
        "most_behind_s": round(behind, 1),
    }
    path = Path(settings.VAR_DIR) / f"seals-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1))
    print(f"Kept in {path}.")


if __name__ == "__main__":
    sys.exit(main())
