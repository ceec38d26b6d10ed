"""J03 to J06: whoever owns the database changes the trail, and ``verify`` names what was changed."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from audit import canonical, checkpoints, checks, contents, immutability, integrity, sealing, signing, verification
from audit.models import Event
from audit.seals import Seal, SealedEvent
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)

VENDOR = connection.vendor
# A value for each column that no row of these trails has.
OTHER = {
    "action": "'user_registered'",
    "actor_id": "'8'",
    "actor_label": "'root'",
    "actor_type": "'system'",
    "event_type": "'ADMIN'",
    "failure_reason": "'csrf'",
    "network": "X'00'" if VENDOR != "postgresql" else "'\\x00'",
    "personal": "X'00'" if VENDOR != "postgresql" else "'\\x00'",
    "request_id": "'request-2'",
    "resource": "'/account '",
    "session_id": "'s'",
    "success": "false" if VENDOR == "postgresql" else "0",
    "timestamp": "'2026-01-01 00:00:00.000001'",
    "user_id": "NULL",
}


@pytest.fixture
def ids():
    """Three seals of three events each."""
    return trails.sealed(3, 3, 3)


def test_what_nobody_touched_is_whole(ids):
    report = trails.verify()

    assert report.ok and trails.found(report) == []
    assert (report.seals, report.events, report.sealed_through) == (3, 9, ids[-1][-1])


def test_an_empty_trail_is_whole():
    assert trails.verify().ok


@pytest.mark.parametrize("column", sorted(set(canonical.COLUMNS) - {"id"}))
def test_j04_an_edit_of_any_column_is_named(ids, column):
    event = ids[1][1]
    name = connection.ops.quote_name(column)
    trails.tamper(f"UPDATE audit_event SET {name} = {OTHER[column]} WHERE id = {event}")

    assert trails.found(trails.verify()) == [("edited", event, 2)]


def test_j04_an_edit_of_the_id_is_named(ids):
    event = ids[1][1]
    trails.tamper(f"UPDATE audit_event SET id = id + 1000000 WHERE id = {event}")

    assert trails.first_found(trails.verify()) == ("removed", event, 2)


@pytest.mark.parametrize(("seal", "place"), [(0, 0), (1, 1), (2, 2)])
def test_j04_a_row_that_was_deleted_is_named(ids, seal, place):
    event = ids[seal][place]
    trails.tamper(f"DELETE FROM audit_event WHERE id = {event}")

    assert trails.found(trails.verify()) == [("removed", event, seal + 1)]


def test_j04_two_rows_that_were_swapped_are_named(ids):
    one, two = ids[1][0], ids[1][2]
    away = two + 1_000_000
    trails.tamper(
        f"UPDATE audit_event SET id = {away} WHERE id = {one}",
        f"UPDATE audit_event SET id = {one} WHERE id = {two}",
        f"UPDATE audit_event SET id = {two} WHERE id = {away}",
    )

    assert trails.found(trails.verify()) == [("swapped", one, 2), ("swapped", two, 2)]


def copy_as(event: int, new: int) -> str:
    names = ", ".join(connection.ops.quote_name(name) for name in canonical.COLUMNS if name != "id")
    return f"INSERT INTO audit_event (id, {names}) SELECT {new}, {names} FROM audit_event WHERE id = {event}"


def test_j04_a_row_that_was_put_in_is_named():
    one, two, _three = trails.write(3)
    trails.tamper(f"DELETE FROM audit_event WHERE id = {two}")
    sealing.seal()
    trails.tamper("DELETE FROM audit_gap", copy_as(one, two))

    assert trails.found(trails.verify()) == [("inserted", two, None)]


def test_j05_a_row_with_a_moment_of_the_past_is_named(ids):
    (event,) = trails.write(1)
    trails.aged(event, timedelta(hours=2))
    assert trails.verify().ok  # nobody has sealed it yet
    sealing.seal()

    assert trails.found(trails.verify()) == [("back_dated", event, 4)]


def test_j05_a_row_that_was_late_by_hours_is_named():
    one, two, _three = trails.write(3)
    trails.tamper(f"DELETE FROM audit_event WHERE id = {two}")
    sealing.seal()
    trails.tamper(copy_as(one, two))
    trails.aged(two, timedelta(hours=2))
    sealing.seal()

    assert trails.found(trails.verify()) == [("late", two, 2)]


def test_j05_a_row_with_a_moment_to_come_is_named(ids):
    (event,) = trails.write(1)
    trails.aged(event, timedelta(hours=-2))
    sealing.seal()

    assert trails.found(trails.verify()) == [("post_dated", event, 4)]


def test_a_sealer_that_was_away_for_long_makes_nobody_suspicious(monkeypatch):
    for module in (sealing, verification):
        monkeypatch.setattr(module, "FULL", 2)
    for event in trails.write(5):
        trails.aged(event, timedelta(hours=3))
    sealing.seal(now=timezone.now() - timedelta(hours=4))  # nothing of that was there then, for all it knew
    trails.tamper("DELETE FROM audit_seal", "DELETE FROM audit_sealedevent", "DELETE FROM audit_gap")
    assert sealing.seal().seals == 3
    assert trails.verify().ok


def test_j04_a_chain_made_anew_without_the_key_is_named_from_its_first_seal(ids, settings):
    """Somebody edits an event and seals everything from there on with a key of their own."""
    mine = settings.AUDIT
    trails.tamper(
        f"UPDATE audit_event SET user_id = 'x' WHERE id = {ids[1][0]}",
        "DELETE FROM audit_sealedevent WHERE seal_id > 1",
        "DELETE FROM audit_seal WHERE number > 1",
    )
    ours = tuple(key.text for key in signing.public_keys().values())
    settings.AUDIT = mine | {"SIGNING_KEY": "A" * 43 + "=", "PUBLIC_KEYS": ours}
    sealing.seal()
    settings.AUDIT = mine

    assert trails.found(trails.verify()) == [("signature", None, 2)]


def test_j04_a_forged_signature_is_named(ids):
    seal = Seal.objects.get(number=2)
    first = Seal.objects.get(number=1)
    trails.tamper(f"UPDATE audit_seal SET signature = '{first.signature}' WHERE number = 2")
    assert trails.found(trails.verify()) == [("signature", None, seal.number)]

    trails.tamper("UPDATE audit_seal SET signature = 'no base64!' WHERE number = 2")
    assert trails.found(trails.verify()) == [("signature", None, seal.number)]


@pytest.mark.parametrize(
    "change",
    ["root = previous", "count = 4", "first_event = 1000", "sealed_at = '2026-01-01 00:00:00'", "key_id = 'x'"],
)
def test_j04_a_seal_that_was_edited_is_named(ids, change):
    trails.tamper(f"UPDATE audit_seal SET {change} WHERE number = 2")

    code, event, seal = trails.first_found(trails.verify())
    assert (event, seal) == (None, 2)
    assert code == "signature"


def test_j04_a_seal_that_is_gone_from_the_middle_is_named(ids):
    trails.tamper("DELETE FROM audit_seal WHERE number = 2")

    assert trails.first_found(trails.verify()) == ("seal_missing", None, 2)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DELETE FROM audit_sealedevent WHERE seal_id = 2 AND position = 1", "list"),
        ("UPDATE audit_sealedevent SET position = position + 1 WHERE seal_id = 2", "list"),
        ("UPDATE audit_sealedevent SET seal_id = 1 WHERE seal_id = 2 AND position = 1", "list"),
    ],
)
def test_j04_a_list_of_events_that_was_changed_is_named(ids, statement, code):
    trails.tamper(statement)

    found = trails.found(trails.verify())
    assert (code, None, 2) in found


def test_j04_an_edit_that_was_hidden_in_the_list_is_named_by_its_seal(ids):
    event = ids[1][1]
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id = {event}")
    (row,) = canonical.rows(connection, "e.id = %s", [event])
    leaf = contents.merkle.leaf_hash(canonical.leaf_bytes(row))
    with trails.owner() as cursor:
        cursor.execute("UPDATE audit_sealedevent SET leaf = %s WHERE event_id = %s", [leaf, event])

    assert trails.found(trails.verify()) == [("list", None, 2)]


def cut() -> None:
    """Take the newest seal away with all that it holds."""
    last = trails.newest().number
    trails.tamper(
        f"DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_sealedevent WHERE seal_id = {last})",
        f"DELETE FROM audit_sealedevent WHERE seal_id = {last}",
        f"DELETE FROM audit_seal WHERE number = {last}",
    )


def test_j04_the_newest_seals_cut_off_are_found_by_a_checkpoint(ids):
    note = checkpoints.make().note
    assert trails.verify(notes=[note]).ok
    cut()

    assert trails.verify().ok  # nothing here says that there was more
    assert trails.found(trails.verify(notes=[note])) == [("cut", None, 3)]
    trails.sealed(1)  # and it does not help to seal others instead
    assert trails.found(trails.verify(notes=[note])) == [("history", None, 3)]


def test_j04_a_checkpoint_that_was_published_and_kept_counts_without_being_named(ids):
    checkpoints.keep(checkpoints.make(), now=timezone.now())
    cut()

    assert trails.found(trails.verify()) == [("cut", None, 3)]


def test_j04_seals_cut_off_without_their_list_are_found(ids):
    trails.tamper("DELETE FROM audit_seal WHERE number = 3")

    assert ("cut", None, 3) in trails.found(trails.verify())


def test_a_checkpoint_of_others_does_not_count(ids, settings):
    note = checkpoints.make().note
    settings.AUDIT = settings.AUDIT | {"ORIGIN": "elsewhere.example/audit"}
    theirs = checkpoints.make().note
    report = trails.verify(notes=[note])
    assert trails.found(report) == [("checkpoint", None, None)]
    assert "testserver/audit" in report.findings[0].says
    settings.AUDIT = settings.AUDIT | {"ORIGIN": ""}
    forged = theirs.replace("elsewhere.example/audit", "testserver/audit")
    assert "none of our keys" in trails.verify(notes=[forged]).findings[0].says
    assert trails.found(trails.verify(notes=["no note"])) == [("checkpoint", None, None)]


@pytest.mark.skipif(VENDOR != "sqlite", reason="keeps anything in any column")
@pytest.mark.parametrize(
    ("change", "code"),
    [("action = CAST(X'C328' AS TEXT)", "unreadable"), ("success = 'x'", "edited"), ("timestamp = 5", "edited")],
)
def test_j04_a_row_that_cannot_be_read_is_named(ids, change, code):
    with trails.owner() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(f"UPDATE audit_event SET {change} WHERE id = {ids[1][1]}")
        cursor.execute("PRAGMA ignore_check_constraints = OFF")

    assert trails.found(trails.verify()) == [(code, ids[1][1], 2)]


@pytest.mark.skipif(VENDOR != "postgresql", reason="has times without an end and before Christ")
@pytest.mark.parametrize("moment", ["'infinity'", "timestamp - interval '4051 years'"])
def test_j04_a_row_with_a_moment_that_python_does_not_know_is_named(ids, moment):
    trails.tamper(f"UPDATE audit_event SET timestamp = {moment} WHERE id = {ids[1][1]}")

    assert trails.found(trails.verify()) == [("edited", ids[1][1], 2)]


@pytest.mark.skipif(VENDOR != "sqlite", reason="keeps anything in any column")
def test_j04_a_seal_that_cannot_be_read_is_named(ids):
    trails.tamper("UPDATE audit_seal SET root = CAST(X'C328' AS TEXT) WHERE number = 2")

    assert trails.first_found(trails.verify()) == ("unreadable", None, 2)


def test_j03_a_missing_trigger_is_named(ids):
    immutability.uninstall(connection, ["audit_sealedevent"])

    (finding,) = trails.verify().findings
    assert finding.code == "triggers" and "audit_sealedevent_no" in finding.says


def test_events_that_nobody_seals_are_named(ids):
    (event,) = trails.write(1)
    trails.aged(event, timedelta(minutes=10))
    assert trails.verify().ok  # something was sealed a moment ago: it is the turn of the next run
    trails.tamper("DELETE FROM audit_seal", "DELETE FROM audit_sealedevent", "DELETE FROM audit_gap")
    trails.aged(ids[0][0], timedelta(minutes=10))

    assert trails.found(trails.verify()) == [("unsealed", ids[0][0], None)]


def test_it_begins_with_a_later_seal_where_one_says_so(ids):
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id = {ids[0][0]}")

    report = trails.verify(first=2)
    assert report.ok
    assert (report.seals, report.events) == (2, 6)


def test_large_seals_are_read_in_slices(monkeypatch):
    monkeypatch.setattr(contents, "SLICE", 2)
    ids = trails.sealed(7, 1, 1, 4, 2)
    assert trails.verify().ok
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id IN ({ids[0][6]}, {ids[3][1]}, {ids[4][0]})")

    expected = [("edited", ids[0][6], 1), ("edited", ids[3][1], 4), ("edited", ids[4][0], 5)]
    assert trails.found(trails.verify()) == expected


def test_a_key_of_former_times_verifies_as_long_as_it_is_named(settings, ids):
    mine = settings.AUDIT
    former = next(iter(signing.public_keys().values()))
    settings.AUDIT = mine | {"SIGNING_KEY": "A" * 43 + "="}
    assert trails.first_found(trails.verify())[0] == "signature"  # what is derived counts no more

    settings.AUDIT |= {"PUBLIC_KEYS": (former.text,)}
    trails.sealed(1)
    assert trails.verify().ok
    settings.AUDIT = mine | {"KEYS": ("a new key of the trail, at random", *mine["KEYS"])}
    assert trails.found(trails.verify()) == [("signature", None, 4)]


def test_j04_a_key_derived_from_what_every_process_holds_counts_only_where_no_other_is_named(settings, ids):
    """Whoever took a web process seals anew by the key derived from KEYS; the verifier knows public keys alone."""
    mine = settings.AUDIT
    settings.AUDIT = mine | {"SIGNING_KEY": "A" * 43 + "="}
    (named,) = signing.public_keys().values()
    settings.AUDIT = mine | {"PUBLIC_KEYS": (named.text,)}

    assert list(signing.public_keys()) == [named.key_id]
    assert trails.found(trails.verify()) == [("signature", None, number) for number in (1, 2, 3)]
    trails.write(1)
    with pytest.raises(ImproperlyConfigured, match="SIGNING_KEY"):
        sealing.seal()
    assert checks.check_keys(None) == []  # a machine that only verifies


def test_how_the_last_one_ended_is_kept(ids):
    assert integrity.integrity(now=timezone.now())["ok"] is False  # nobody has looked
    integrity.keep(trails.verify(), now=timezone.now())
    stands = integrity.integrity(now=timezone.now())
    assert (stands["ok"], stands["sealed_through"], stands["findings"]) == (True, ids[-1][-1], [])

    trails.tamper(f"DELETE FROM audit_event WHERE id = {ids[1][1]}")
    integrity.keep(trails.verify(), now=timezone.now())
    stands = integrity.integrity(now=timezone.now())
    assert not stands["ok"]
    assert [(one["code"], one["event"]) for one in stands["findings"]] == [("removed", ids[1][1])]


def test_j13_a_trail_that_moves_to_another_table_verifies(ids):
    """What is copied row by row, ids included, is what was sealed."""
    rows = {model: list(model.objects.values()) for model in (Event, Seal, SealedEvent)}
    trails.tamper("DELETE FROM audit_event", "DELETE FROM audit_seal", "DELETE FROM audit_sealedevent")
    for model, values in rows.items():
        model.objects.bulk_create(model(**value) for value in values)

    assert trails.verify().ok
