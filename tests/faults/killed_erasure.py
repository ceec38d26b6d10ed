"""Erases one account after another, killed at one statement after another; run by test_killed_erasure.py.

``python -m tests.faults.killed_erasure STRIDE`` in the environment of a site that is migrated. After each kill the
account is whole or erased, and the next run erases it. Prints how many were killed, and how many of those were whole.
"""

import json
import os
import signal
import sys
from datetime import timedelta
from typing import Any

import django
from django.conf import settings
from django.core import mail

django.setup()  # once for all tries: each is a copy of this process, which has opened no connection

from django.db import connection, connections  # noqa: E402
from django.urls import get_resolver  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Mail, User  # noqa: E402
from accounts.services import erasure  # noqa: E402
from audit.models import Event  # noqa: E402
from gatehouse.events import Actor  # noqa: E402
from sessions_app.models import Device, Session  # noqa: E402
from tests.factories import Api, UserFactory  # noqa: E402

FARTHEST = 200


def main(stride: int) -> int:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []  # type: ignore[attr-defined]
    assert get_resolver().url_patterns
    killed, whole = 0, 0
    for statement in range(1, FARTHEST, stride):
        user = _made(f"person{statement}@example.com")
        connections.close_all()
        process = os.fork()
        if process == 0:
            _erase_and_die(statement)
        _pid, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
        whole += _is_whole(user)
        _erase()
        assert not _is_whole(user), "the next run erases it"
        assert Event.objects.filter(action="user_erased", user_id=str(user.pk)).count() == 1
        assert Mail.objects.filter(template="account_erased", to=user.email).count() == 1
    sys.stdout.write(json.dumps({"killed": killed, "whole": whole}))
    return 0


def _made(email: str) -> User:
    user: User = UserFactory(email=email)
    Api().sign_in(email)
    User.objects.filter(pk=user.pk).update(erase_at=timezone.now() - timedelta(hours=1))
    return user


def _erase() -> int:
    return sum(erasure.erase_due(before=timezone.now(), number=10, actor=Actor.system()))


def _erase_and_die(statement: int) -> None:
    left = [statement]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        _erase()
    os._exit(0)


def _is_whole(user: User) -> bool:
    """Tell whether *user* is whole; one that is neither that nor erased fails."""
    left = User.objects.get(pk=user.pk)
    rows = [model.objects.filter(user=user).count() for model in (Session, Device)]
    told = Mail.objects.filter(template="account_erased", to=user.email).count()
    events = Event.objects.filter(action="user_erased", user_id=str(user.pk)).count()
    whole = left.erased_at is None
    expected = ([1, 1], 0, 0, user.email) if whole else ([0, 0], 1, 1, left.email)
    assert (rows, told, events, left.email) == expected, (rows, told, events)
    return whole


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
