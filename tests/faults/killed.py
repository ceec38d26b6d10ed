"""Goes through the journey again and again, killed at one statement after another; run by test_killed.py.

``python -m tests.faults.killed STRIDE`` in the environment of a site that is migrated. Every try is a process of its
own that ends itself with SIGKILL before its n-th statement, so that nothing is cleaned up.
"""

import os
import signal
import sys
from typing import Any

import django
from django.conf import settings
from django.core import mail

django.setup()  # once for all tries: each is a copy of this process, which has opened no connection

from django.db import connection  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from tests.factories import Api  # noqa: E402

FARTHEST = 400


def main(stride: int) -> int:
    """Return how many tries were killed before one came through."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert get_resolver().url_patterns
    for killed, statement in enumerate(range(1, FARTHEST, stride)):
        process = os.fork()
        if process == 0:
            _journey(statement)
        _pid, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            return killed if os.waitstatus_to_exitcode(status) == 0 else -1
    return -2


def _journey(statement: int) -> None:
    """Sign up, confirm, sign in and reset the password; never returns."""
    try:
        _walk(statement)
    except BaseException as error:  # what is wrong is told by the status
        sys.stderr.write(f"statement {statement}: {error!r}\n")
        os._exit(1)
    os._exit(0)


def _walk(statement: int) -> None:
    mail.outbox = []  # type: ignore[attr-defined]
    left = [statement]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    email = f"person{statement}@example.com"
    api = Api()
    with connection.execute_wrapper(count):
        answer = api.register(email)
        assert answer.status_code == 202, answer.content
        answer = api.verify(email)
        assert answer.status_code == 200, answer.content
        assert api.sign_in(email)["status"] == "authenticated"
        assert api.post("/auth/password/forgot", {"email": email}).status_code == 202
        asked = {"token": api.mailbox.token(email), "new_password": "a long and quiet river"}
        answer = api.post("/auth/password/reset", asked)
        assert answer.status_code == 200, answer.content


if __name__ == "__main__":
    sys.stdout.write(f"{main(int(sys.argv[1]))}\n")
