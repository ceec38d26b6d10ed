"""Reading the trail: each filter finds what it says and nothing else, newest first."""

from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from django.db import connection
from django.utils import timezone

from audit import queries
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def found(**filters) -> list[int]:
    return [event.pk for event in queries.events(**filters)]


def at(address: str | None) -> Client:
    return Client(ip=address)


def test_all_come_newest_first(write):
    keys = [write().pk for _ in range(3)]

    assert found() == keys[::-1]


def test_types_and_actions_may_repeat(write):
    login = write()
    change = write(event_type="USER_MANAGEMENT", action="authz_change")
    write(event_type="SYSTEM", action="sys_started")

    assert found(types=["SECURITY", "USER_MANAGEMENT"]) == [change.pk, login.pk]
    assert found(actions=["authz_change"]) == [change.pk]
    assert found(types=["SECURITY"], actions=["authz_change"]) == []


def test_users_are_subjects_actors_or_either(write):
    own = write(user_id="1")
    done_to = write(user_id="1", actor=Actor("user", "2", "admin"))
    other = write(user_id="3", actor=Actor("user", "1", "admin"))
    write(user_id="4", actor=Actor("service", "1", "backup"))

    assert found(users=["1"]) == [other.pk, done_to.pk, own.pk]
    assert found(users=[1], as_role="subject") == [done_to.pk, own.pk]
    assert found(users=["1"], as_role="actor") == [other.pk, own.pk]
    assert found(users=["2", "3"]) == [other.pk, done_to.pk]
    assert [event.pk for event in queries.timeline(1)] == [done_to.pk, own.pk]


def test_ids_are_compared_exactly(write):
    write(user_id="abc")

    assert found(users=["ABC"]) == []
    assert found(users=["ab"]) == []


def test_an_address_is_found_however_it_was_typed(write):
    event = write(email="Jane@Example.com")
    write(email="jane_@example.com")

    assert found(email=" jane@example.COM ") == [event.pk]
    assert found(email="j%") == []
    assert found(q="jane@example.com") == [event.pk]


def test_success_is_a_filter_of_two_sides(write):
    good, bad = write(), write(success=False)

    assert found(success=True) == [good.pk]
    assert found(success=False) == [bad.pk]


def test_a_resource_is_matched_from_its_beginning(write):
    one = write(resource="/Files/a_b%c")
    two = write(resource="/Files/a_b%c/d")
    write(resource="/files/a_b%c")
    write(resource="/Files/axbyc")
    write(resource="see /Files/a_b%c")

    assert found(resource="/Files/a_b%c") == [two.pk, one.pk]
    assert found(resource="/Files/a_b%c/") == [two.pk]


def test_session_and_request_are_exact(write):
    event = write(session_id="s-1", client=Client(ip=None, request_id="r-1"))
    write(session_id="s-10", client=Client(ip=None, request_id="r-10"))

    assert found(session="s-1") == found(request_id="r-1") == [event.pk]
    assert found(q="s-1") == found(q=" r-1 ") == found(q=str(event.pk)) == [event.pk]
    assert found(q="s") == found(q="9" * 30) == found(q="١") == []


def test_since_is_inclusive_and_until_exclusive(write):
    first, second = write(), write()
    moment = first.timestamp
    later = [event.pk for event in (second, first) if event.timestamp >= moment]

    assert found(since=moment) == later
    assert first.pk not in found(until=moment)
    assert first.pk in found(until=moment + timedelta(microseconds=1))
    assert first.pk not in found(since=moment + timedelta(microseconds=1))
    assert found(since=timezone.now() + timedelta(days=1)) == []


def test_a_whole_second_is_compared_like_any_other_time(db):
    moment = datetime.fromisoformat("2026-11-01T12:00:00+00:00")
    Event.objects.bulk_create(
        [Event(timestamp=moment, event_type="SYSTEM", action="a", actor_type="system", success=True)]
    )

    assert len(found(since=moment)) == len(found(until=moment + timedelta(microseconds=1))) == 1
    assert found(until=moment) == found(since=moment + timedelta(microseconds=1)) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite keeps times as text")
