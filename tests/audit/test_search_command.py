"""``manage.py audit search``: every filter, for people and for programs, and nothing private unless asked for."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

PRIVATE = ("jane@example.com", "198.51.100.7", "Firefox/142", "secret-detail")


@pytest.fixture
def events(write) -> tuple[Event, Event]:
    other = write(user_id="1")
    event = write(
        event_type="ADMIN",
        action="authz_change",
        user_id="7",
        actor=Actor("user", "8", "admin"),
        email="jane@example.com",
        success=False,
        failure_reason="not_permitted",
        resource="/users/7",
        session_id="s-7",
        client=Client(ip="198.51.100.7", user_agent="Firefox/142", request_id="r-7"),
        details={"before": "secret-detail"},
    )
    return other, event


def search(*words: str) -> str:
    out = io.StringIO()
    call_command("audit", "search", *words, stdout=out)
    return out.getvalue()


def ids(*words: str) -> list[int]:
    return [json.loads(line)["id"] for line in search(*words, "--json").splitlines()]


def test_every_filter_finds_its_event(events):
    other, event = events
    for words in (
        *("--type=ADMIN", "--action=authz_change", "--user=7", "--user=8", "--email=JANE@example.com", "--failed"),
        *("--ip=198.51.100.7", "--ip=198.51.0.0/16", "--resource=/users/", "--session=s-7", "--request-id=r-7"),
        *("--reason=not_permitted", "jane@example.com", "r-7", f"{event.pk}"),
    ):
        assert ids(words) == [event.pk], words
    assert ids("--user=8", "--as=subject") == ids("--until=1h") == []
    assert ids("--succeeded") == [other.pk]
    assert ids("--since=1h") == ids("--user=1", "--user=7", "--limit=0") == [event.pk, other.pk]
    assert ids("--limit=1") == [event.pk]


def test_what_tells_of_people_is_shown_only_where_it_is_asked_for(events):
    for form in ((), ("--json",)):
        shown = search(*form)
        assert "authz_change" in shown and not [text for text in PRIVATE if text in shown]
    assert "jane@example.com, 198.51.100.7" in search("--private")
    line = json.loads(search("--private", "--json", "--user=7"))
    assert (line["email"], line["details"]) == ("jane@example.com", {"before": "secret-detail"})


def test_j09_what_was_typed_moves_no_cursor(write):
    write(email="a\x1b[2J\r\n@example.com")
    assert "\x1b" not in search("--private") and "\\x1b[2J\\r\\n@example.com" in search("--private")


@pytest.mark.parametrize("words", [("--ip", "nowhere"), ("--limit", "-1"), ("--since", "yesterday"), ("--type", "X")])
def test_what_is_asked_wrong_is_refused(db, words):
    with pytest.raises(CommandError):
        search(*words)
