"""How much of a file went by, and how fast: measured alike wherever a file is sent, stored or taken in."""

import time
from dataclasses import dataclass, field


@dataclass
class Measure:
    """Counts bytes from the moment that it is made until it is stopped."""

    size: int = 0  # bytes
    _began: float = field(default_factory=time.monotonic, init=False, repr=False)
    _seconds: float | None = field(default=None, init=False, repr=False)

    def stop(self) -> None:
        """End the time that is measured; the first call counts."""
        if self._seconds is None:
            self._seconds = time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """How long it took, or takes until now."""
        return time.monotonic() - self._began if self._seconds is None else self._seconds

    @property
    def duration_ms(self) -> int:
        """The same in whole milliseconds."""
        return round(self.seconds * 1000)

    @property
    def bytes_per_second(self) -> int:
        """The rate, of at least a millisecond: less is not measured."""
        return round(self.size / max(self.seconds, 0.001))
