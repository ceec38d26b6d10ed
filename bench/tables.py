"""Compares tables that grow to millions of sessions with tables that stay at ten thousand, asked in turn."""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - the apps are loaded first

from bench import filling, plans, quiet, schemas  # noqa: E402
from bench.asked import A_ROUND, Asked  # noqa: E402

MOST_GROWTH = 1.3
ENOUGH = 8  # undisturbed rounds that count alone
EXPLAINED = 50  # calls of each kind whose plans and pages are looked at


@dataclass
class Compared:
    """One kind of call at one size, and the same on the tables that stay small, round by round."""

    name: str
    rows: int
    thing: list[list[float]] = field(default_factory=list)
    yardstick: list[list[float]] = field(default_factory=list)
    quiet: list[bool] = field(default_factory=list)  # whether the round began on an idle machine
    seen: plans.Explained = field(default_factory=plans.Explained)

    @property
    def rounds(self) -> list[tuple[list[float], list[float]]]:
        """The rounds that count: those that others disturbed are left out where enough are left."""
        every = list(zip(self.thing, self.yardstick, strict=True))
        undisturbed = [one for one, quiet in zip(every, self.quiet, strict=True) if quiet]
        return undisturbed if len(undisturbed) >= ENOUGH else every

    @property
    def growths(self) -> list[float]:
        """How much greater the p99 of each round is than that of the small tables in the same round."""
        return [p99(thing) / p99(yardstick) for thing, yardstick in self.rounds]

    @property
    def growth(self) -> float:
        """The median of these: one hiccup of the machine spoils one round, where it would decide a p99 of them all."""
        return statistics.median(self.growths)

    @property
    def usual_growth(self) -> float:
        """How much greater the median of a round is: what the tables cost the call that nothing disturbed."""
        return statistics.median(statistics.median(thing) / statistics.median(yard) for thing, yard in self.rounds)

    def row(self) -> str:
        """One line of the table."""
        every = [took for thing, _ in self.rounds for took in thing]
        here, small = (statistics.median(p99(side[at]) for side in self.rounds) for at in (0, 1))
        lower, _, upper = statistics.quantiles(self.growths, n=4)
        middle, p95 = statistics.median(every), statistics.quantiles(every, n=100)[94]
        calls = EXPLAINED
        return (
            f"{self.name:<9} {self.rows:>9,} {middle:>7.2f} {p95:>7.2f} {here:>7.2f} {small:>7.2f} {self.growth:>6.2f}"
            f"  {f'{lower:.2f} to {upper:.2f}':<13} {self.usual_growth:>6.2f}"
            f" {self.seen.total('hit') / calls:>6.1f} {self.seen.total('read') / calls:>5.1f}"
            f" {self.seen.total('wal') / calls / 1024:>6.1f}"
        )


HEAD = (
    f"{'':<9} {'rows':>9} {'median':>7} {'p95':>7} {'p99':>7} {'small':>7} {'growth':>6}"
    f"  {'middle half':<13} {'usual':>6} {'hit':>6} {'read':>5} {'KB log':>6}"
)


def main() -> int:
    """Fill, measure, print, keep, and tell by the status whether the targets were met."""
    options = _options()
    refusal = filling.lacks_room(max(options.sizes))
    if refusal:
        print(refusal)
        return 1
    small, grown = (
        schemas.Copy.make(name, without=options.without, fillfactor=options.fillfactor)
        for name in ("bench_small", "bench_grown")
    )
    try:
        return _report(options, measure(small, grown, options))
    finally:
        small.drop()
        grown.drop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench --tables", description=__doc__)
    parser.add_argument(
        "--sizes", default="10000,1000000,5000000", help="session rows, growing; the first is the yardstick"
    )
    parser.add_argument("--rounds", type=int, default=20, help="how often each size is asked")
    parser.add_argument(
        "--patience", type=float, default=1, help="seconds to wait before a round until the machine is idle"
    )
    parser.add_argument("--without", nargs="*", default=[], help="indexes to leave out, to see what they cost")
    parser.add_argument("--fillfactor", type=int, default=100, help="of the sessions, to see what it gives")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    if options.sizes != sorted(set(options.sizes)) or options.rounds < 2:
        parser.error("sizes grow, and a spread takes two rounds")
    return options


