"""What was measured: two sides of a ratio, sampled in turn, and how it is shown and kept."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ENOUGH = 8  # undisturbed rounds that count alone


@dataclass
class Measured:
    """A thing and its yardstick, sampled in turn."""

    name: str
    unit: str
    least: float | None = None  # what the ratio must reach, where the thing is a rate
    most: float | None = None  # what it may reach, where it is a time
    thing: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)
    quiet: list[bool] = field(default_factory=list)  # whether the round began on an idle machine

    def add(self, thing: float, yardstick: float, *, undisturbed: bool) -> None:
        """Take one round."""
        self.thing.append(thing)
        self.yardstick.append(yardstick)
        self.quiet.append(undisturbed)

    @property
    def ratios(self) -> list[float]:
        """The ratio of each round; those that others disturbed are left out where enough are left."""
        every = [one / other for one, other in zip(self.thing, self.yardstick, strict=True)]
        undisturbed = [ratio for ratio, quiet in zip(every, self.quiet, strict=True) if quiet]
        return undisturbed if len(undisturbed) >= ENOUGH else every

    @property
    def ratio(self) -> float:
        """The median of these."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """Where the middle half of these lies."""
        lower, _, upper = statistics.quantiles(self.ratios, n=4)
        return lower, upper

    @property
    def target(self) -> str:
        """The target in words."""
        if self.least is not None:
            return f">= {self.least}"
        return f"<= {self.most}" if self.most is not None else "-"

    @property
    def is_met(self) -> bool:
        """Whether the target is met; what has none always is."""
        low = self.least is None or self.ratio >= self.least
        return low and (self.most is None or self.ratio <= self.most)

    def row(self) -> str:
        """One line of the table."""
        thing, yardstick = statistics.median(self.thing), statistics.median(self.yardstick)
        spread = "{:.2f} to {:.2f}".format(*self.spread)
        numbers = f"{thing:>8.1f} {yardstick:>8.1f} {self.unit:<4} {self.ratio:>5.2f}"
        missed = "" if self.is_met else "  MISSED"
        return f"{self.name:<52} {numbers}  {spread:<13} {self.target}{missed}"


@dataclass(frozen=True)
class Counted:
    """How many statements something sends, and how often it commits."""

    name: str
    statements: int
    commits: int
    most_statements: int | None = None
    most_commits: int | None = None

    @property
    def is_met(self) -> bool:
        """Whether neither is more than it may be."""
        few = self.most_statements is None or self.statements <= self.most_statements
        return few and (self.most_commits is None or self.commits <= self.most_commits)

    def row(self) -> str:
        """One line of the table."""
        most = "-" if self.most_statements is None else f"<= {self.most_statements}"
        missed = "" if self.is_met else "  MISSED"
        return f"{self.name:<52} {self.statements:>3} statements, {self.commits} commits  {most}{missed}"


def show(measured: Sequence[Measured], counted: Sequence[Counted]) -> bool:
    """Print both tables; return whether every target is met."""
    print(f"{'':<52} {'measured':>8} {'against':>8} {'':<4} {'ratio':>5}  {'middle half':<13} target")
    rows: list[Measured | Counted] = [*measured, *counted]
    for one in rows:
        print(one.row())
    rounds = ", ".join(f"{sum(sampled.quiet)}/{len(sampled.quiet)}" for sampled in measured)
    print(f"Rounds on an idle machine: {rounds}; from {ENOUGH} on, they count alone.")
    return all(one.is_met for one in rows)


def keep(folder: Path, measured: Sequence[Measured], counted: Sequence[Counted]) -> Path:
    """Write the samples with what they were taken on; return where."""
    now = datetime.now(UTC)
    result = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "arch": platform.machine(), "python": platform.python_version()},
        "load_at_end": [round(load, 2) for load in os.getloadavg()],
        "workers": os.environ["WEB_WORKERS"],
        "statements": {one.name: [one.statements, one.commits] for one in counted},
        "ratios": [
            {
                "name": one.name,
                "ratio": one.ratio,
                "middle_half": one.spread,
                "target": one.target,
                "quiet": one.quiet,
                "measured": one.thing,
                "against": one.yardstick,
            }
            for one in measured
        ],
    }
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1))
    return path
