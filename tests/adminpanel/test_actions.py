"""What staff do to accounts and sessions: with a reason, a fresh proof, and a row (SECURITY.md I04, I05, I13)."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from accounts.models import Mail, User
from accounts.roles import Role
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app.models import Door, Session, Transport
from tests.adminpanel.staff import Staff, notices, rows_of, text_of
from tests.factories import UserFactory, code_of, give_app

START = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
HERE = Client(ip="192.0.2.7", user_agent="Firefox/142", device_name="Firefox 142 on Windows 11")


def open_session(user: Any, door: Door = Door.PAGE) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=door, transport=Transport.COOKIE, factors=["password"])


def status_of(user: Any) -> str:
    return str(User.objects.get(pk=user.pk).status)


@pytest.mark.flow
def test_disabling_ends_sessions_and_leaves_a_row(inside: Staff, jane: Any):
    session = open_session(jane)
    chosen = inside.choose("disable", jane)
    assert (chosen.status_code, chosen["Location"]) == (303, "/admin/act/disable/")
    page = inside.get("act/disable/")
    assert "Disable 1 account" in text_of(page)
    assert "1 live session ends." in text_of(page)
    assert "jane@example.com" in text_of(page)
    after = inside.post("act/disable/", {"reason": "Reported as stolen"}, follow=True)
    assert after.redirect_chain == [("/admin/accounts/user/", 303)]
    assert notices(after) == ["1 account disabled."]
    assert status_of(jane) == "disabled"
    session.refresh_from_db()
    assert session.revoked_reason == "disabled"
    row = rows_of("user_disabled")[0]
    facts = {"reason": "Reported as stolen", "before": "active", "after": "disabled", "sessions_ended": 1}
    assert row == {
        "event_type": "ADMIN",
        "user_id": str(jane.pk),
        "actor_type": "user",
        "actor_id": str(inside.user.pk),
        "success": True,
        "failure_reason": "",
        "details": facts,
        "resource": "",
    }
    assert Mail.objects.filter(user=jane).exists()


@pytest.mark.flow
def test_enabling_lets_somebody_in_again(inside: Staff, jane: Any):
    inside.act("disable", jane)
    assert notices(inside.act("enable", jane, reason="Settled by phone")) == ["1 account enabled."]
    assert status_of(jane) == "active"
    assert rows_of("user_enabled")[0]["details"] == {
        "reason": "Settled by phone",
        "before": "disabled",
        "after": "active",
    }


def test_ending_the_sessions_of_several(inside: Staff, jane: Any):
    people = [jane, UserFactory(), UserFactory()]
    for person in people:
        open_session(person)
    inside.choose("end-sessions", *people)
    assert "3 live sessions end." in text_of(inside.get("act/end-sessions/"))
    after = inside.post("act/end-sessions/", {"reason": "Incident 7"}, follow=True)
    assert notices(after) == ["The sessions of 3 accounts were ended."]
    assert not Session.objects.live(timezone.now()).filter(user__in=people).exists()
    assert [row["details"] for row in rows_of("authz_admin")] == [{"reason": "Incident 7", "sessions_ended": 1}] * 3


def test_ending_one_session_leaves_the_others(inside: Staff, jane: Any):
    first, second = open_session(jane), open_session(jane)
    inside.choose("end", first)
    assert "End 1 session" in text_of(inside.get("act/end/"))
    assert notices(inside.post("act/end/", {"reason": "Lost phone"}, follow=True)) == ["1 session ended."]
    live = Session.objects.live(timezone.now()).filter(user=jane)
    assert list(live) == [second]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\u202eb", "a\x00b"])
def test_a_reason_is_demanded(inside: Staff, jane: Any, reason: str):
    inside.choose("disable", jane)
    answer = inside.post("act/disable/", {"reason": reason})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"reason"}
    assert "<title>Error: " in answer.content.decode()
    assert status_of(jane) == "active"
    assert rows_of("user_disabled") == []
    assert inside.post("act/disable/", {"reason": "Now with one"}).status_code == 303


def test_oneself_cannot_be_disabled(inside: Staff):
    after = inside.act("disable", inside.user)
    assert notices(after) == [f"{inside.user.email}: You cannot do this to yourself. Ask another member of staff."]
    assert status_of(inside.user) == "active"
    assert rows_of("authz_fail")[0]["failure_reason"] == "self_action"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_an_admin_touches_no_equal_and_nobody_above(inside: Staff, role: Role):
    other = UserFactory(role=role)
    assert "Your role does not allow this" in notices(inside.act("disable", other))[0]
    assert status_of(other) == "active"
    row = rows_of("authz_fail")[0]
    assert (row["user_id"], row["actor_id"], row["failure_reason"]) == (
        str(other.pk),
        str(inside.user.pk),
        "not_permitted",
    )


def test_a_super_admin_touches_another_one(db: None):
    boss = Staff(Role.SUPER_ADMIN).sign_in()
    other = UserFactory(role=Role.SUPER_ADMIN)
    assert notices(boss.act("disable", other)) == ["1 account disabled."]


def test_of_several_those_that_may_be_touched_are(inside: Staff, jane: Any):
    peer, gone = UserFactory(role=Role.ADMIN), UserFactory(disabled=True)
    said = notices(inside.act("disable", jane, peer, gone))
    assert said[0] == "1 account disabled."
    assert len(said) == 3
    assert "The account is disabled or deleted already." in " ".join(said)


def test_a_moderator_changes_nothing(moderator: Staff, jane: Any):
    session = open_session(jane)
    for name, row in (("disable", jane), ("enable", jane), ("end-sessions", jane), ("end", session)):
        assert moderator.choose(name, row).status_code == 403
        assert moderator.post(f"act/{name}/", {"reason": "Because"}).status_code == 403
        assert moderator.get(f"act/{name}/").status_code == 403
    assert status_of(jane) == "active"
    assert {row["failure_reason"] for row in rows_of("authz_fail")} == {"not_permitted"}
    assert rows_of("authz_fail")[0]["resource"] == "/admin/act/disable/"


def test_nothing_is_done_without_a_choice(inside: Staff, jane: Any):
    assert inside.get("act/disable/")["Location"] == "/admin/"
    answer = inside.post("act/disable/", {"reason": "Because"}, follow=True)
    assert notices(answer) == ["Nothing was chosen, or it was done already. Choose again."]
    assert inside.post("act/nothing/", {"start": "1"}).status_code == 404
    answer = inside.post("act/disable/", {"start": "1", "selected": ["x", "' OR 1=1"], "back": "/admin/"}, follow=True)
    assert notices(answer) == ["Choose at least one row."]
    many = [str(UserFactory._meta.model().pk) for _one in range(101)]
    answer = inside.post("act/disable/", {"start": "1", "selected": many, "back": "//evil.example"}, follow=True)
    assert answer.redirect_chain == [("/admin/", 303)]
    assert notices(answer) == ["Choose 100 rows at most."]
    inside.choose("disable", jane)
    inside.post("act/enable/", {"reason": "Another action"}, follow=True)
    inside.post("act/disable/", {"reason": "Once"}, follow=True)
    assert notices(inside.post("act/disable/", {"reason": "Twice"}, follow=True)) == [
        "Nothing was chosen, or it was done already. Choose again."
    ]


def test_what_is_dangerous_asks_again_after_five_minutes(db: None):
    with time_machine.travel(START, tick=False) as clock:
        jane = UserFactory()
        inside = Staff().sign_in()
        inside.choose("disable", jane)
        assert inside.get("act/disable/").status_code == 200
        clock.move_to(START + timedelta(minutes=6))
        answer = inside.post("act/disable/", {"reason": "Typed with care"})
        assert (answer.status_code, answer["Location"]) == (
            303,
            "/admin/reauthenticate/?next=%2Fadmin%2Fact%2Fdisable%2F",
        )
        assert status_of(jane) == "active"
        assert inside.get("act/disable/")["Location"] == answer["Location"]

        key = inside.browser.session.session_key
        done = inside.prove_again(steps=0)
        assert (done.status_code, done["Location"]) == (303, "/admin/act/disable/")
        assert inside.browser.cookies["staff"].value != key
        assert "Typed with care" in inside.get("act/disable/").content.decode()
        assert inside.post("act/disable/", {"reason": "Typed with care"}).status_code == 303
        assert status_of(jane) == "disabled"
        assert rows_of("authn_reauthentication")[-1]["success"] is True


def test_proving_again_needs_both_password_and_code(inside: Staff):
    wrong = inside.post("reauthenticate/", {"password": "wrong wrong wrong", "code": code_of(inside.user, 1)})
    assert wrong.status_code == 422
    assert wrong.context["form"].errors.keys() == {"password"}
    replayed = inside.prove_again(steps=0)
    assert replayed.status_code == 422
    assert replayed.context["form"].errors.keys() == {"code"}
    empty = inside.post("reauthenticate/", {})
    assert empty.context["form"].errors.keys() == {"password", "code"}


def test_proving_again_with_a_recovery_code(inside: Staff):
    data = {"password": "correct horse battery staple", "code": inside.user.recovery[0]}  # type: ignore[attr-defined]
    answer = inside.post("reauthenticate/?method=recovery", data)
    assert (answer.status_code, answer["Location"]) == (303, "/admin/")
    assert "Use your authenticator app" in text_of(inside.get("reauthenticate/", method="recovery"))


def offered(inside: Staff, path: str) -> set[str]:
    return set(re.findall(r"/admin/act/([a-z-]+)/", inside.get(path).content.decode()))


def test_the_page_of_a_row_offers_what_makes_sense(inside: Staff, jane: Any):
    session = open_session(jane)
    assert offered(inside, f"accounts/user/{jane.pk}/") == {
        "disable", "force-reset", "end-sessions", "role", "delete",
    }  # fmt: skip
    assert offered(inside, f"sessions_app/session/{session.pk}/") == {"end"}
    inside.act("disable", jane)
    assert offered(inside, f"accounts/user/{jane.pk}/") == {"enable", "role", "delete"}
    assert offered(inside, f"sessions_app/session/{session.pk}/") == set()
    own = Session.objects.get(user=inside.user)
    for someone in (inside.user, UserFactory(role=Role.SUPER_ADMIN), UserFactory(deleted=True)):
        assert offered(inside, f"accounts/user/{someone.pk}/") == set()
    assert offered(inside, f"sessions_app/session/{own.pk}/") == set()


def test_a_new_password_is_forced_with_a_reason(inside: Staff, jane: Any):
    session = open_session(jane)
    assert notices(inside.act("force-reset", jane)) == ["1 account needs a new password."]
    session.refresh_from_db()
    assert session.revoked_reason == "password_reset"
    assert not User.objects.get(pk=jane.pk).has_usable_password()
    assert rows_of("user_password_reset_forced")[0]["details"]["reason"] == "They asked for it"
    assert Mail.objects.get(user=jane).template == "password_reset_forced"


def test_apps_are_reset_where_there_are_any(inside: Staff, jane: Any):
    give_app(jane)
    assert "reset-factors" in offered(inside, f"accounts/user/{jane.pk}/")
    assert notices(inside.act("reset-factors", jane)) == ["The apps of 1 account were removed."]
    assert "reset-factors" not in offered(inside, f"accounts/user/{jane.pk}/")
    assert rows_of("user_factors_reset")[0]["details"]["before"] == ["totp", "recovery"]
    assert "no recovery code is set up" in notices(inside.act("reset-factors", jane))[0]
