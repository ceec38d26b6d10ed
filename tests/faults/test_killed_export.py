"""A worker that is killed while it makes a copy of one's data leaves nothing, and the next one makes it."""

import time
from collections.abc import Callable

import pytest

from tests.live import LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.timeout(180)]

ASK = """
from django.utils import timezone
from accounts.models import Export, User
from audit.models import Event
user = User.objects.create(email="jane@example.com", status="active", is_active=True)
for _batch in range(30):
    Event.objects.bulk_create(
        Event(event_type="SECURITY", action="session_renewed", success=True, actor_type="user", user_id=str(user.pk))
        for _row in range(1000)
    )
now = timezone.now()
Export.objects.create(user=user, open_key=str(user.pk), next_try_at=now, created_at=now)
"""
LATER = """
from django.utils import timezone
from accounts.models import Export
Export.objects.update(next_try_at=timezone.now())  # the claim runs out
"""
STATE = "SELECT state, attempts FROM accounts_export"


def wait_for(site: LiveSite, *states: str) -> tuple[str, int]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state, attempts = site.query(STATE)[0]
        if state in states:
            return str(state), int(attempts)
        time.sleep(0.05)
    raise AssertionError(f"it stays {state}:\n{site.log}")


def test_a_killed_worker_leaves_nothing_and_the_next_one_makes_it(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(BASE_URL="http://testserver", LOG_LEVEL="ERROR")
    site.migrate()
    site.manage("shell", "-c", ASK)
    folder = site.folder / "exports"
    site.start_worker()
    assert wait_for(site, "making", "ready")[0] == "making"
    site.kill_worker()
    assert not folder.exists() or list(folder.iterdir()) == []
    site.manage("shell", "-c", LATER)
    site.start_worker()
    assert wait_for(site, "ready") == ("ready", 2)
    assert [path.name for path in folder.iterdir()] == [path.name for path in folder.glob("*-2.zip")]