def measure(small: schemas.Copy, grown: schemas.Copy, options: argparse.Namespace) -> list[Compared]:
    """Grow one copy from size to size; at each, ask both in turn."""
    filling.grow(small, options.sizes[0])
    measured = []
    for size in options.sizes:
        started = time.perf_counter()
        filling.grow(grown, size)
        small.sweep()
        grown.sweep()
        schemas.checkpoint()
        filled = time.perf_counter() - started
        print(f"{size:,} rows, {grown.size() / 1e9:.2f} GB, after {filled:.0f} s.", flush=True)
        measured += compare(Asked.draw(grown, options.rounds + 2), Asked.draw(small, options.rounds + 2), size, options)
    return measured


def compare(thing: Asked, yardstick: Asked, size: int, options: argparse.Namespace) -> list[Compared]:
    """Ask both copies in turn, the one that goes first in turn as well; then have the statements explained."""
    measured = {name: Compared(name, size) for name in A_ROUND}
    before = thing.copy.updates()
    for turn in range(options.rounds + 1):
        undisturbed = quiet.wait(options.patience)
        order = [thing, yardstick] if turn % 2 else [yardstick, thing]
        took = {id(side): side.round() for side in order}
        if turn:  # the first round warms up
            for name, compared in measured.items():
                compared.thing.append(took[id(thing)][name])
                compared.yardstick.append(took[id(yardstick)][name])
                compared.quiet.append(undisturbed)
    updates, hot = (late - early for late, early in zip(thing.copy.updates(), before, strict=True))
    print(f"  {updates} rotations left as many dead rows; {hot} of them touched no index (HOT).", flush=True)
    thing.copy.use()
    for name, call in thing.calls.items():
        measured[name].seen = plans.explained([call] * EXPLAINED)
    return list(measured.values())


def p99(took: list[float]) -> float:
    """Return what one call in a hundred took at least."""
    return statistics.quantiles(took, n=100)[98]


def _report(options: argparse.Namespace, measured: list[Compared]) -> int:
    first, last = options.sizes[0], options.sizes[-1]
    print(HEAD)
    for name in A_ROUND:
        for compared in measured:
            if compared.name == name:
                print(compared.row())
    print(f"Milliseconds; growth: the p99 of a round against that of {first:,} rows in the same round, median.")
    print("usual: the same of the medians of the rounds.")
    print(f"hit, read, KB log: pages of the server's memory, pages from elsewhere and log of one call, of {EXPLAINED}.")
    quiet_rounds = sum(sum(one.quiet) for one in measured) // len(A_ROUND)
    print(f"Rounds on an idle machine: {quiet_rounds} of {options.rounds * len(options.sizes)}.")
    met = True
    for one in measured:
        if one.rows == last:
            print(f"{one.name}: {'; '.join(one.seen.indexes)}.")
            met = met and one.growth <= MOST_GROWTH
        if not one.seen.indexes:
            print(f"{one.name} at {one.rows:,} rows showed no plan.")
            met = False
        if one.seen.unindexed:
            print(f"{one.name} at {one.rows:,} rows reads {', '.join(one.seen.unindexed)} from end to end.")
            met = False
    print(f"Growth to {last:,} rows at most {MOST_GROWTH}, every plan by an index: {'met' if met else 'missed'}.")
    _keep(options, measured)
    return 0 if met else 1


def _keep(options: argparse.Namespace, measured: list[Compared]) -> None:
    """Write the samples with what they were taken on."""
    now = datetime.now(UTC)
    result = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "arch": platform.machine(), "python": platform.python_version()},
        "load_at_end": [round(load, 2) for load in os.getloadavg()],
        "sizes": options.sizes,
        "compared": [
            {
                "name": one.name,
                "rows": one.rows,
                "growth": one.growth,
                "growths": one.growths,
                "usual_growth": one.usual_growth,
                "quiet": one.quiet,
                "plans": one.seen.indexes,
                "measured": one.thing,
                "against": one.yardstick,
            }
            for one in measured
        ],
    }
    path = Path(settings.VAR_DIR) / f"tables-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result))
    print(f"Kept in {path}.")


if __name__ == "__main__":
    sys.exit(main())
