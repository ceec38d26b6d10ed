"""Seals: what they hold, what they leave for the next one, and what late commits become."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.utils import timezone

from audit import canonical, merkle, sealing, signing, verification
from audit.appendonly import AppendOnlyError
from audit.models import Event
from audit.seals import NOTHING, Gap, Seal, SealedEvent
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)


def gaps():
    return sorted(Gap.objects.values_list("first", "last"))


def without_first_gap():
    """Events begin wherever the table's counter stands: what lies before is one gap, and nobody minds."""
    Gap.objects.all().delete()


def test_a_seal_holds_every_event_in_its_order():
    ids = trails.write(5)

    assert sealing.seal() == sealing.Sealed(seals=1, events=5)

    seal = Seal.objects.get()
    rows = canonical.rows(connection, "e.id > %s ORDER BY e.id", [0])
    leaves = [merkle.leaf_hash(canonical.leaf_bytes(row)) for row in rows]
    assert (seal.number, seal.count, seal.first_event, seal.last_event) == (1, 5, ids[0], ids[-1])
    assert seal.root == merkle.root_of(leaves).hex()
    assert seal.previous == NOTHING
    held = SealedEvent.objects.order_by("position").values_list("event_id", "seal_id", "position", "leaf")
    assert [(event, number, place, bytes(leaf)) for event, number, place, leaf in held] == [
        (event, 1, place, leaves[place]) for place, event in enumerate(ids)
    ]


def test_a_seal_names_the_one_before_and_is_signed():
    trails.sealed(2, 3)
    one, two = Seal.objects.order_by("number")

    assert two.previous == one.digest
    key = signing.public_keys()[two.key_id]
    assert key.verifies(two.signed_by, two.message)
    assert not key.verifies(two.signed_by, one.message)
    assert not key.verifies(b"", two.message)


def test_nothing_to_seal_makes_no_seal():
    assert sealing.seal() == sealing.Sealed(0, 0)
    trails.sealed(1)
    assert sealing.seal() == sealing.Sealed(0, 0)


def test_a_seal_that_is_full_leaves_the_rest_for_the_next(monkeypatch):
    for module in (sealing, verification):
        monkeypatch.setattr(module, "FULL", 4)
    monkeypatch.setattr(sealing, "_SLICE", 3)
    trails.write(10)

    assert sealing.seal() == sealing.Sealed(seals=3, events=10)
    assert list(Seal.objects.order_by("number").values_list("count", flat=True)) == [4, 4, 2]
    assert trails.verify().ok


def test_ids_that_were_skipped_are_sealed_when_they_come_and_never_twice():
    ids = trails.write(6)
    kept = hide(ids[1], ids[2], ids[4])
    sealing.seal()
    without_first_gap_of(ids[0])
    assert gaps() == [(ids[1], ids[2]), (ids[4], ids[4])]

    bring(kept, ids[2])
    assert sealing.seal() == sealing.Sealed(1, 1)
    assert gaps() == [(ids[1], ids[1]), (ids[4], ids[4])]

    bring(kept, ids[1])
    bring(kept, ids[4])
    trails.write(1)
    assert sealing.seal() == sealing.Sealed(1, 3)
    assert gaps() == []
    assert SealedEvent.objects.count() == 7
    assert trails.verify().ok


def without_first_gap_of(first):
    Gap.objects.filter(last__lt=first).delete()


def hide(*ids):
    """Take rows away as if their transactions were not committed yet; return them."""
    kept = {row.pk: row for row in Event.objects.filter(pk__in=ids)}
    stamps = dict(Event.objects.filter(pk__in=ids).values_list("pk", "timestamp"))
    trails.tamper(f"DELETE FROM audit_event WHERE id IN ({', '.join(map(str, ids))})")
    for pk, row in kept.items():
        row.timestamp = stamps[pk]
    return kept


def bring(kept, pk):
    row = kept[pk]
    row._state.adding = True
    row.save(force_insert=True)


