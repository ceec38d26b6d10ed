"""Deleting accounts and changing roles in the staff area (I04, I05, I13)."""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Mail, TotpDevice, User
from accounts.roles import Role
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app.models import Door, Session, Transport
from tests.adminpanel.staff import Staff, notices, rows_of, text_of
from tests.factories import PASSWORD, Mailbox, UserFactory, code_of, shown_by

START = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
HERE = Client(ip="192.0.2.7", user_agent="Firefox/142", device_name="Firefox 142 on Windows 11")


def open_session(user: Any) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=Door.PAGE, transport=Transport.COOKIE, factors=["password"])


def now(user: Any) -> User:
    return User.objects.get(pk=user.pk)


def give(inside: Staff, role: str, *people: Any, reason: str = "New duties") -> Any:
    """Change the role of *people*, and return the page it ends on."""
    assert inside.choose("role", *people).status_code == 303
    return inside.post("act/role/", {"role": role, "reason": reason}, follow=True)


def roles_offered(answer: Any) -> list[str]:
    return [value for value, _label in answer.context["form"].fields["role"].choices]


@pytest.mark.flow
def test_deleting_ends_sessions_and_leaves_a_row(inside: Staff, jane: Any):
    session = open_session(jane)
    inside.choose("delete", jane)
    page = text_of(inside.get("act/delete/"))
    assert "Delete 1 account" in page and "jane@example.com" in page
    assert "This cannot be undone. 1 live session ends." in page
    after = inside.post("act/delete/", {"reason": "Asked for it in writing"}, follow=True)
    assert notices(after) == ["1 account deleted."]
    session.refresh_from_db()
    assert (now(jane).status, session.revoked_reason) == ("deleted", "deleted")
    row = rows_of("user_deleted")[0]
    assert (row["event_type"], row["actor_id"], row["success"]) == ("ADMIN", str(inside.user.pk), True)
    assert row["details"]["reason"] == "Asked for it in writing"
    assert Mail.objects.get(user=jane).template == "account_deleted"


def test_what_was_deleted_stays_in_the_list_and_offers_nothing(inside: Staff, jane: Any):
    inside.act("delete", jane)
    listed = text_of(inside.get("accounts/user/", status="deleted"))
    assert "jane@example.com" in listed and "Deleted" in listed
    page = inside.get(f"accounts/user/{jane.pk}/")
    assert "/admin/act/" not in page.content.decode()
    assert "Deleted" in text_of(page)
    for name in ("enable", "disable", "delete", "end-sessions"):
        said = notices(inside.act(name, jane))
        assert len(said) == 1 and said[0].startswith("jane@example.com: "), said
    assert notices(give(inside, "guest", jane))[0].endswith(", User: The account is deleted.")
    assert now(jane).status == "deleted"


def test_a_role_is_changed_with_a_reason(inside: Staff, jane: Any):
    open_session(jane)
    open_session(jane)
    inside.choose("role", jane)
    page = inside.get("act/role/")
    assert "Change the role of 1 account" in text_of(page)
    assert "jane@example.com, User" in text_of(page)
    assert "Up to 2 live sessions end then." in text_of(page)
    assert roles_offered(page) == ["", "moderator", "user", "guest"]
    after = inside.post("act/role/", {"role": "moderator", "reason": "Helps out"}, follow=True)
    assert notices(after) == ["The role of 1 account was changed."]
    assert (now(jane).role, now(jane).is_staff) == ("moderator", True)
    assert not Session.objects.live(timezone.now()).filter(user=jane).exists()
    details = rows_of("authz_change")[0]["details"]
    assert (details["before"], details["after"], details["reason"]) == ("user", "moderator", "Helps out")
    assert (details["sessions_ended"], details["lost"]) == (2, [])


def test_the_roles_of_several_are_changed_at_once(inside: Staff, jane: Any):
    peer, guest = UserFactory(role=Role.ADMIN), UserFactory(role=Role.GUEST)
    said = notices(give(inside, "guest", jane, peer, guest))
    assert said[0] == "The role of 1 account was changed."
    assert any("Your role does not allow this" in one for one in said[1:])
    assert any("The account has this role already." in one for one in said[1:])
    assert [now(one).role for one in (jane, peer, guest)] == ["guest", "admin", "guest"]


