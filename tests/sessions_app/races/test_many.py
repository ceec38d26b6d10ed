"""Clean-ups and commands beside those who sign in, refresh and sign out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from gatehouse.cleaning import Sweep
from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Door, Session
from sessions_app.reasons import RevokeReason
from sessions_app.retention import CHORES
from sessions_app.selection import select
from sessions_app.services.many import MassEnd

pytestmark = pytest.mark.django_db(transaction=True)

Race = Callable[[list[Callable[[], Any]]], list[Any]]
Open = Callable[..., Session]


def clean(batch: int = 3) -> dict[str, int]:
    run = Sweep(CHORES, actor=Actor.system(), older_than=timedelta(0), batch=batch)
    assert run.go_on(60)
    return run.removed


def end_all() -> int:
    end = MassEnd(select("all", ""), reason="x", client=Client.local("test"), actor=Actor.command("root"))
    for _ in end.steps():
        pass
    return end.ended


@pytest.mark.parametrize("turn", range(3))
def test_e22_a_session_refreshed_beside_the_clean_up_stays(
    user: Any, open_session: Open, client_facts: Client, race: Race, turn: int
) -> None:
    raw = [tokens.issue(open_session(user)).refresh_token for _ in range(4)]
    over = [open_session(user, Door.STAFF) for _ in range(10)]
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(pk__in=[one.pk for one in over]).update(idle_expires_at=past)

    def refresh(token: str) -> Callable[[], str]:
        return lambda: sessions.rotate(raw_refresh=token, client=client_facts).refresh_token

    results = race([clean, *map(refresh, raw), clean])
    assert not [one for one in results if isinstance(one, Exception)], results
    clean()
    assert Session.objects.live(timezone.now()).count() == Session.objects.count() == 4
    for token in results[1:5]:
        sessions.rotate(raw_refresh=token, client=client_facts)


@pytest.mark.parametrize("turn", range(3))
def test_a_session_whose_idle_end_passes_while_it_is_used_either_stays_or_has_its_event(
    user: Any, open_session: Open, client_facts: Client, race: Race, events: list[SecurityEvent], turn: int
) -> None:
    soon = timezone.now() + timedelta(milliseconds=30)
    pages = [open_session(user, Door.PAGE) for _ in range(6)]
    old = timezone.now() - timedelta(minutes=5)
    Session.objects.update(idle_expires_at=soon, last_used_at=old)
    for page in pages:
        page.refresh_from_db()
    events.clear()

    def use(page: Session) -> Callable[[], None]:
        return lambda: sessions.touch(page, client_facts, timezone.now())

    assert not [one for one in race([clean, *map(use, pages), clean]) if isinstance(one, Exception)]
    left = {str(pk) for pk in Session.objects.filter(idle_expires_at__gt=soon).values_list("pk", flat=True)}
    expired = {event.session_id for event in events if event.action == "session_expired"}
    assert left.isdisjoint(expired)
    clean()
    expired = {event.session_id for event in events if event.action == "session_expired"}
    assert left | expired == {str(page.pk) for page in pages} and len(expired) + len(left) == 6


def test_two_clean_ups_at_once_take_every_row_once(
    user: Any, open_session: Open, race: Race, events: list[SecurityEvent]
) -> None:
    for _ in range(30):
        open_session(user, Door.STAFF)
    Session.objects.update(idle_expires_at=timezone.now() - timedelta(days=1))
    events.clear()
    results = race([clean, clean, clean])
    assert not [one for one in results if isinstance(one, Exception)], results
    clean()
    assert not Session.objects.exists()
    assert len(events) == len({event.session_id for event in events}) == 30
    assert sum(one["sessions"] for one in results) <= 30


@pytest.mark.parametrize("turn", range(3))
def test_everyone_out_beside_sign_ins_refreshes_and_sign_outs_leaves_nothing_of_before(
    make_user: Callable[..., Any], open_session: Open, client_facts: Client, race: Race, turn: int
) -> None:
    people = [make_user(f"person{number}") for number in range(3)]
    before = [open_session(person) for person in people for _ in range(3)]
    raw = [tokens.issue(one).refresh_token for one in before]

    def refresh() -> None:
        sessions.rotate(raw_refresh=raw[0], client=client_facts)

    def leave() -> int:
        with transaction.atomic():
            return sessions.revoke_all(user=people[1], reason=RevokeReason.PASSWORD_CHANGED, client=client_facts)

    results = race([end_all, refresh, leave, lambda: open_session(people[2]), end_all])
    faults = [one for one in results if isinstance(one, Exception) and not isinstance(one, Problem)]
    assert not faults, results
    assert not set(Session.objects.live(timezone.now())) & set(before)
    assert results[0] + results[2] + results[4] in (9, 10)
