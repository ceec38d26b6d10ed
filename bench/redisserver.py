"""A Redis for the bench."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from config import caches

_LOOPBACK = "redis://127.0.0.1:6379/15"


@contextmanager
def address(port: int) -> Iterator[str]:
    """Yield the address of a Redis, or nothing where there is none.

    The one that REDIS_URL names, else one started for the bench on *port*, else one on loopback.
    """
    named = os.environ.get("REDIS_URL", "")
    if named or shutil.which("redis-server") is None:
        found = named or _LOOPBACK
        yield found if caches.answers(found) else ""
        return
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-redis-") as folder:
        words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        url = f"redis://127.0.0.1:{port}/0"
        try:
            yield url if _answers_soon(url) else ""
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)


def _answers_soon(url: str) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if caches.answers(url):
            return True
        time.sleep(0.1)
    return False
