"""Takes the samples in turn, prints the ratios, and keeps them under var/bench/."""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - the apps are loaded first

from accounts.models import User  # noqa: E402
from bench import figures, people, quiet, statements, traffic  # noqa: E402
from bench.figures import Measured  # noqa: E402
from bench.traffic import Connection, Sender  # noqa: E402
from bench.views import PASSWORD  # noqa: E402

SESSIONS = 20
CONNECTIONS = 4
REQUESTS_A_SAMPLE = 240  # short samples taken in turn: what else the machine does meets both alike
REFRESHES_A_SAMPLE = 80
SIGN_INS_A_SAMPLE = 3

Side = Callable[[list[Connection]], list[Sender]]  # from the connections of a round, one sender each


def main() -> int:
    """Measure, print, keep, and tell by the status whether the targets were met."""
    options = _options()
    options.rounds = max(2, options.rounds)  # a spread takes two
    port, cached = int(os.environ["PORT"]), int(os.environ.get("CACHED_PORT", "0"))
    people_needed = SESSIONS + (options.rounds + 1) * SIGN_INS_A_SAMPLE + 2
    members = people.accounts(people_needed)
    counted = statements.count(members[-2:])
    session, one_query = _session_side(members[:SESSIONS]), _one_query_side(members[:SESSIONS])
    measured = [_rates(Measured("GET /auth/session / one query", "1/s", least=1.0), port, session, one_query, options)]
    if cached:
        with_redis = Measured("GET /auth/session with Redis / one query", "1/s", least=1.1)
        measured.append(_rates(with_redis, cached, session, one_query, options))
    refreshes = Measured("POST /auth/refresh / simplejwt's with its blacklist", "1/s", least=2.0)
    ours, theirs = _refresh_sides(members[:CONNECTIONS])
    measured.append(_rates(refreshes, port, ours, theirs, options, number=REFRESHES_A_SAMPLE))
    nothing = _fixed([traffic.request("GET", "/bench/nothing")])
    measured.append(_rates(Measured("an empty view / one query", "1/s"), port, nothing, one_query, options))
    measured.append(_password_times(port, members[SESSIONS:-2], options))
    met = figures.show(measured, counted)
    if not cached:
        print("No Redis could be had, so the session with Redis was not measured.")
    print("Every target is met." if met and cached else "A target is missed.")
    print(f"Kept in {figures.keep(Path(settings.VAR_DIR), measured, counted)}.")
    return 0 if met and cached else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench")
    parser.add_argument("--rounds", type=int, default=40, help="how often each sample is taken")
    parser.add_argument(
        "--patience", type=float, default=10, help="seconds to wait before a round until the machine is idle"
    )
    return parser.parse_args()


def _session_side(members: list[User]) -> Side:
    bearers = people.access_tokens(members)
    path = "/api/v1/auth/session"
    return _fixed([traffic.request("GET", path, Authorization=f"Bearer {bearer}") for bearer in bearers])


def _one_query_side(members: list[User]) -> Side:
    return _fixed([traffic.request("GET", f"/bench/one-query?user={member.pk}") for member in members])


def _refresh_sides(members: list[User]) -> tuple[Side, Side]:
    """Return our refresh and theirs; each connection exchanges the tokens of one sign-in."""
    ours = [traffic.Refresher("/api/v1/auth/refresh", "refresh_token", raw) for raw in people.refresh_tokens(members)]
    theirs = [traffic.Refresher("/bench/simplejwt/refresh", "refresh", raw) for raw in people.simplejwt_tokens(members)]

    def side(refreshers: list[traffic.Refresher]) -> Side:
        return lambda links: [one.over(link) for one, link in zip(refreshers, links, strict=True)]

    return side(ours), side(theirs)


def _fixed(requests: list[bytes]) -> Side:
    return lambda links: [traffic.cycle(link, requests, offset) for offset, link in enumerate(links)]


def _rates(
    measured: Measured,
    port: int,
    thing: Side,
    yardstick: Side,
    options: argparse.Namespace,
    number: int = REQUESTS_A_SAMPLE,
) -> Measured:
    """How many a second each side of a server answers."""
    for turn in range(options.rounds + 1):
        undisturbed = quiet.wait(options.patience)
        # both sides of a round go over the same connections: which worker has how many of them is chance
        links = [Connection(port) for _ in range(CONNECTIONS)]
        rates = {side: traffic.rate(side(links), number=number) for side in _in_turn(thing, yardstick, turn)}
        for link in links:
            link.close()
        if turn:  # the first round warms up
            measured.add(rates[thing], rates[yardstick], undisturbed=undisturbed)
    return measured


def _in_turn(one: Side, other: Side, turn: int) -> list[Side]:
    return [one, other] if turn % 2 else [other, one]


def _password_times(port: int, members: list[User], options: argparse.Namespace) -> Measured:
    """How many milliseconds: the password step at the client, against the bare verification inside a worker."""
    measured = Measured("the password step / one Argon2id (time)", "ms", most=1.3)
    link, bare = Connection(port), traffic.request("GET", "/bench/argon2")
    for turn in range(options.rounds + 1):
        undisturbed = quiet.wait(options.patience)
        thing, yardstick = [], []
        for member in members[turn * SIGN_INS_A_SAMPLE : (turn + 1) * SIGN_INS_A_SAMPLE]:
            body = json.dumps({"email": member.email, "password": PASSWORD}).encode()
            sign_in = traffic.request("POST", "/api/v1/auth/login", body=body)
            started = time.perf_counter()
            answer = link.send(sign_in)
            thing.append((time.perf_counter() - started) * 1000)
            if answer.status != 200 or b"otp_required" not in answer.body:
                raise RuntimeError(f"a sign-in was answered by {answer.status}")
            yardstick.append(json.loads(link.send(bare).body)["ms"])
        if turn:
            measured.add(statistics.median(thing), statistics.median(yardstick), undisturbed=undisturbed)
    link.close()
    return measured


if __name__ == "__main__":
    sys.exit(main())
