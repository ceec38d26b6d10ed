"""``manage.py accounts erase-due``, by hand, stopped, and beside another one."""

import os
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Status, User
from accounts.roles import Role
from accounts.services import erasure
from audit.models import Event
from tests.factories import UserFactory, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def due(number: int, **given: Any) -> list[User]:
    return [UserFactory(erase_at=timezone.now() - timedelta(hours=1), **given) for _one in range(number)]


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_it_erases_what_is_due_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    due(3)
    later = UserFactory(erase_at=timezone.now() + timedelta(minutes=1))
    never = UserFactory()
    call_command("accounts", "erase-due")
    assert said(capsys) == ["Accounts erased: 3."]
    assert {one.pk for one in User.objects.filter(status=Status.ACTIVE)} == {later.pk, never.pk}
    assert trail() == [("user_erased",)] * 3
    assert {row.actor_type for row in Event.objects.all()} == {"command"}
    call_command("accounts", "erase-due")
    assert said(capsys) == ["Accounts erased: 0."]
    assert len(trail()) == 3


def test_a_dry_run_names_ids_and_moments_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    people = due(1) + due(1, deleted=True)
    call_command("accounts", "erase-due", "--dry-run")
    lines = said(capsys)
    assert len(lines) == 3 and lines[-1] == "Accounts that would be erased: 2."
    for person, line in zip(people, lines, strict=False):
        at = f"{person.erase_at:%Y-%m-%dT%H:%M}"
        assert line.startswith(f"{person.pk}  {at}") and line.endswith(f"  {person.status}")
        assert person.email not in line
    assert User.objects.filter(erased_at__isnull=True).count() == 2 and trail() == []


def test_what_stays_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    due(1, role=Role.SUPER_ADMIN)
    call_command("accounts", "erase-due")
    first, second = said(capsys)
    assert first == "Accounts erased: 0."
    assert second.startswith("Accounts that are due and stay: 1.") and "the last super admin" in second


def test_it_stops_after_an_account_when_it_is_asked_to_and_the_next_run_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    due(3)
    erase = erasure.erase

    def interrupted(**given: Any) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return erase(**given)

    monkeypatch.setattr(erasure, "erase", interrupted)
    with pytest.raises(SystemExit) as stopped:
        call_command("accounts", "erase-due")
    assert stopped.value.code == 130
    assert said(capsys) == ["Accounts erased: 1.", "Stopped. The same command goes on from here."]
    monkeypatch.setattr(erasure, "erase", erase)
    call_command("accounts", "erase-due")
    assert said(capsys) == ["Accounts erased: 2."]
