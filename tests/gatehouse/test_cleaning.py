"""The service and the command of the clean-up: chores of any app, in batches, sayable and stoppable."""

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from accounts import retention as account_retention
from accounts.conf import AccountSettings
from audit.conf import AuditSettings
from audit.models import Event
from gatehouse import cleaning, retention
from gatehouse.cleaning import AT_ONCE, Chore, Sweep
from gatehouse.conf import GatehouseSettings
from gatehouse.events import Actor
from gatehouse.models import Counter
from sessions_app.conf import SessionSettings
from tests.factories import trail

_sleep = time.sleep
NAMES = [
    "unverified", "links", "challenges", "mails", "failed-mails", "failures",
    "expired", "sessions", "devices", "browser-sessions", "counters", "erasures",
    "removed-apps", "erased-addresses", "export-files", "exports", "trail-keys", "trail-counts", "trail-addresses",
    "webhooks", "grants",
]  # fmt: skip


def counters(number: int, ended: timedelta = timedelta(hours=1)) -> None:
    """Leave so many counters whose window ended that long ago."""
    end = timezone.now() - ended
    Counter.objects.bulk_create(
        Counter(key=f"{ended.total_seconds()}-{one}", window_start=end, expires_at=end, hits=1) for one in range(number)
    )


def chore(name: str, remove: Any) -> Chore:
    return Chore(name=name, says="tests", age=lambda: AT_ONCE, count=lambda before, now: 0, remove=remove)


def test_every_app_hangs_its_chores_under_it_by_one_name() -> None:
    assert sorted(cleaning.chores()) == sorted(NAMES)
    assert all(one.says and one.age() >= AT_ONCE for one in cleaning.chores().values())


def test_a_name_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_retention, "CHORES", retention.CHORES)
    with pytest.raises(ImproperlyConfigured, match="counters"):
        cleaning.chores()


@pytest.mark.django_db
def test_it_goes_batch_by_batch_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    counters(7)
    counters(1, timedelta(hours=-1))
    run = Sweep(retention.CHORES, actor=Actor.system(), batch=3)
    assert [number for _, number in run.steps()] == [3, 3, 1]
    counters(2)
    call_command("cleanup", "--only", "counters", "--batch", "1")
    assert capsys.readouterr().out == "counters: 2 removed\n"
    assert Counter.objects.count() == 1
    assert trail() == [("sys_cleanup",)]
    row = Event.objects.get()
    assert row.details == {"removed": {"counters": 2}}
    assert (row.actor_type, row.user_id, row.ip_address) == ("command", None, None)


@pytest.mark.django_db
def test_an_age_on_the_command_line_stands_in_for_that_of_the_settings(settings: Any) -> None:
    counters(1, timedelta(hours=5))
    call_command("cleanup", "--only=counters", "--older-than=6h")
    assert Counter.objects.exists()
    settings.GATEHOUSE = {**settings.GATEHOUSE, "COUNTERS_KEPT": timedelta(hours=6)}
    call_command("cleanup", "--only=counters")
    assert Counter.objects.exists() and not Event.objects.exists()
    call_command("cleanup", "--only=counters", "--older-than=4h")
    assert not Counter.objects.exists()


@pytest.mark.django_db
def test_a_dry_run_counts_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    counters(3)
    call_command("cleanup", "--dry-run")
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == list(cleaning.chores())
    assert "counters: 3 would be removed (counters of limits whose window is over)" in said
    assert "expired: 0 would be marked" in "\n".join(said)
    assert Counter.objects.count() == 3 and not Event.objects.exists()


@pytest.mark.parametrize(("given", "said"), [
    (["--older-than=30"], "unit"), (["--older-than=d"], "unit"), (["--older-than=-1d"], "unit"),
    (["--older-than=1w"], "unit"), (["--older-than=٣d"], "unit"), (["--older-than="], "unit"),
    (["--only=links,nonsense"], "does not know nonsense. It knows .*links, challenges"),
    (["--rest=-1"], "0 to 100"), (["--rest=nan"], "0 to 100"),
    (["--batch=0"], "1 to 10000"), (["--batch=10001"], "1 to 10000"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_what_can(given: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("cleanup", *given)


@pytest.mark.django_db
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_its_batch_and_says_what_was_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    counters(5)
    whole = cleaning.remove_rows

    def interrupted(*args: Any, **options: Any) -> Iterator[int]:
        for removed in whole(*args, **options):
            os.kill(os.getpid(), number)
            yield removed

    before = signal.getsignal(number)
    monkeypatch.setattr(cleaning, "remove_rows", interrupted)
    with pytest.raises(SystemExit) as ended:
        call_command("cleanup", "--only=counters", "--batch=2")
    assert ended.value.code == 130
    assert capsys.readouterr().out == "counters: 2 removed\nStopped. The next run goes on from here.\n"
    assert Counter.objects.count() == 3
    assert Event.objects.get().details == {"removed": {"counters": 2}}
    assert signal.getsignal(number) is before


@pytest.mark.django_db
def test_on_a_terminal_a_bar_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    counters(4)
    written: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None: ...

    call_command("cleanup", "--only=counters", "--batch=1", stdout=Terminal())
    shown = "".join(written)
    assert f"[{'#' * 15}{'.' * 15}] 2 of 4" in shown
    assert shown.endswith("counters: 4 removed\n")


def test_it_rests_after_each_batch_for_a_share_of_the_time_that_took(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    def remove(_before: datetime, _now: datetime, _number: int) -> Iterator[int]:
        for _ in range(3):
            time.sleep(0.01)
            yield 1

    def sleep(seconds: float) -> None:
        rests.append(seconds)
        _sleep(seconds)

    monkeypatch.setattr("gatehouse.cleaning.time.sleep", sleep)
    run = Sweep([chore("slow", remove)], actor=Actor.system(), rest=4)
    assert run.go_on(60)
    waited = [seconds for seconds in rests if seconds != 0.01]
    assert len(waited) == 3 and all(0.04 <= seconds < 1 for seconds in waited)


def test_a_run_in_slices_goes_on_where_it_was_left_and_after_a_failure() -> None:
    seen: list[int] = []

    def remove(_before: datetime, _now: datetime, _number: int) -> Iterator[int]:
        for step in range(4):
            seen.append(step)
            if len(seen) == 3:
                raise OperationalError("the database is away")
            yield 1

    run = Sweep([chore("slow", remove)], actor=Actor.system())
    assert run.go_on(0) is False
    assert run.go_on(0) is False
    with pytest.raises(OperationalError):
        run.go_on(0)
    assert run.go_on(60) is True
    assert seen == [0, 1, 2, 0, 1, 2, 3]
    assert run.removed == {"slow": 6}


@pytest.mark.django_db
def test_where_nothing_went_nothing_is_recorded() -> None:
    run = Sweep(retention.CHORES, actor=Actor.system())
    assert run.go_on(1)
    run.conclude()
    assert not Event.objects.exists()


def test_the_runbook_names_every_chore_and_its_setting() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/runbooks/cleanup.md").read_text()
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == list(cleaning.chores())
    kinds = (AccountSettings, SessionSettings, AuditSettings, GatehouseSettings)
    kept = {field.name for kind in kinds for field in fields(kind) if field.name.endswith("_KEPT")}
    assert set(re.findall(r"`(\w+_KEPT)`, ", text)) == kept


def test_an_app_without_chores_is_passed_by() -> None:
    assert any(not hasattr(config.module, "retention") for config in apps.get_app_configs())
    assert "axes" not in cleaning.chores()
