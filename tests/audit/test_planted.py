"""J03 to J05: whoever may add rows plants some where nothing should look, and ``verify`` names them all the same."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from audit import canonical, sealing, verification
from audit.seals import Gap
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ids() -> list[list[int]]:
    """Two seals of three events each."""
    return trails.sealed(3, 3)


@pytest.fixture
def named(capsys: pytest.CaptureFixture[str]) -> Callable[..., bool]:
    """Return a function that tells whether the command ends with 3 and says these words."""

    def is_named(*words: str) -> bool:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            call_command("audit", "verify")
        said = capsys.readouterr().out
        return end.value.code == 3 and all(word in said for word in words)

    return is_named


def copy(event: int, new: int) -> str:
    names = ", ".join(connection.ops.quote_name(name) for name in canonical.COLUMNS if name != "id")
    return f"INSERT INTO audit_event (id, {names}) SELECT {new}, {names} FROM audit_event WHERE id = {event}"


def listed(event: int, seal: int) -> str:
    position = connection.ops.quote_name("position")
    return (
        f"INSERT INTO audit_sealedevent (event_id, seal_id, {position}, leaf) "
        f"SELECT {event}, {seal}, 0, leaf FROM audit_sealedevent WHERE seal_id = 1 AND {position} = 0"
    )


def sealed_as(number: int) -> str:
    rest = "root, first_event, last_event, previous, sealed_at, key_id, signature"
    count = connection.ops.quote_name("count")
    return (
        f"INSERT INTO audit_seal (number, {count}, {rest}) SELECT {number}, {count}, {rest} "
        "FROM audit_seal WHERE number = 1"
    )


def late_row(ids: list[list[int]]) -> int:
    """Put in a row below the newest sealed one, at an id that was free."""
    free = ids[1][-1] + 1
    trails.write(2)
    trails.tamper(f"DELETE FROM audit_event WHERE id = {free}")
    sealing.seal()
    trails.tamper("DELETE FROM audit_gap", copy(ids[0][0], free))
    return free


@pytest.mark.parametrize("number", [0, -1, -(2**63) + 1])
def test_j04_a_row_with_an_id_below_1_is_named(ids, named, number):
    if connection.vendor == "mysql" and number == 0:
        pytest.skip("a key of 0 is the next one there")
    trails.tamper(copy(ids[0][0], number))

    assert trails.found(trails.verify()) == [("inserted", number, None)]
    assert named(f"inserted: event {number}:")


def test_j04_a_row_with_an_id_below_1_is_named_where_nothing_is_sealed(named):
    (event,) = trails.write(1)
    trails.tamper(copy(event, -5))

    assert named("inserted: event -5:")


def test_j04_a_seal_with_a_number_below_1_is_named(ids, named):
    trails.tamper(sealed_as(0))

    assert trails.found(trails.verify()) == [("seal_chain", None, 0)]
    assert named("seal_chain: seal 0:")


@pytest.mark.parametrize("seal", [0, -3, 900])
def test_j04_a_row_listed_for_a_seal_that_is_not_there_is_named(ids, named, seal):
    free = late_row(ids)
    trails.tamper(listed(free, seal))

    code = "cut: seal 4" if seal > 0 else f"list: event {free}, seal {seal}"
    assert named(code, f"inserted: event {free}:")


def test_j05_a_gap_that_was_written_by_hand_excuses_no_old_row(ids, named):
    free = late_row(ids)
    now = timezone.now()
    Gap.objects.create(first=free, last=free, seen_at=now, look_at=now + timedelta(days=3000))
    assert trails.verify().ok  # it may be a transaction that is late by a minute

    trails.aged(free, timedelta(hours=2))
    assert named(f"inserted: event {free}:")
    trails.aged(free, timedelta(hours=-2))
    assert named(f"inserted: event {free}:")


@pytest.mark.parametrize("seal", [0, 1, 900])
def test_a_row_listed_before_it_is_sealed_keeps_out_itself_and_no_other(ids, named, seal):
    waiting, other, later = trails.write(3)
    trails.tamper(listed(other, seal).replace(", 0, leaf FROM", ", 7, leaf FROM"))

    assert sealing.seal() == sealing.Sealed(1, 2)
    assert sealing.seal() == sealing.Sealed(0, 0)
    trails.write(1)
    assert sealing.seal() == sealing.Sealed(1, 1)
    assert named({0: f"list: event {other}, seal 0", 1: "list: seal 1", 900: "cut: seal 5"}[seal])
    assert waiting < other < later


@pytest.mark.skipif(connection.vendor != "sqlite", reason="keeps bytes that are no text in any column")
def test_a_row_of_bytes_that_are_no_text_does_not_stop_the_sealer_and_is_named(ids, named):
    _one, odd, _two = trails.write(3)
    trails.tamper(f"UPDATE audit_event SET action = CAST(X'C328' AS TEXT) WHERE id = {odd}")

    assert sealing.seal() == sealing.Sealed(1, 2)
    assert trails.verify().ok  # it may be one that is late
    trails.aged(odd, timedelta(hours=2))
    assert named(f"inserted: event {odd}:")


def test_gaps_that_were_written_by_hand_do_not_stop_the_sealer(ids):
    """One over what is sealed, one over that, one past the newest, one where the sealer writes its own."""
    now, last = timezone.now() - timedelta(minutes=1), ids[1][-1]
    ends = [(ids[0][0], ids[1][0]), (ids[0][1], ids[0][1]), (last + 1, last + 90), (last + 2, last + 2)]
    Gap.objects.all().delete()
    Gap.objects.bulk_create(Gap(first=one, last=two, seen_at=now, look_at=now) for one, two in ends)
    _kept, hidden, _last = trails.write(3)
    trails.tamper(f"DELETE FROM audit_event WHERE id = {hidden}")

    assert sealing.seal() == sealing.Sealed(1, 2)
    assert trails.verify().ok


def test_nothing_is_sealed_after_a_seal_that_is_not_ours(ids, named):
    trails.tamper(sealed_as(3))
    trails.write(1)

    with pytest.raises(sealing.ForgedError, match="seal 3"):
        sealing.seal()
    with pytest.raises(CommandError, match="seal 3"):
        call_command("audit", "seal")
    assert named("signature: seal 3")


def test_a_seal_below_1_does_not_tell_the_sealer_where_to_begin(ids):
    trails.tamper(sealed_as(0), f"UPDATE audit_seal SET last_event = {10**15} WHERE number = 0")
    trails.write(2)

    assert sealing.seal() == sealing.Sealed(1, 2)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="keeps anything in any column")
def test_rows_that_cannot_be_read_do_not_stop_the_sealer(ids, monkeypatch):
    monkeypatch.setattr(sealing, "_SLICE", 2)
    odd = trails.write(4)
    with trails.owner() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(f"UPDATE audit_event SET timestamp = 5 WHERE id IN ({', '.join(map(str, odd))})")
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
    (fine,) = trails.write(1)

    assert sealing.seal() == sealing.Sealed(1, 1)
    assert trails.newest().last_event == fine


def test_events_that_wait_behind_one_of_a_time_to_come_are_named(ids, named):
    ahead, waiting = trails.write(2)
    trails.aged(ahead, timedelta(hours=-5))
    trails.aged(waiting, timedelta(minutes=10))
    long_ago = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(minutes=10))
    with trails.owner() as cursor:
        cursor.execute("UPDATE audit_seal SET sealed_at = %s", [long_ago])

    assert named(f"unsealed: event {waiting}:")


@pytest.mark.parametrize("change", ["sealed_at = '9999-12-31 23:59:59'", "{count} = 2000000000", "{count} = 0"])
def test_j04_a_seal_with_values_that_no_seal_has_is_named(ids, named, change):
    count = connection.ops.quote_name("count")
    trails.tamper(f"UPDATE audit_seal SET {change.format(count=count)} WHERE number = 2")

    assert trails.first_found(trails.verify()) == ("unreadable", None, 2)
    assert named("unreadable: seal 2")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="keeps anything in any column")
def test_j04_a_moment_with_a_zone_is_named(ids, named):
    (event,) = trails.write(1)
    trails.tamper(f"UPDATE audit_event SET timestamp = '2026-01-01 00:00:00+02:00' WHERE id = {event}")
    sealing.seal()

    assert named(f"unreadable: event {event}, seal 3")


def test_many_edits_at_a_time_are_named_without_a_look_for_swaps(ids):
    (more,) = trails.sealed(60)
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id >= {more[0]}")

    assert trails.found(trails.verify()) == [("edited", event, 3) for event in more]


@pytest.mark.one_engine
def test_more_seals_than_are_read_at_a_time(monkeypatch):
    monkeypatch.setattr(verification, "_SEALS", 1)
    monkeypatch.setattr(sealing, "FULL", 1)
    monkeypatch.setattr(verification, "FULL", 1)
    trails.write(1100)  # SQLite takes no condition that is a thousand deep
    sealing.seal()

    report = trails.verify()
    assert (report.ok, report.seals) == (True, 1100)
