"""Measures what the trail costs those who write it: a change with and without its event, and many writers at once."""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - the apps are loaded first
from django.db import connection, connections  # noqa: E402

import audit  # noqa: E402
from accounts.models import User  # noqa: E402
from accounts.services import profile  # noqa: E402
from audit import receivers  # noqa: E402
from audit.conf import load_source  # noqa: E402
from audit.models import Event  # noqa: E402
from bench import figures, people, quiet  # noqa: E402
from gatehouse.client import Client  # noqa: E402
from sessions_app import services as sessions  # noqa: E402
from sessions_app.models import Session  # noqa: E402

WRITERS = 16
CALLS = 100  # of each kind in a round
MOST, LEAST = 1.35, 0.85
CLIENT = Client(ip="203.0.113.7", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Firefox/142.0")
BARE = "bench_bare"  # the table of the trail, with its indexes and without its guard

Change = Callable[[int], None]


def main() -> int:
    """Measure, print, keep, and tell by the status whether the targets were met."""
    options = _options()
    changes = _changes()
    measured = [figures.Measured(f"{name}, with its event", "ms", most=MOST) for name in changes]
    writers = figures.Measured(f"events of {WRITERS} writers at once, against INSERTs", "/s", least=LEAST)
    statement = _bare()
    _record()  # so that the key of the month is there
    for turn in range(options.rounds + 1):
        undisturbed = quiet.wait(options.patience)
        for one, change in zip(measured, changes.values(), strict=True):
            took = _pair(change, turn)
            if turn:  # the first round warms up
                one.add(*took, undisturbed=undisturbed)
        written = _rate(_record, options.seconds), _rate(lambda: _insert(statement), options.seconds)
        if turn:
            writers.add(*written, undisturbed=undisturbed)
    is_met = figures.show([*measured, writers], [])
    print(f"Kept in {figures.keep(Path(settings.VAR_DIR), [*measured, writers], [])}.")
    return 0 if is_met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench --writers")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--patience", type=float, default=10, help="seconds to wait until the machine is idle")
    parser.add_argument("--seconds", type=float, default=3, help="how long the writers write in a round")
    return parser.parse_known_args()[0]


def _changes() -> dict[str, Change]:
    """Return what is changed: a name, and a refresh token for its successor."""
    users: list[User] = people.accounts(CALLS)
    tokens = people.refresh_tokens(users)
    held = list(Session.objects.order_by("pk"))
    owners = {user.pk: user for user in users}

    def name(number: int) -> None:
        session = held[number % CALLS]
        profile.change_name(
            user=owners[session.user_id], session=session, name=f"Jane {time.monotonic_ns()}", client=CLIENT
        )

    def refresh(number: int) -> None:
        tokens[number % CALLS] = sessions.rotate(raw_refresh=tokens[number % CALLS], client=CLIENT).refresh_token

    return {"a name is changed": name, "a token is refreshed": refresh}


def _pair(change: Change, turn: int) -> tuple[float, float]:
    """Return how long one change takes, in milliseconds: with its event, and without; by turns, which one is first."""
    spent = [0.0, 0.0]
    for number in range(2 * CALLS):
        heard = (number + number // CALLS + turn) % 2 == 0
        with _hearing() if heard else _deaf():
            started = time.perf_counter()
            change(number)
            spent[not heard] += time.perf_counter() - started
    return spent[0] / CALLS * 1000, spent[1] / CALLS * 1000


@contextmanager
def _hearing() -> Iterator[None]:
    yield


@contextmanager
def _deaf() -> Iterator[None]:
    """Let nobody write the trail."""
    paths = settings.AUDIT["SOURCES"]
    for path in paths:
        load_source(path).disconnect(dispatch_uid=f"audit:{path}")
    try:
        yield
    finally:
        receivers.subscribe()


def _record() -> None:
    audit.record(
        event_type="SECURITY",
        action="session_renewed",
        client=CLIENT,
        user_id="7",
        email="jane@example.com",
        details={"factors": ["password", "email"], "device": "Firefox 142 on Linux"},
    )


def _bare() -> tuple[str, list[object]]:
    """Make the table without a guard, and return the statement that inserts an event into it."""
    _record()
    names = [field.column for field in Event._meta.concrete_fields if field.column not in {"id", "timestamp"}]
    row = Event.objects.order_by("-pk").values_list(*names)[0]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {BARE}")
        cursor.execute(f"CREATE TABLE {BARE} (LIKE {Event._meta.db_table} INCLUDING ALL)")
    columns, marks = ", ".join(names), ", ".join(["%s"] * len(names))
    return f"INSERT INTO {BARE} ({columns}) VALUES ({marks})", list(row)


def _insert(statement: tuple[str, list[object]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(*statement)


def _rate(write: Callable[[], None], seconds: float) -> float:
    """Return how many rows a second the writers commit together, each in a process of its own."""
    connections.close_all()
    connection.close_pool()  # its threads are no part of a copy of this process
    start = time.monotonic() + 0.5
    counts = [os.pipe() for _writer in range(WRITERS)]
    children = [_writer(write, start, start + seconds, out) for _into, out in counts]
    written = 0
    for (into, out), child in zip(counts, children, strict=True):
        os.close(out)
        with os.fdopen(into) as counted:
            written += int(counted.read())
        os.waitpid(child, 0)
    return written / seconds


def _writer(write: Callable[[], None], start: float, end: float, out: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        write()  # opens the connection
        time.sleep(max(0.0, start - time.monotonic()))
        number = 0
        while time.monotonic() < end:
            write()
            number += 1
        os.write(out, str(number).encode())
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    raise SystemExit(main())