def test_a_wide_gap_is_looked_through_by_its_ends():
    first = trails.write(1)[0]
    (far,) = trails.write(1)
    trails.tamper(f"UPDATE audit_event SET id = {far + 100_000} WHERE id = {far}")
    sealing.seal()
    assert (first + 1, far + 99_999) in gaps()

    kept = trails.write(1)[0]
    if kept > far + 1000:
        pytest.skip("the table's counter followed the row")
    assert sealing.seal() == sealing.Sealed(1, 1)
    assert trails.verify().ok


def test_an_old_gap_is_looked_at_more_rarely_and_then_forgotten(settings):
    settings.AUDIT = settings.AUDIT | {"LATE_AFTER": timedelta(hours=2)}
    ids = trails.write(3)
    kept = hide(ids[1])
    begun = timezone.now()
    sealing.seal(now=begun)
    without_first_gap_of(ids[0])

    sealing.seal(now=begun + timedelta(minutes=40))
    gap = Gap.objects.get()
    assert gap.look_at == begun + timedelta(minutes=50)
    sealing.seal(now=begun + timedelta(hours=2, minutes=1))
    assert gaps() == []

    bring(kept, ids[1])
    assert sealing.seal() == sealing.Sealed(0, 0)
    assert trails.first_found(trails.verify()) == ("inserted", ids[1], None)


def test_two_sealers_at_once_make_one_chain(race):
    trails.write(50)

    done = race([sealing.seal] * 4)

    quiet = (sealing.Sealed, sealing.ContendedError)
    assert [result for result in done if not isinstance(result, quiet)] == []
    assert sum(result.events for result in done if isinstance(result, sealing.Sealed)) == 50
    assert SealedEvent.objects.count() == 50
    assert trails.verify().ok


@pytest.mark.skipif(connection.vendor == "sqlite", reason="has one writer at a time")
def test_a_late_commit_goes_into_a_later_seal(race):
    """A transaction that is open while the sealer passes its ids, by a second connection."""
    other = connections.create_connection("default")
    try:
        other.ensure_connection()
        early = trails.write(1)[0]
        with transaction.atomic():
            late = trails.write(2)
            insert_by(other)  # committed at once
            later = sealed_elsewhere(race)
            assert later == sealing.Sealed(1, 2)
        assert set(SealedEvent.objects.values_list("event_id", flat=True)) & set(late) == set()
        assert sealing.seal() == sealing.Sealed(1, 2)
        assert set(SealedEvent.objects.values_list("event_id", flat=True)) >= {early, *late}
        assert SealedEvent.objects.count() == Event.objects.count() == 4
        assert trails.verify().ok
    finally:
        other.close()


def insert_by(other):
    """Copy an event by another connection, which gives it the next id."""
    quote = other.ops.quote_name
    names = ", ".join(quote(name) for name in canonical.COLUMNS if name != "id")
    with other.cursor() as cursor:
        cursor.execute(f"INSERT INTO audit_event ({names}) SELECT {names} FROM audit_event ORDER BY id LIMIT 1")


def sealed_elsewhere(race):
    (done,) = race([sealing.seal])
    return done


@pytest.mark.parametrize("model", [Seal, SealedEvent])
def test_j01_j02_a_seal_is_not_changed_either(model):
    trails.sealed(1)
    row = model.objects.get()
    with pytest.raises(AppendOnlyError):
        row.save()
    with pytest.raises(AppendOnlyError):
        model.objects.all().delete()
    table = model._meta.db_table
    key = model._meta.pk.column
    for statement in (f"UPDATE {table} SET {key} = {key} + 1", f"DELETE FROM {table}"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert model.objects.get() == row


def test_a_second_seal_of_one_number_is_refused():
    trails.sealed(1)
    seal = Seal.objects.get()
    seal._state.adding = True
    with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
        seal.save(force_insert=True)


def test_without_a_key_nothing_is_sealed(settings):
    trails.write(1)
    settings.AUDIT = settings.AUDIT | {"KEYS": ()}
    with pytest.raises(ImproperlyConfigured, match="SIGNING_KEY"):
        sealing.seal()
    assert not Seal.objects.exists()
