"""Who gets into the staff area, how, and for how long (SECURITY.md I07, I12)."""

import urllib.error
import urllib.request
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import Status
from accounts.roles import Role
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Door, Session, Transport
from tests.adminpanel.staff import Staff, notices, rows_of, text_of
from tests.factories import PASSWORD, UserFactory, code_of

START = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
PATHS = ("", "accounts/user/", "sessions_app/session/", "audit/event/", "act/disable/", "reauthenticate/", "nothing/")


def is_shut(answer: Any, path: str) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/admin/login/?next=%2Fadmin%2F")


@pytest.mark.flow
def test_password_and_code_open_the_door(admin: Staff):
    first = admin.give_password()
    assert (first.status_code, first["Location"]) == (303, "/admin/login/code/")
    assert admin.get("login/code/").status_code == 200
    second = admin.give_code()
    assert (second.status_code, second["Location"]) == (303, "/admin/")
    cookie = second.cookies["staff"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Strict", "/", "")
    page = admin.get()
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    session = Session.objects.get()
    assert (session.door, session.factors, session.keep) == (Door.STAFF, ["password", "totp"], False)
    assert rows_of("authn_login_success")[0]["details"]["door"] == "staff"


@pytest.mark.flow
def test_password_alone_opens_nothing(admin: Staff):
    admin.give_password()
    for path in PATHS:
        assert is_shut(admin.get(path), path)
        assert is_shut(admin.post(path), path)
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_nobody_in_particular_sees_the_sign_in_page():
    for path in PATHS:
        assert is_shut(Browser().get(f"/admin/{path}"), path)


def test_the_code_page_without_a_password_leads_back(admin: Staff):
    for answer in (admin.get("login/code/"), admin.give_code(), admin.post("login/recovery/", {"code": "abc"})):
        assert (answer.status_code, answer["Location"]) == (303, "/admin/login/")


def test_a_half_done_sign_in_of_the_pages_is_not_finished_here(admin: Staff):
    page = Browser()
    page.post("/account/login", {"email": admin.user.email, "password": PASSWORD})
    page.cookies["staff"] = page.cookies["session"].value
    answer = page.post("/admin/login/code/", {"code": code_of(admin.user)})
    assert (answer.status_code, answer["Location"]) == (303, "/admin/login/")
    assert not Session.objects.exists()


@pytest.mark.parametrize("role", [Role.USER, Role.GUEST])
def test_who_is_not_staff_is_told_the_same_as_for_a_wrong_password(admin: Staff, role: Role):
    wrong = admin.give_password("a wrong password indeed")
    admin.user = UserFactory(role=role)
    right = admin.give_password()
    assert (wrong.status_code, right.status_code) == (422, 422)
    assert wrong.content.decode().count("The email or password is wrong") == 2
    assert list(wrong.context["form"].summary()) == list(right.context["form"].summary())
    assert "<title>Error: " in wrong.content.decode()


def test_staff_without_an_app_are_told_to_set_one_up(db: None):
    someone = Staff()
    someone.user = UserFactory(staff=True)
    answer = someone.give_password()
    assert answer.status_code == 422
    assert "authenticator app" in str(list(answer.context["form"].summary()))
    assert not Session.objects.exists()


def test_a_disabled_account_is_told_so_after_the_right_password_only(admin: Staff):
    admin.user.set_status(Status.DISABLED)
    admin.user.save()
    assert admin.give_password("a wrong password indeed").status_code == 422
    assert admin.give_password().status_code == 403


def test_a_session_of_the_pages_opens_nothing(admin: Staff):
    page = Browser()
    page.post("/account/login", {"email": admin.user.email, "password": PASSWORD})
    page.post("/account/otp", {"code": code_of(admin.user)})
    assert page.get("/account/security").status_code == 200
    assert is_shut(page.get("/admin/"), "")
    page.cookies["staff"] = page.cookies["session"].value
    assert is_shut(page.get("/admin/"), "")


def test_a_staff_session_opens_no_page(inside: Staff):
    inside.browser.cookies["session"] = inside.browser.cookies["staff"].value
    assert inside.browser.get("/account/security").status_code == 303


def test_a_token_of_the_api_opens_nothing(admin: Staff):
    here = Client.local("test")
    with transaction.atomic():
        session = sessions.open(
            user=admin.user, client=here, door=Door.API, transport=Transport.BEARER, factors=["password", "totp"]
        )
    bearer = {"authorization": f"Bearer {tokens.issue(session).access_token}"}
    assert is_shut(admin.browser.get("/admin/", headers=bearer), "")


def test_a_staff_session_without_the_app_opens_nothing(inside: Staff):
    Session.objects.update(factors=["password", "email"])
    assert is_shut(inside.get(), "")


def test_a_code_is_good_once(admin: Staff):
    used = code_of(admin.user)
    admin.give_password()
    assert admin.give_code(used).status_code == 303
    other = Browser()
    other.post("/admin/login/", {"email": admin.user.email, "password": PASSWORD})
    answer = other.post("/admin/login/code/", {"code": used})
    assert answer.status_code == 422
    assert "That code is not correct." in answer.content.decode()
    assert Session.objects.count() == 1


def test_after_five_wrong_codes_the_sign_in_starts_again(admin: Staff):
    admin.give_password()
    wrong = f"{(int(code_of(admin.user)) + 1) % 1_000_000:06d}"
    for _try in range(4):
        assert admin.give_code(wrong).status_code == 422
    answer = admin.give_code(wrong)
    assert (answer.status_code, answer["Location"]) == (303, "/admin/login/")
    assert "no tries are left" in notices(admin.get("login/"))[0]


def test_a_recovery_code_works_once(admin: Staff):
    code = admin.user.recovery[0]  # type: ignore[attr-defined]
    admin.give_password()
    answer = admin.post("login/recovery/", {"code": code.upper().replace("-", " ")})
    assert (answer.status_code, answer["Location"]) == (303, "/admin/")
    page = admin.get()
    assert notices(page) == ["You used a recovery code. Each works once, and 9 are left."]
    assert Session.objects.get().factors == ["password", "recovery"]
    other = Browser()
    other.post("/admin/login/", {"email": admin.user.email, "password": PASSWORD})
    assert other.post("/admin/login/recovery/", {"code": code}).status_code == 422


def test_signing_in_leads_where_one_wanted_to_go_within_the_area(admin: Staff):
    for wanted, goal in (
        ("/admin/audit/event/?q=x", "/admin/audit/event/?q=x"),
        ("https://evil.example/admin/", "/admin/"),
        ("//evil.example", "/admin/"),
        ("/account/security", "/admin/"),
    ):
        person = Staff()
        person.give_password(query=f"?next={wanted}")
        assert person.give_code(query=f"?next={wanted}")["Location"] == goal


@pytest.mark.flow
def test_signing_out_ends_the_session_and_a_link_does_not(inside: Staff):
    assert inside.get("logout/")["Location"] == "/admin/"
    assert inside.get().status_code == 200
    answer = inside.post("logout/")
    assert (answer.status_code, answer["Location"]) == (303, "/admin/login/")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert Session.objects.get().revoked_reason == "signed_out"
    assert is_shut(inside.get(), "")


def test_cancelling_ends_the_half_done_sign_in(admin: Staff):
    admin.give_password()
    assert admin.post("login/cancel/").status_code == 303
    assert admin.give_code()["Location"] == "/admin/login/"


def test_an_idle_session_ends_after_thirty_minutes(db: None):
    with time_machine.travel(START, tick=False) as clock:
        inside = Staff().sign_in()
        for minutes in (29, 58):
            clock.move_to(START + timedelta(minutes=minutes))
            assert inside.get().status_code == 200
        clock.move_to(START + timedelta(minutes=58 + 31))
        assert is_shut(inside.get(), "")
        assert "inactive for 30 minutes" in text_of(inside.get("login/"))


def test_a_session_ends_after_twelve_hours_however_busy(db: None):
    with time_machine.travel(START, tick=False) as clock:
        inside = Staff().sign_in()
        for quarter in range(1, 48):
            clock.move_to(START + timedelta(minutes=15 * quarter))
            assert inside.get().status_code == 200
        clock.move_to(START + timedelta(hours=12, seconds=1))
        assert is_shut(inside.get(), "")


@pytest.mark.parametrize("change", ["role", "status"])
def test_losing_role_or_status_holds_at_the_next_request(inside: Staff, change: str):
    if change == "role":
        inside.user.set_role(Role.USER)
    else:
        inside.user.set_status(Status.DISABLED)
    inside.user.save()
    assert is_shut(inside.get(), "")


def test_too_many_tries_at_the_door_are_slowed_down(admin: Staff, settings: Any):
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 0.05}  # 3 an hour
    answers = [admin.give_password("a wrong password indeed").status_code for _try in range(4)]
    assert answers[-1] == 429


def test_posts_need_the_token_of_our_own_page(inside: Staff):
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies.update(inside.browser.cookies)
    assert strict.post("/admin/logout/").status_code == 403
    assert strict.post("/admin/act/disable/", {"start": "1"}).status_code == 403
    assert strict.post("/admin/login/", {}).status_code == 403
    assert Session.objects.live(timezone.now()).count() == 1


@pytest.mark.flow
def test_the_area_is_where_the_setting_says(make_site: Any):
    site = make_site(ADMIN_PATH="desk/").start(worker=False)
    assert "/account/enrol/" in site.manage("createadmin", "boss@example.com").stdout
    with urllib.request.urlopen(f"{site.url}/desk/", timeout=10) as answer:
        assert answer.url == f"{site.url}/desk/login/?next=%2Fdesk%2F"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{site.url}/admin/", timeout=10)
