"""Archives a trail again and again, killed at one step after another; run by test_killed_archive.py.

``python -m tests.faults.killed_archive FOLDER`` in the environment of a site that is migrated. Each try is a process
that ends itself with SIGKILL before its n-th step: a statement, a commit, or a call that opens, flushes, renames or
removes a file. After each the trail verifies with and without the files; the next run finishes, and then no event is
lost or doubled. Prints how many were killed.
"""

import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import django

django.setup()  # once for all tries: each is a copy of this process, which has opened no connection

from django.db import connection, connections  # noqa: E402
from django.utils import timezone  # noqa: E402

import audit  # noqa: E402
from audit import archive_files, archiving, clearing, sealing, verification  # noqa: E402
from audit.archives import Archive  # noqa: E402
from audit.models import Event  # noqa: E402
from gatehouse.client import Client  # noqa: E402
from gatehouse.events import Actor  # noqa: E402

FARTHEST = 300
ONLINE = ("ADMIN", "audit_cleared")  # the events that say how many went
WHO: dict[str, Any] = {"actor": Actor.system("test"), "client": Client.local("killed")}


def main(folder: Path) -> int:
    clearing.AT_ONCE = 1
    killed, written = 0, 0
    for step in range(1, FARTHEST):
        written += _write()
        connections.close_all()
        process = os.fork()
        if process == 0:
            _archive_and_die(folder, step)
        _pid, status = os.waitpid(process, 0)
        where = f"killed at step {step}"
        report = verification.verify(archive=folder)
        assert report.ok, (where, report.as_json())
        _archive(folder)
        assert not Event.objects.filter(event_type="USER_MANAGEMENT").exists(), where
        assert Event.objects.filter(event_type="ADMIN").count() == written // 3, where
        named = set(Archive.objects.values_list("file", flat=True))
        assert {path.name for path in folder.iterdir()} == named, where
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    report = verification.verify(archive=folder)
    assert report.ok and verification.verify().ok, report.as_json()
    assert report.archived == _not_online(folder)
    sys.stdout.write(json.dumps({"killed": killed, "removed": _told_removed(), "gone": _not_online(folder)}))
    return 0


def _write() -> int:
    """Leave a seal of three events, of which one stays online."""
    for kind in ("USER_MANAGEMENT", "ADMIN", "USER_MANAGEMENT"):
        audit.record(event_type=kind, action="user_test", client=Client.local("killed"))
    sealing.seal()
    return 3


def _not_online(folder: Path) -> int:
    """Count the events in the files whose rows are gone."""
    ids = [number for path in folder.iterdir() for number in _ids(path)]
    assert len(ids) == len(set(ids)), "an event is in two files"
    return len(ids) - Event.objects.filter(pk__in=ids).count()


def _ids(path: Path) -> list[int]:
    with path.open("rb") as file:
        reader = archive_files.Reader(file)
        found = []
        while seal := reader.seal():
            found += [json.loads(reader.event())["id"] for _place in range(seal[0]["count"])]
        return found


def _told_removed() -> int:
    """Return how many rows went, as the events about it say."""
    told = [event.details["removed"] for event in Event.objects.filter(action="audit_cleared").iterator()]
    return sum(told)


def _archive(folder: Path) -> None:
    while archiving.archive_next(folder=folder, before=timezone.now(), now=timezone.now(), **WHO):
        pass
    list(clearing.clear(folder=folder, online=ONLINE, **WHO))


def _archive_and_die(folder: Path, step: int) -> None:
    left = [step]

    def count_down() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        count_down()
        return execute(sql, params, many, context)

    def counted(call: Any) -> Any:
        def counts(*given: Any, **named: Any) -> Any:
            count_down()
            return call(*given, **named)

        return counts

    connection._commit = counted(connection._commit)  # type: ignore[attr-defined]
    for module, names in ((os, ("open", "fsync", "fchmod")), (fcntl, ("flock",)), (Path, ("replace", "unlink"))):
        for name in names:
            setattr(module, name, counted(getattr(module, name)))
    with connection.execute_wrapper(count):
        _archive(folder)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
