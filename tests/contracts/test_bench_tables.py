"""The bench of large tables fills what it says, calls what it says, and sees a plan without an index."""

from argparse import Namespace
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Count, F
from django.utils import timezone

from bench import asked, filling, plans, schemas, tables
from sessions_app.models import Device, Door, Session

pytestmark = [
    pytest.mark.integration,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL is what is measured"),
]

OPTIONS = Namespace(sizes=[2000, 4000], rounds=2, patience=0.0)
USED = {
    "look-up": {"sessions_app_session_pkey", "accounts_user_pkey"},
    "rotation": {
        "sessions_session_refresh",
        "sessions_app_session_pkey",
        "accounts_user_pkey",
        "audit_subject_key_unique",  # once a month and person: the key that the trail writes with
    },
    "list": {"sessions_app_session_pkey", "sessions_session_user"},
}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in asked.A_ROUND:
        monkeypatch.setitem(asked.A_ROUND, name, 4)
    monkeypatch.setattr(tables, "EXPLAINED", 2)


@pytest.fixture
def copies() -> Iterator[list[schemas.Copy]]:
    made = [schemas.Copy.make("bench_small"), schemas.Copy.make("bench_grown")]
    yield made
    for copy in made:
        copy.drop()


def _names() -> set[str]:
    """The indexes of what the search path finds, sessions' first of all."""
    with connection.cursor() as cursor:
        found = [connection.introspection.get_constraints(cursor, table) for table in schemas.FILLED]
    return {name for one in found for name, facts in one.items() if not facts["check"]}


def test_copies_are_filled_as_a_site_would_be(copies):
    real = _names()
    filling.grow(copies[1], 2000)
    filling.grow(copies[1], 4000)
    now, person = timezone.now(), get_user_model()
    assert (Session.objects.count(), person.objects.count(), Device.objects.count()) == (4000, 800, 1600)
    assert _names() == real
    assert Session.objects.live(now).count() / 4000 == pytest.approx(1 / 3, abs=0.05)
    assert Session.objects.filter(door=Door.API, refresh_id__isnull=False).count() / 4000 == pytest.approx(
        1 / 2, abs=0.05
    )
    assert not Session.objects.filter(last_used_at__gt=now).exists()
    assert not Session.objects.exclude(device__user=F("user")).exists()
    assert 5 < Session.objects.values("user").annotate(number=Count("pk")).order_by("-number")[0]["number"] < 30
    assert {pk.version for pk in Session.objects.values_list("pk", flat=True)} == {7}
    schemas.leave()
    assert not Session.objects.exists()


def test_every_size_is_asked_and_every_plan_uses_an_index(copies, few):
    measured = tables.measure(copies[0], copies[1], OPTIONS)
    assert [(one.name, one.rows) for one in measured] == [(name, size) for size in (2000, 4000) for name in USED]
    for one in measured:
        assert [len(took) for took in (*one.thing, *one.yardstick)] == [4] * 4
        assert one.seen.unindexed == []
        scans = [index for statement in one.seen.statements for _, _, index in statement.scans]
        assert scans
        assert {index.split(" and ")[0] for index in scans} <= USED[one.name]  # few rows are worth a second one
    copies[1].use()
    rotated = 3 * 4 + 2  # a round to warm up, two that count, and those explained
    assert sum(Session.objects.values_list("rotation", flat=True)) == rotated * len(OPTIONS.sizes)


def test_a_copy_can_be_made_without_an_index():
    copy = schemas.Copy.make("bench_without", without=["sessions_session_idle", "sessions_session_refresh"])
    try:
        real = _names()
        filling.grow(copy, 100)
        assert real - _names() == {"sessions_session_idle", "sessions_session_refresh"}
    finally:
        copy.drop()


def test_a_plan_without_an_index_is_seen(copies, few):
    filling.grow(copies[0], 2000)
    copies[0].sweep()
    calls = asked.Asked.draw(copies[0], 1)
    assert plans.explained([calls.look_up]).unindexed == []
    copies[0].strip()
    assert plans.explained([calls.look_up]).unindexed == ["accounts_user", "sessions_app_session"]
