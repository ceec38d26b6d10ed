"""The UPDATE of a refresh, written by hand, and the queryset that says what lives agree at every boundary."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gatehouse.ids import uuid7
from sessions_app.models import Session
from sessions_app.services import exchange

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

NOW = timezone.now().replace(microsecond=0)
TICK = timedelta(microseconds=1)
ENDS = [NOW - timedelta(days=1), NOW - TICK, NOW, NOW + TICK, NOW + timedelta(days=1)]


def put(session: Session) -> bool:
    assert session.refresh_id is not None
    new = {
        "refresh_id": uuid7(),
        "refresh_kid": "key",
        "refresh_issued_at": NOW,
        "previous_refresh_id": session.refresh_id,
        "rotated_at": NOW,
        "last_used_at": NOW,
        "ip": "192.0.2.7",
        "user_agent": "",
    }
    told = exchange.put(session.pk, session.refresh_id, new, end=NOW + timedelta(days=7), now=NOW)
    if told is None:
        return False
    assert all(getattr(told, name) == value for name, value in new.items()), "the row as it now is"
    stored = Session.objects.select_related("user").get(pk=session.pk)
    for one, other in ((told, stored), (told.user, stored.user)):
        assert {f.attname: getattr(one, f.attname) for f in one._meta.concrete_fields} == {
            f.attname: getattr(other, f.attname) for f in other._meta.concrete_fields
        }
    return True


@pytest.mark.parametrize("revoked", [None, NOW])
@pytest.mark.parametrize("absolute", ENDS)
@pytest.mark.parametrize("idle", ENDS)
def test_a_row_is_renewed_where_it_lives_and_nowhere_else(
    user: Any, open_session: Callable[..., Session], idle: Any, absolute: Any, revoked: Any
) -> None:
    session = open_session(user)
    Session.objects.filter(pk=session.pk).update(idle_expires_at=idle, absolute_expires_at=absolute, revoked_at=revoked)
    lives = Session.objects.live(NOW).filter(pk=session.pk).exists()
    row = Session.objects.get(pk=session.pk)
    assert lives == (row.end(NOW) is None) if revoked is None else not lives
    assert put(session) == lives
    after = Session.objects.get(pk=session.pk)
    assert (after.refresh_id != session.refresh_id) == lives
    assert after.absolute_expires_at == absolute
    assert not lives or after.idle_expires_at == min(NOW + timedelta(days=7), absolute)


def test_an_account_that_is_not_active_renews_nothing(
    user: Any, open_session: Callable[..., Session], switch_off: Callable[[Any], None]
) -> None:
    session = open_session(user)
    switch_off(user)
    assert not put(session)
