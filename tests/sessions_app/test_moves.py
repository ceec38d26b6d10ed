"""E20: a session that is used from elsewhere goes on, and leaves its row in the trail."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Session
from sessions_app.signals import security_event

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
CURL = "curl/8.5"
MINUTE = timedelta(seconds=61)

pytestmark = pytest.mark.every_engine


@pytest.fixture
def at_home() -> Client:
    return Client(ip="192.0.2.7", user_agent=FIREFOX.format(142), device_name="Firefox 142 on Windows 10")


@pytest.fixture
def session(user: Any, open_session: Callable[..., Session], at_home: Client) -> Session:
    return open_session(user, client=at_home)


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


def moves(events: list[Any]) -> list[dict[str, Any]]:
    return [event.details() for event in events if event.action == "session_moved"]


def touch(session: Session, client: Client) -> None:
    sessions.touch(session, client, timezone.now())


@pytest.mark.parametrize(
    ("change", "recorded"),
    [
        ({}, []),
        ({"ip": "198.51.100.9"}, [{"network": True, "device": False}]),
        ({"user_agent": FIREFOX.format(143)}, [{"network": False, "device": True}]),
        ({"user_agent": CURL, "ip": "2001:db8::1"}, [{"network": True, "device": True}]),
        ({"ip": None}, [{"network": True, "device": False}]),
        ({"device_name": "Jane's own words"}, []),
        ({"user_agent": FIREFOX.format(142) + " Extra/1"}, []),
    ],
)
def test_e20_another_network_or_browser_is_recorded(
    clock: Any, session: Session, at_home: Client, events: list[Any], change: dict[str, Any], recorded: list[Any]
) -> None:
    clock.shift(MINUTE)
    touch(session, replace(at_home, **change))
    assert moves(events) == recorded
    session.refresh_from_db()
    assert session.ip == change.get("ip", at_home.ip)
    assert not session.is_revoked


def test_e20_a_move_is_recorded_once_and_at_most_once_a_minute(
    clock: Any, session: Session, at_home: Client, events: list[Any]
) -> None:
    away = replace(at_home, ip="198.51.100.9")
    touch(session, away)
    assert moves(events) == [], "the use is written once a minute, and the move with it"
    clock.shift(MINUTE)
    for client in (away, at_home, away):
        touch(session, client)
    assert len(moves(events)) == 1
    clock.shift(MINUTE)
    touch(session, away)
    assert len(moves(events)) == 1, "it stayed there"
    clock.shift(MINUTE)
    touch(session, at_home)
    assert len(moves(events)) == 2


def test_e20_addresses_of_one_ipv6_network_are_one_place(
    clock: Any, user: Any, open_session: Callable[..., Session], at_home: Client, events: list[Any]
) -> None:
    session = open_session(user, client=replace(at_home, ip="2001:db8:0:1::1"))
    clock.shift(MINUTE)
    touch(session, replace(at_home, ip="2001:db8:0:1:ffff::2"))
    assert moves(events) == []
    clock.shift(MINUTE)
    touch(session, replace(at_home, ip="2001:db8:0:2::1"))
    assert len(moves(events)) == 1


def test_e20_the_holder_goes_on_over_http_from_elsewhere(
    clock: Any, client: Browser, session: Session, events: list[Any]
) -> None:
    headers = {"Authorization": f"Bearer {tokens.access_for(session)}", "User-Agent": CURL}
    clock.shift(MINUTE)
    answer = client.get("/api/v1/sessions", headers=headers, REMOTE_ADDR="198.51.100.9")
    assert answer.status_code == 200
    (event,) = [event for event in events if event.action == "session_moved"]
    assert (event.session_id, event.user_id) == (str(session.pk), str(session.user_id))
    assert (event.client.ip, event.details()) == ("198.51.100.9", {"network": True, "device": True})


def test_e20_no_move_without_its_record(clock: Any, session: Session, at_home: Client) -> None:
    def fail(**_given: Any) -> None:
        raise RuntimeError("no record")

    clock.shift(MINUTE)
    security_event.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            touch(session, replace(at_home, ip="198.51.100.9"))
    finally:
        security_event.disconnect(fail)
    assert Session.objects.get().ip == at_home.ip
