"""``manage.py sessions``: listing the sessions of an account, ending one, some or all."""

import io
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import Actor, SecurityEvent
from sessions_app import services as sessions
from sessions_app.management.commands import sessions as command
from sessions_app.models import Door, Session
from sessions_app.reasons import RevokeReason
from sessions_app.selection import select
from sessions_app.services import many

Open = Callable[..., Session]


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("sessions", *words, stdout=out)
    return out.getvalue().rstrip()


def revoke(*words: str) -> str:
    return run("revoke", "--reason", "a laptop was stolen", *words)


def live() -> set[Session]:
    return set(Session.objects.live(timezone.now()))


def from_ip(session: Session, ip: str | None) -> Session:
    Session.objects.filter(pk=session.pk).update(ip=ip)
    return session


def test_all_of_an_account_end_and_nothing_of_another(
    user: Any, make_user: Callable[..., Any], open_session: Open, events: list[SecurityEvent]
) -> None:
    mine = [open_session(user), open_session(user, Door.PAGE)]
    other = open_session(make_user("joe"))
    events.clear()
    assert revoke("--user", str(user.pk)) == "Sessions ended: 2."
    assert live() == {other}
    row = Session.objects.get(pk=mine[0].pk)
    assert (row.revoked_reason, row.revoked_by) == (RevokeReason.STAFF, Actor.command().label)
    assert [event.action for event in events] == ["session_revoked"] * 2 + ["session_revoked_by_command"]
    assert {event.session_id for event in events[:2]} == {str(one.pk) for one in mine}
    told = events[2]
    assert told.details() == {"selector": "user", "reason": "a laptop was stolen", "sessions_ended": 2}
    assert (told.user_id, told.actor, told.session_id) == (str(user.pk), Actor.command(), None)


def test_one_session_ends_and_the_others_of_its_account_go_on(
    user: Any, open_session: Open, events: list[SecurityEvent]
) -> None:
    one, other = open_session(user), open_session(user)
    assert revoke("--session", str(one.pk)) == "Sessions ended: 1."
    assert live() == {other}
    assert (events[-1].session_id, events[-1].user_id) == (str(one.pk), str(user.pk))
    assert revoke("--session", str(one.pk)) == "Sessions ended: 0."
    assert events[-1].details()["sessions_ended"] == 0


