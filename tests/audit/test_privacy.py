"""What tells of a person stands in the trail only as ciphertext, and is gone for good with its key."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit import datakeys, indexing, privacy, queries
from audit.models import Event, Index, SubjectKey
from gatehouse.client import Client
from gatehouse.encryption import DecryptionFailed
from gatehouse.events import Actor
from tests.audit.conftest import CLIENT

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CANARY = "canary-7f3a"
PERSON = Actor("user", "7", "user")
ADMIN = Actor("user", "9", "admin")
FROM = Client(ip="198.51.100.77", user_agent=f"{CANARY}-agent", request_id="r-1")


def about_7(write: Any, **given: Any) -> Event:
    what = {
        "user_id": "7",
        "actor": PERSON,
        "email": f"{CANARY}@example.com",
        "details": {"name": f"{CANARY} Doe"},
        "error_message": f"{CANARY} said no",
        "client": FROM,
    }
    return write(**{**what, **given})


def clean(*options: str) -> str:
    said = io.StringIO()
    call_command("cleanup", "--only", "trail-keys", *options, stdout=said)
    return said.getvalue().strip().splitlines()[-1]


def table() -> str:
    """Return every byte of every table, as text."""
    with connection.cursor() as cursor:
        found = []
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            found += [repr([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in cursor.fetchall()]
    return "\n".join(found)


def test_what_tells_of_a_person_is_only_in_the_ciphertexts(write):
    event = about_7(write)

    row = Event.objects.values().get(pk=event.pk)
    assert CANARY not in table() and FROM.ip not in table()
    assert bytes(row["network"])[:1] == bytes(row["personal"])[:1] == b"\x01"
    read = Event.objects.get(pk=event.pk)
    assert (read.ip_address, read.user_agent) == (FROM.ip, FROM.user_agent)
    assert (read.email, read.details["name"], read.error_message) == (
        f"{CANARY}@example.com",
        f"{CANARY} Doe",
        f"{CANARY} said no",
    )
    assert read.erased == ()


def test_what_is_empty_has_no_ciphertext_and_needs_no_key(write):
    event = write(client=Client(ip=None), actor=Actor.system())

    row = Event.objects.values("network", "personal").get(pk=event.pk)
    assert row == {"network": None, "personal": None}
    assert not SubjectKey.objects.exists()


def test_whose_the_data_is(write):
    with time_machine.travel(datetime(2026, 11, 21, 23, 59, tzinfo=UTC), tick=False):
        about_7(write)
        about_7(write, actor=ADMIN)
        about_7(write, actor=Actor.anonymous())
        about_7(write, actor=Actor.service("3", "backup"), user_id=None)
        about_7(write, actor=Actor.anonymous(), user_id=None, email=None)

    found = set(SubjectKey.objects.values_list("kind", "subject", "month"))
    typed = {row for row in found if row[1].startswith("address:")}
    assert len(typed) == 1 and CANARY not in str(typed)
    assert found - typed == {
        ("network", "user:7", "2026-11"),
        ("network", "kept:user:9", "2026-11"),
        ("network", "day:2026-11-21", "2026-11"),
        ("network", "kept:service:3", "2026-11"),
        ("personal", "user:7", "2026-11"),
        ("personal", "day:2026-11-21", "2026-11"),
    }


def test_a_new_month_is_a_new_key(write):
    for month in (10, 11):
        with time_machine.travel(datetime(2026, month, 2, tzinfo=UTC), tick=False):
            about_7(write)

    assert sorted(SubjectKey.objects.filter(kind="network").values_list("month", flat=True)) == ["2026-10", "2026-11"]


@pytest.mark.django_db(transaction=True)
def test_a_key_is_read_once_a_process_and_a_key_that_was_rolled_back_is_not_kept(write):
    with pytest.raises(RuntimeError), transaction.atomic():
        about_7(write)
        raise RuntimeError
    assert not SubjectKey.objects.exists()
    about_7(write)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        event = about_7(write)
    statements = [query["sql"] for query in asked if "audit_subject_key" in query["sql"]]
    assert statements == []
    assert Event.objects.get(pk=event.pk).email == f"{CANARY}@example.com"


def test_a_list_is_opened_by_one_query(write):
    for number in range(5):
        about_7(write, user_id=str(number), actor=Actor("user", str(number), "user"))

    with CaptureQueriesContext(connection) as asked:
        seen = [(event.email, event.ip_address, event.details) for event in queries.events()]
    assert len(seen) == 5 and len(asked) == 2
    with CaptureQueriesContext(connection) as asked:
        assert sorted(event.email for event in queries.events().iterator()) == sorted(row[0] for row in seen)
    assert len(asked) == 2


def test_erasure_leaves_nothing_of_the_person_in_any_table(write, settings):
    """An attacker with the whole database and every key still held finds nothing."""
    mine = [about_7(write), about_7(write, actor=ADMIN), about_7(write, user_id=None, actor=Actor.anonymous())]
    other = about_7(write, user_id="8", actor=Actor("user", "8", "user"), email="other@example.com", details={})
    indexing.enter([*mine, other])
    before = list(Event.objects.order_by("pk").values())

    privacy.erase(user_id="7", addresses=[f"{CANARY.upper()}@example.com"])

    assert list(Event.objects.order_by("pk").values()) == before, "the trail itself stays as it was"
    for event in Event.objects.filter(pk__in=[row.pk for row in mine]):
        assert (event.email, event.details, event.error_message) == (None, {}, "")
        assert CANARY not in str(event.user_agent) or event.actor_type != "user" or event.actor_id != "7"
    assert Event.objects.get(pk=mine[0].pk).erased == ("network", "personal")
    assert Event.objects.get(pk=mine[1].pk).ip_address == FROM.ip, "that is the member of staff's own"
    read = Event.objects.get(pk=other.pk)
    assert read.email == "other@example.com" and read.erased == ()
    assert set(Index.objects.values_list("event_id", flat=True)) <= {mine[1].pk, mine[2].pk, other.pk}
    left = SubjectKey.objects.filter(subject__endswith="user:7")
    assert set(left.values_list("kind", "wrapped")) == {(datakeys.CLOSED, "")}
    assert _opened_by_force(mine[0].pk) == []


def test_what_was_under_way_at_an_erasure_is_sealed_for_nobody(write):
    privacy.erase(user_id="7")
    keys = SubjectKey.objects.count()
    late = about_7(write)

    assert SubjectKey.objects.count() == keys
    assert Event.objects.get(pk=late.pk).erased == ("network", "personal")
    assert (
        about_7(write, user_id="8", actor=Actor("user", "8", "user")).email and SubjectKey.objects.count() == keys + 2
    )


def _opened_by_force(pk: int) -> list[Any]:
    """Try every key that is still held on the ciphertexts of one event."""
    row = Event.objects.get(pk=pk)
    held = SubjectKey.objects.exclude(kind=datakeys.CLOSED).values_list("pk", flat=True)
    keys = datakeys.to_read(held, alias="default").values()
    found = []
    for kind in ("network", "personal"):
        for key in keys:
            found += [content] if (content := privacy._open(row, kind, key)) else []
    return found


def test_what_somebody_puts_beside_another_ciphertext_cannot_be_read(write):
    """A row that only the database wrote does not open: J04."""
    mine, theirs = about_7(write), about_7(write, action="authn_login_fail")
    mine = Event.objects.get(pk=mine.pk)
    mine.personal = Event.objects.get(pk=theirs.pk).personal

    assert mine.email is None
    assert mine.erased == ("personal_altered",)


def test_network_data_goes_after_its_time_but_for_staff_and_services(write):
    with time_machine.travel(datetime(2026, 8, 31, 12, tzinfo=UTC), tick=False):
        rows = [about_7(write), about_7(write, actor=ADMIN), about_7(write, actor=Actor.service("3", "backup"))]
        typed = about_7(write, user_id=None, actor=Actor.anonymous())

    with time_machine.travel(datetime(2026, 11, 29, tzinfo=UTC), tick=False):
        assert clean() == "trail-keys: 0 destroyed", "the last day of the month is not 90 days old"
    with time_machine.travel(datetime(2026, 11, 30, tzinfo=UTC), tick=False):
        about = "keys of network data and of addresses that no account has, in the trail, by months"
        assert clean("--dry-run") == f"trail-keys: 3 would be destroyed ({about})"
        assert clean() == "trail-keys: 3 destroyed"
    ips = [Event.objects.get(pk=row.pk).ip_address for row in rows]
    assert ips == [None, FROM.ip, FROM.ip]
    assert Event.objects.get(pk=rows[0].pk).email == f"{CANARY}@example.com", "what was typed stays with the account"
    assert Event.objects.get(pk=typed.pk).email is None, "an address that nobody has does not"


def test_nothing_goes_where_the_setting_says_so(write, settings):
    settings.AUDIT = settings.AUDIT | {"PRIVACY_RETENTION": timedelta(0)}
    with time_machine.travel(datetime(2020, 1, 1, tzinfo=UTC), tick=False):
        event = about_7(write)

    assert clean() == "trail-keys: 0 destroyed"
    assert Event.objects.get(pk=event.pk).ip_address == FROM.ip


def test_a_new_key_in_front_reads_what_the_old_one_sealed(write, settings):
    old, new = "o" * 40, "n" * 40
    settings.AUDIT = settings.AUDIT | {"KEYS": (old,)}
    event = about_7(write)
    indexing.enter([event])
    settings.AUDIT = settings.AUDIT | {"KEYS": (new, old)}
    datakeys.forget()
    with time_machine.travel(datetime(2031, 1, 1, tzinfo=UTC), tick=False):
        later = about_7(write)

    assert [e.email for e in queries.events(email=f"{CANARY}@example.com")] == [f"{CANARY}@example.com"] * 2
    settings.AUDIT = settings.AUDIT | {"KEYS": (new,)}
    datakeys.forget()
    assert Event.objects.get(pk=later.pk).ip_address == FROM.ip
    lost = Event.objects.get(pk=event.pk)
    assert (lost.email, lost.erased) == (None, ("network_unreadable", "personal_unreadable"))
    with transaction.atomic(), pytest.raises(DecryptionFailed, match="KEYS"):
        indexing.enter([lost])


def test_a_key_that_nothing_opens_hides_its_rows_and_no_others(write, caplog):
    lost, other = about_7(write), about_7(write, user_id="8", actor=Actor("user", "8", "user"))
    SubjectKey.objects.filter(subject="user:7", kind="personal").update(wrapped="v1:00000000:damaged")
    rows = {row.pk: row for row in queries.events(users=["7", "8"])}

    assert (rows[lost.pk].email, rows[lost.pk].erased) == (None, ("personal_unreadable",))
    assert rows[lost.pk].ip_address == FROM.ip
    assert (rows[other.pk].email, rows[other.pk].erased) == (other.email, ())
    assert [record.levelname for record in caplog.records if "KEYS" in record.message] == ["ERROR"]


@pytest.mark.parametrize("text", [b"", b"x", b"\x01" + b"k" * 15, b"\x01" + b"k" * 40])
def test_bytes_that_are_no_ciphertext_hide_their_row_alone(write, text):
    row = Event.objects.get(pk=about_7(write).pk)
    row.personal = text

    assert row.ip_address == FROM.ip and row.email is None
    assert row.erased == {b"": (), b"\x01" + b"k" * 40: ("personal",)}.get(text, ("personal_altered",))


def test_a_search_is_answered_from_digests_once_they_are_entered(write):
    event = about_7(write)
    about_7(write, email="other@example.com", client=CLIENT)
    indexing.enter(Event.objects.all())

    for filters in (
        {"email": f" {CANARY}@EXAMPLE.com"},
        {"ip": FROM.ip},
        {"ip": "198.51.100.0/24"},
        {"q": event.email},
    ):
        assert [row.pk for row in queries.events(**filters)] == [event.pk]
    assert FROM.ip not in table() and CANARY not in table()


def test_two_first_events_of_a_subject_at_once_share_one_key(transactional_db, race, write):
    outcomes = race([lambda: about_7(write)] * 4)

    assert {type(outcome) for outcome in outcomes} == {Event}
    assert SubjectKey.objects.count() == 2
    assert {event.email for event in Event.objects.all()} == {f"{CANARY}@example.com"}
