"""The clean-up removes what is over and touches nothing that lives or waits."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Challenge, Link, Mail, User
from audit.models import Event
from gatehouse.models import Counter
from sessions_app.models import Session
from tests.factories import EMAIL, Api, UserFactory, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
OLD = timedelta(days=120)


@pytest.fixture
def old_and_new() -> None:
    """Leave the rows of two journeys, one long ago and one just now."""
    with time_machine.travel(timezone.now() - OLD):
        api = Api()
        api.register("old@example.com")
        api.verify("old@example.com")
        api.sign_in("old@example.com")
        api.login("old@example.com", "not the password at all")
    UserFactory(email=EMAIL)
    api = Api()
    api.sign_in()
    api.register("new@example.com")  # its mail waits
    api.login("nobody@example.com", "not the password at all")


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (User, Link, Challenge, Mail, Session))


def test_what_is_over_goes_and_what_lives_stays(old_and_new: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert counts() == (3, 2, 2, 4, 2)
    events = Event.objects.count()
    call_command("cleanup", "--dry-run")
    said = capsys.readouterr().out
    assert "links: 1 would be removed" in said and "mails: 3 would be removed" not in said
    assert counts() == (3, 2, 2, 4, 2) and Event.objects.count() == events
    call_command("cleanup", "--older-than", "30d")
    assert counts() == (3, 1, 1, 2, 1)
    assert not Counter.objects.filter(expires_at__lte=timezone.now()).exists()
    assert Counter.objects.exists()  # the limits that run go on
    assert trail()[-1] == ("sys_cleanup",)
    assert Event.objects.latest("id").details["removed"]["links"] == 1
    assert Event.objects.count() > events  # the trail only grows


def test_a_second_clean_up_finds_nothing_and_says_nothing(old_and_new: None) -> None:
    call_command("cleanup")
    events = Event.objects.count()
    call_command("cleanup")
    assert Event.objects.count() == events


@pytest.mark.parametrize("given", ["30", "d", "-1d", "1w", "٣d", ""])
def test_a_duration_needs_a_unit(given: str) -> None:
    with pytest.raises(CommandError, match="unit"):
        call_command("cleanup", f"--older-than={given}")


def test_the_worker_sends_once(capsys: pytest.CaptureFixture[str]) -> None:
    Api().register()
    call_command("worker", "--once")
    assert capsys.readouterr().out == "1 sent\n"
