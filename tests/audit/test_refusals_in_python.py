"""J01: every road of the ORM that would change the trail is refused, and the row stays as it was."""

import asyncio

import pytest
from django.core import serializers
from django.db import DatabaseError, transaction
from django.db.models import Model

from audit.appendonly import AppendOnlyError
from audit.models import Event
from tests.audit.conftest import stored

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def save_again(event):
    event.action = "changed"
    event.save()


def bulk_upsert(event):
    event.action = "changed"
    Event.objects.bulk_create([event], update_conflicts=True, update_fields=["action"], unique_fields=["id"])


def load_fixture(event):
    event.action = "changed"
    text = serializers.serialize("json", [event])
    for item in serializers.deserialize("json", text):
        item.save()


DEEDS = {
    "save": save_again,
    "save of one column": lambda event: event.save(update_fields=["action"]),
    "forced update": lambda event: event.save(force_update=True),
    "asave": lambda event: asyncio.run(event.asave()),
    "save_base": lambda event: Model.save_base(event),
    "save_base raw": lambda event: Model.save_base(event, raw=True),
    "fixture": load_fixture,
    "delete": lambda event: event.delete(),
    "queryset update": lambda event: Event.objects.update(action="changed"),
    "filtered update": lambda event: Event.objects.filter(pk=event.pk).update(action="changed"),
    "aupdate": lambda event: asyncio.run(Event.objects.aupdate(action="changed")),
    "queryset delete": lambda event: Event.objects.all().delete(),
    "raw delete": lambda event: Event.objects.all()._raw_delete("default"),
    "base manager update": lambda event: Event._base_manager.update(action="changed"),
    "base manager delete": lambda event: Event._base_manager.all().delete(),
    "default manager delete": lambda event: Event._default_manager.all().delete(),
    "private update": lambda event: Event._base_manager.filter(pk=event.pk)._update([]),
    "bulk_update": lambda event: Event.objects.bulk_update([event], ["action"]),
    "update_or_create": lambda event: Event.objects.update_or_create(pk=event.pk, defaults={"action": "changed"}),
    "bulk_create over conflicts": bulk_upsert,
    "bulk_create past conflicts": lambda event: Event.objects.bulk_create([event], ignore_conflicts=True),
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_j01_the_orm_refuses_to_change_a_row(event, deed):
    before = stored(event)

    with pytest.raises(AppendOnlyError, match="append-only"), transaction.atomic():
        deed(event)

    assert stored(event) == before
    assert Event.objects.count() == 1


def test_j01_django_s_deletion_collector_is_refused_by_the_database(event):
    """It makes its DELETE past every manager."""
    with pytest.raises(DatabaseError), transaction.atomic():
        Model.delete(event)

    assert Event.objects.count() == 1


def test_j01_a_copy_under_the_same_key_is_refused_by_the_database(event):
    before = stored(event)
    copy = Event(pk=event.pk, event_type="SECURITY", action="changed", actor_type="system", success=True)

    with pytest.raises(DatabaseError), transaction.atomic():
        copy.save()

    assert stored(event) == before


def test_j01_bulk_create_under_a_taken_key_is_refused_by_the_database(event):
    with pytest.raises(DatabaseError), transaction.atomic():
        Event.objects.bulk_create([event])

    assert Event.objects.count() == 1


def test_bulk_create_of_new_rows_is_an_insert_like_any_other(db):
    rows = [Event(event_type="SYSTEM", action="sys_started", actor_type="system", success=True) for _ in range(3)]

    Event.objects.bulk_create(rows)

    assert Event.objects.count() == 3
