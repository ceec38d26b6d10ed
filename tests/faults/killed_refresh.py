"""Refreshes one session again and again, killed at one statement after another and before the answer.

Run by test_killed_refresh.py in the environment of a site that is migrated. After each kill the client, which got no
answer, sends the same token again, as client.js does. Prints what became of it.
"""

import json
import os
import signal
import sys
from typing import Any

import django
from django.conf import settings
from django.core import mail

django.setup()  # once for all tries: each is a copy of this process, which has opened no connection

from django.db import connection, connections  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from tests.factories import Api  # noqa: E402

BEFORE_THE_ANSWER = 0
FARTHEST = 40


def main() -> int:
    """Kill a refresh at each of its statements, then after the last, and tell what the next one was answered."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []  # type: ignore[attr-defined]
    assert get_resolver().url_patterns
    token, told = _signed_in(), []
    for statement in range(1, FARTHEST):
        token, code, was_killed = _kill_and_repeat(token, statement)
        told.append(code)
        if not was_killed:  # there were fewer statements: it came through
            break
    _token, code, was_killed = _kill_and_repeat(token, BEFORE_THE_ANSWER)
    sys.stdout.write(json.dumps({"statements": len(told) - 1, "killed_last": was_killed, "told": [*told, code]}))
    return 0


def _kill_and_repeat(token: str, statement: int) -> tuple[str, str | int, bool]:
    """Let a process die over *token*, send it once more; return successor, code, and whether it died."""
    connections.close_all()
    process = os.fork()
    if process == 0:
        _refresh_and_die(token, statement)
    _pid, status = os.waitpid(process, 0)
    answer = Api().post("/auth/refresh", {"refresh_token": token})
    body = answer.json()
    return body.get("refresh_token", token), body.get("code", answer.status_code), os.WIFSIGNALED(status)


def _signed_in() -> str:
    api = Api()
    api.register()
    api.verify()
    return str(api.sign_in()["refresh_token"])


def _refresh_and_die(token: str, statement: int) -> None:
    left = [statement]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        Api().post("/auth/refresh", {"refresh_token": token})
    if statement == BEFORE_THE_ANSWER:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
