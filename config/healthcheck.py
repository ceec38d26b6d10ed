"""What the containers ask of themselves: ``python -m config.healthcheck [web|worker]``. Needs no curl in the image."""

import sys
import urllib.request

import django

from config import env

TIMEOUT = 4


def main(words: list[str]) -> int:
    """Return 0 where the process in this container is well, else 1."""
    return 0 if (worker_beats() if words == ["worker"] else web_answers()) else 1


def web_answers() -> bool:
    """Ask the web server whether it lives."""
    url = f"http://127.0.0.1:{env.current().number('PORT')}/health/live"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def worker_beats() -> bool:
    """Look whether the worker has given a sign of life lately."""
    env.prepare()
    django.setup()
    from gatehouse.health import run_checks  # noqa: PLC0415 - its models load after the setup

    return bool(run_checks()["worker"]["status"] == "ok")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
