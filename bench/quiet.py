"""Waits for others to leave the machine alone, where the system tells (Linux)."""

import time
from pathlib import Path

_STAT = Path("/proc/stat")
_LOOK = 0.25  # seconds for which the idle time is looked at
_IDLE = 0.85  # the share of the machine that must be idle


def wait(patience: float) -> bool:
    """Wait until the machine is idle, at most *patience* seconds; return whether it is."""
    end = time.monotonic() + patience
    while True:
        idle = _idle_share()
        if idle is None or idle >= _IDLE:
            return True
        if time.monotonic() >= end:
            return False


def _idle_share() -> float | None:
    if not _STAT.exists():
        return None
    before = _ticks()
    time.sleep(_LOOK)
    spent = [late - early for early, late in zip(before, _ticks(), strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent))  # idle, and waiting for a disk


def _ticks() -> list[int]:
    return [int(number) for number in _STAT.read_text().splitlines()[0].split()[1:]]