def test_the_clock_of_sqlite_writes_times_as_django_does(write):
    event = write()
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamp FROM audit_event WHERE id = %s", [event.pk])
        (text,) = cursor.fetchone()

    assert text in {str(event.timestamp.replace(tzinfo=None)), event.timestamp.replace(tzinfo=None)}


def test_an_ip_is_exact_or_one_of_four_prefixes(write):
    inside, near = write(client=at("198.51.100.7")), write(client=at("198.51.101.7"))
    write(client=at("198.52.100.7"))
    write(client=at(None))
    six = write(client=at("2001:db8::1"))

    assert found(ip="198.51.100.7") == [inside.pk]
    assert found(ip="198.51.100.0/24") == [inside.pk]
    assert found(ip="198.51.0.0/16") == [near.pk, inside.pk]
    assert found(ip="2001:DB8:0::0001") == [six.pk]
    assert found(ip="2001:db8::/64") == found(ip="2001:db8::/48") == [six.pk]


SIX = [
    *("2001:db8::1", "2001:db8::", "2001:db8:0:0:1::", "2001:db8::1:2:3:4", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"),
    *("2001:db8:0:1:0:1:0:1", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", "2001:db8:1::1", "::1", "::", "::5:0:0:0:1"),
    *(
        "0:0:0:1::",
        "::1:0:0:0:0",
        "fe80::1",
        "ffff::ffff",
        "ffff:ffff:ffff:ffff::",
        "ffff:ffff:ffff:0:1::",
        "1:0:0:2::",
    ),
    *("1:0:0:2:0:0:0:1", "1:0:0:2:3:4:5:6", "2001:db80::1", "12:db8::1"),
]


@pytest.mark.parametrize("width", [48, 64])
def test_a_network_of_ipv6_holds_exactly_its_addresses(write, width):
    for address in SIX:
        write(client=at(str(ip_address(address))))
    write(client=at("198.51.100.7"))

    for address in SIX:
        network = ip_network(f"{address}/{width}", strict=False)
        expected = {str(ip_address(other)) for other in SIX if ip_address(other) in network}
        assert {event.ip_address for event in queries.events(ip=str(network))} == expected


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4/8", "1.2.3.4/32", "::/0", "::1/128", "1.2.3.4/24/24"])
def test_an_ip_that_is_none_of_these_is_refused(text):
    with pytest.raises(queries.FilterError) as refusal:
        queries.events(ip=text)
    assert refusal.value.name == "ip"


WRONG = {
    "types": {"types": ["OTHER"]},
    "as_role": {"users": ["1"], "as_role": "victim"},
    "since": {"since": datetime(2026, 1, 1)},
    "until": {"until": datetime(2026, 1, 1)},
    "email": {"email": "a\x00"},
    "users": {"users": ["\ud800"]},
    "q": {"q": "\x00"},
    "resource": {"resource": "\x00"},
    "actions": {"actions": ["\x00"]},
    "session": {"session": "\x00"},
    "request_id": {"request_id": "\x00"},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_filter_that_cannot_be_right_is_refused_by_name(name):
    with pytest.raises(queries.FilterError) as refusal:
        queries.events(**WRONG[name])

    assert refusal.value.name == name


def test_one_event_is_found_by_its_number(event):
    assert queries.find(event.pk) == event
    assert queries.find(event.pk + 1) is None


def test_what_is_read_cannot_be_changed(event):
    with pytest.raises(Exception, match="append-only"):
        queries.events().delete()


def test_why_something_failed_is_a_filter(write):
    write(action="authn_login_success")
    locked = write(action="authn_login_fail", success=False, failure_reason="locked")
    write(action="authn_login_fail", success=False, failure_reason="rate_limited")
    assert [event.pk for event in queries.events(reason="locked")] == [locked.pk]