@pytest.mark.parametrize(("given", "met"), [
    ("192.0.2.7", {"192.0.2.7"}),
    ("::ffff:192.0.2.7", {"192.0.2.7"}),
    ("192.0.2.0/24", {"192.0.2.7", "192.0.2.200"}),
    ("192.0.2.9/24", {"192.0.2.7", "192.0.2.200"}),
    ("::ffff:192.0.2.0/120", {"192.0.2.7", "192.0.2.200"}),
    ("2001:db8:0:1::/64", {"2001:db8:0:1::5"}),
    ("2001:0db8:0:1:0:0:0:5", {"2001:db8:0:1::5"}),
    ("0.0.0.0/0", {"192.0.2.7", "192.0.2.200", "198.51.100.1"}),
    ("203.0.113.0/24", set()),
])  # fmt: skip
def test_sessions_from_an_address_or_a_network_end(
    user: Any, open_session: Open, events: list[SecurityEvent], given: str, met: set[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(many, "BATCH", 2)
    addresses = ["192.0.2.7", "192.0.2.200", "198.51.100.1", "2001:db8:0:1::5", "2001:db8:0:2::5", None]
    rows = {address: from_ip(open_session(user), address) for address in addresses}
    assert run("revoke", "--reason=x", "--dry-run", "--ip", given) == f"Sessions that would end: {len(met)}."
    assert revoke("--ip", given) == f"Sessions ended: {len(met)}."
    assert live() == {row for address, row in rows.items() if address not in met}
    details = events[-1].details()
    assert details["selector"] == "ip" and details["selected"].count("/") == 1


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_all_end_batch_by_batch_and_what_has_ended_is_left_alone(
    user: Any,
    make_user: Callable[..., Any],
    open_session: Open,
    client_facts: Client,
    events: list[SecurityEvent],
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
) -> None:
    monkeypatch.setattr(many, "BATCH", batch)
    people = [user, make_user("joe"), make_user("ann")]
    for person in people:
        open_session(person), open_session(person)
    gone = open_session(user)
    with transaction.atomic():
        sessions.revoke(gone, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    events.clear()
    assert revoke("--all", "--yes") == "Sessions ended: 6."
    assert live() == set()
    assert Session.objects.get(pk=gone.pk).revoked_reason == RevokeReason.SIGNED_OUT
    assert len({event.session_id for event in events if event.action == "session_revoked"}) == 6
    assert events[-1].details() == {"selector": "all", "reason": "a laptop was stolen", "sessions_ended": 6}


def test_a_sign_in_that_was_under_way_while_the_walk_passed_is_found_by_the_second_walk(
    user: Any, open_session: Open
) -> None:
    open_session(user)
    end = many.MassEnd(select("all", ""), reason="x", client=Client.local("t"), actor=Actor.command("root"))
    steps = end.steps()
    assert next(steps) == 1
    late = open_session(user)
    Session.objects.filter(pk=late.pk).update(id="00000000-0000-7000-8000-000000000001")  # behind the walk
    assert list(steps) == [1]
    assert live() == set()


def test_a_dry_run_changes_nothing(user: Any, open_session: Open, events: list[SecurityEvent]) -> None:
    open_session(user)
    events.clear()
    assert revoke("--user", str(user.pk), "--dry-run") == revoke("--all", "--dry-run") == "Sessions that would end: 1."
    assert len(live()) == 1 and events == []


def test_asked_to_stop_it_ends_its_batch_and_records_what_was_done(
    user: Any, make_user: Callable[..., Any], open_session: Open, events: list[SecurityEvent], monkeypatch: Any
) -> None:
    monkeypatch.setattr(many, "BATCH", 1)
    open_session(user), open_session(make_user("joe"))
    whole = many.MassEnd.steps

    def interrupted(self: many.MassEnd) -> Iterator[int]:
        for ended in whole(self):
            os.kill(os.getpid(), signal.SIGTERM)
            yield ended

    monkeypatch.setattr(many.MassEnd, "steps", interrupted)
    out = io.StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("sessions", "revoke", "--all", "--yes", "--reason=x", stdout=out)
    assert stopped.value.code == 130
    assert out.getvalue() == "Sessions ended: 1.\nStopped. The same command goes on from here.\n"
    assert len(live()) == 1
    assert events[-1].details()["sessions_ended"] == 1


@pytest.mark.parametrize(("typed", "ended"), [("yes", True), ("YES ", True), ("y", False), ("", False)])
def test_all_is_asked_about_on_a_terminal(
    session: Session, monkeypatch: pytest.MonkeyPatch, typed: str, ended: bool
) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return typed

    monkeypatch.setattr(command.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", answer)
    if ended:
        assert revoke("--all") == "Sessions ended: 1."
    else:
        with pytest.raises(CommandError, match=r"Nothing was ended\."):
            revoke("--all")
    assert asked == ["This signs out everybody: 1 sessions. Type yes to go on: "]
    assert bool(live()) is not ended


@pytest.mark.parametrize(("words", "said"), [
    (["--user", "nobody"], "There is no account nobody."),
    (["--user", "01a1fee3-a33b-73bc-94a4-2f7a4dd01007"], "There is no account 01a1fee3"),
    (["--session", "01a1fee3-a33b-73bc-94a4-2f7a4dd01007"], "There is no session 01a1fee3"),
    (["--session", "nonsense"], "There is no session nonsense."),
    (["--ip", "nonsense"], "nonsense is neither an address nor a network"),
    (["--ip", "192.0.2.0/99"], "neither an address nor a network"),
    (["--role", "admin"], r"SESSIONS\['OWNERS'\]"),
    (["--all", "--user", "1"], "not allowed with"),
    ([], "one of the arguments --user --session --ip --role --all is required"),
])  # fmt: skip
def test_what_means_nothing_is_refused(session: Session, words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        revoke(*words)
    assert live() == {session}


@pytest.mark.parametrize(("reason", "said"), [(" ", "Say why"), ("x" * 501, "500"), ("a\x00b", "cannot be seen")])
def test_a_reason_is_asked_for_and_cleaned(session: Session, reason: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("revoke", "--all", "--yes", f"--reason={reason}")
    with pytest.raises(CommandError, match="--reason"):
        run("revoke", "--all", "--yes")
    assert live() == {session}


def test_the_list_shows_what_lives_newest_first_and_no_secret(
    user: Any, make_user: Callable[..., Any], open_session: Open, client_facts: Client
) -> None:
    first, second, gone = open_session(user), open_session(user, Door.PAGE), open_session(user)
    open_session(make_user("joe"))
    Session.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=1))
    with transaction.atomic():
        sessions.revoke(gone, reason=RevokeReason.SIGNED_OUT, client=client_facts)
    head, *rows = run("list", "--user", str(user.pk)).splitlines()
    assert head.split() == ["id", "device", "ip", "door", "started", "last", "used", "expires"]
    assert [row[:36] for row in rows] == [str(second.pk), str(first.pk)]
    assert "Firefox 142 on Windows 11" in rows[0] and "192.0.2.7" in rows[0] and " page " in rows[0]
    assert rows[0].count("Z") == 3
    assert not any(str(session.refresh_id) in "\n".join(rows) for session in (first, second) if session.refresh_id)


@pytest.mark.parametrize(("failures", "ended"), [(2, 1), (3, 0)])
def test_a_batch_that_gives_way_in_a_deadlock_is_done_anew(
    session: Session, monkeypatch: pytest.MonkeyPatch, failures: int, ended: int
) -> None:
    whole, left = many.MassEnd._end_rows, [failures]

    def give_way(self: many.MassEnd, ending: list[Session]) -> int:
        left[0] -= 1
        if left[0] >= 0:
            raise OperationalError(1213, "Deadlock found when trying to get lock")
        return whole(self, ending)

    monkeypatch.setattr(many.MassEnd, "_end_rows", give_way)
    if ended:
        assert revoke("--all") == "Sessions ended: 1."
    else:
        with pytest.raises(OperationalError):
            revoke("--all")
    assert bool(live()) is not bool(ended)