def test_i04_an_admin_gives_no_role_of_its_own_rank_or_above(inside: Staff, jane: Any):
    for role in ("admin", "super_admin", "root", ""):
        inside.choose("role", jane)
        answer = inside.post("act/role/", {"role": role, "reason": "Because"})
        assert answer.status_code == 422
        assert answer.context["form"].errors == {"role": ["Choose a role"]}
    assert now(jane).role == "user"
    assert rows_of("authz_change") == []


def test_i04_a_super_admin_is_offered_every_role(db: None):
    boss = Staff(Role.SUPER_ADMIN).sign_in()
    other = UserFactory(role=Role.SUPER_ADMIN)
    boss.choose("role", other)
    assert roles_offered(boss.get("act/role/")) == ["", *Role.values]
    assert notices(give(boss, "moderator", other)) == ["The role of 1 account was changed."]
    assert "You cannot do this to yourself" in notices(give(boss, "user", boss.user))[0]
    assert now(boss.user).role == "super_admin"


def test_i04_a_moderator_deletes_nobody_and_gives_no_role(moderator: Staff, jane: Any):
    for name in ("delete", "role"):
        assert moderator.choose(name, jane).status_code == 403
        assert moderator.get(f"act/{name}/").status_code == 403
        assert moderator.post(f"act/{name}/", {"reason": "Because", "role": "guest"}).status_code == 403
    assert (now(jane).role, now(jane).status) == ("user", "active")


@pytest.mark.parametrize("name", ["delete", "role"])
def test_i13_a_reason_is_demanded(inside: Staff, jane: Any, name: str):
    inside.choose(name, jane)
    answer = inside.post(f"act/{name}/", {"role": "guest", "reason": " "})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"reason"}
    assert (now(jane).role, now(jane).status) == ("user", "active")


def test_what_was_chosen_waits_for_the_proof(db: None):
    with time_machine.travel(START, tick=False) as clock:
        jane, inside = UserFactory(), Staff().sign_in()
        inside.choose("role", jane)
        clock.move_to(START + timedelta(minutes=6))
        answer = inside.post("act/role/", {"role": "moderator", "reason": "Typed with care"})
        assert (answer.status_code, now(jane).role) == (303, "user")
        proof = {"password": PASSWORD, "code": code_of(inside.user), "next": "/admin/act/role/"}
        assert inside.post("reauthenticate/", proof)["Location"] == "/admin/act/role/"
        page = inside.get("act/role/").content.decode()
        assert '<option value="moderator" selected>' in page and "Typed with care" in page
        inside.post("act/role/", {"role": "moderator", "reason": "Typed with care"})
        assert now(jane).role == "moderator"


def test_what_another_release_held_is_chosen_anew(inside: Staff, jane: Any):
    inside.choose("disable", jane)
    assert inside.get("act/disable/").status_code == 200
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(inside.browser.cookies["staff"].value)
    store["act"] = {"name": "disable", "ids": [str(jane.pk)], "back": "/admin/", "reason": ""}
    store.save()
    assert inside.get("act/disable/")["Location"] == "/admin/"


def test_i05_a_member_of_staff_who_loses_the_role_is_out_at_the_next_request(inside: Staff):
    boss = Staff(Role.SUPER_ADMIN).sign_in()
    assert notices(give(boss, "user", inside.user)) == ["The role of 1 account was changed."]
    shut = inside.get("accounts/user/")
    assert (shut.status_code, shut["Location"]) == (302, "/admin/login/?next=%2Fadmin%2Faccounts%2Fuser%2F")
    assert "You were signed out because your role was changed." in text_of(inside.get("login/"))


def test_somebody_made_staff_enrols_by_the_mailed_link(inside: Staff, jane: Any):
    give(inside, "moderator", jane)
    assert list(Mail.objects.filter(user=jane).values_list("template", flat=True)) == ["staff_enrolment"]
    jane_s = Staff()
    jane_s.user = jane
    assert jane_s.give_password().status_code in (403, 422)
    browser = jane_s.browser
    browser.get(f"/account/enrol/{Mailbox().token(jane.email)}")
    assert "jane@example.com" in text_of(browser.get("/account/enrol/password"))
    fresh = "another horse battery staple"
    assert browser.post("/account/enrol/password", {"password": fresh})["Location"] == "/account/enrol/app"
    code = shown_by(TotpDevice.objects.get(user=jane))
    assert browser.post("/account/enrol/app", {"code": code})["Location"] == "/account/enrol/codes"
    jane_s.give_password(fresh)
    assert jane_s.give_code(code_of(jane, 1))["Location"] == "/admin/"
    assert jane_s.get("accounts/user/").status_code == 200
