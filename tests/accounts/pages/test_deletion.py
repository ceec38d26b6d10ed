"""Page 23: deleting one's account, the banner that says so, and the link that undoes it."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from accounts.models import Mail, Status, User
from accounts.roles import Role
from accounts.services import erasure
from gatehouse.events import Actor
from sessions_app.models import Session
from tests.accounts.pages.person import PASSWORD, Person, text_of
from tests.factories import code_of, give_app, trail

CONFIRM = "/account/delete/undo/confirm"
_LINK = re.compile(r"^http://testserver(/account/delete/undo/\S+)$", re.MULTILINE)


def delete(person: Person, password: str = PASSWORD, **more: str) -> Any:
    return person.post("delete", {"password": password, **more})


def due() -> Any:
    return User.objects.get().erase_at


@pytest.fixture
def leaving(at_home: Person) -> Person:
    """Somebody who asked for the account to be erased, and is signed in."""
    assert delete(at_home).status_code == 303
    return at_home


@pytest.fixture
def link(leaving: Person) -> str:
    found = _LINK.search(leaving.mail())
    assert found
    return found[1]


@pytest.fixture
def elsewhere(link: str) -> Person:
    """The owner at another computer, signed in nowhere, who opened the link."""
    person = Person()
    person.browser.get(link)
    return person


def test_the_page_says_what_happens_and_when(at_home: Person) -> None:
    with time_machine.travel("2026-11-21T10:32:00Z", tick=False):
        at_home.sign_in()
        response = at_home.get("delete")
        page = text_of(response)
    assert response["Cache-Control"] == "no-store"
    assert "5 December 2026, 10:32 UTC" in page
    assert page.count("<li>") >= 5 and "Your addresses and the details in it can no longer be read" in page
    assert '<input type="text" name="username" value="jane@example.com" autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert '<button type="submit" class="button danger">Delete my account</button>' in page
    assert 'href="/account/security">Cancel</a>' in page
    assert due() is None


def test_the_right_password_sets_the_date_and_the_banner_shows_it(at_home: Person) -> None:
    key = at_home.browser.cookies["session"].value
    response = delete(at_home)
    assert (response.status_code, response["Location"]) == (303, "/account/security")
    assert at_home.browser.cookies["session"].value != key
    page = text_of(at_home.get("security"))
    assert "We mailed jane@example.com a link that undoes the deletion." in page
    assert f"{due():%-d %B %Y, %H:%M} UTC" in page
    assert re.search(r"Your account will be erased after <time [^>]+>.+?</time>\.</strong> You can undo this", page)
    assert 'action="/account/delete/undo"' in page and "Keep my account" in page
    assert "Delete your account" not in page and "Everything looks fine" not in page
    assert User.objects.get().status == Status.ACTIVE


def test_the_banner_is_there_at_the_next_sign_in_too(leaving: Person) -> None:
    other = Person()
    other.sign_in()
    assert "Your account will be erased after" in text_of(other.get("security"))
    assert "Your account will be erased after" in text_of(other.get("delete"))
    assert 'name="password"' not in text_of(other.get("delete"))


@pytest.mark.parametrize(
    ("password", "said"), [("", "Enter your password"), ("wrong wrong wrong", "The password is wrong. Try again.")]
)
def test_without_the_password_nothing_is_asked_for(at_home: Person, password: str, said: str) -> None:
    response = delete(at_home, password)
    assert response.status_code == 422
    page = text_of(response)
    assert "<title>Error: " in page and said in page
    assert "wrong wrong wrong" not in page
    assert due() is None and not Mail.objects.filter(template="deletion_requested").exists()


def test_a12_wrong_passwords_are_counted_with_all_others(at_home: Person) -> None:
    for _try in range(10):
        assert delete(at_home, "wrong wrong wrong").status_code == 422
    assert delete(at_home).status_code == 429
    change = {"old_password": PASSWORD, "new_password": "a long and quiet river"}
    assert at_home.post("password/change", change).status_code == 429
    assert due() is None
    assert trail()[-1] == ("authn_reauthentication", "rate_limited")


def test_where_an_app_is_set_up_its_code_is_asked_for(at_home: Person) -> None:
    user = User.objects.get()
    recovery = give_app(user)
    page = text_of(at_home.get("delete"))
    assert 'name="code"' in page and "Use a recovery code" in page
    assert delete(at_home).status_code == 422
    assert delete(at_home, code="000000").status_code == 422
    assert due() is None
    assert text_of(at_home.get("delete", method="recovery")).count("Recovery code") >= 1
    answer = at_home.post("delete", {"password": PASSWORD, "code": recovery[0]}, "?method=recovery")
    assert answer.status_code == 303
    assert due() is not None and code_of(user)


def test_the_last_super_admin_is_told_why_not(at_home: Person) -> None:
    user = User.objects.get()
    user.set_role(Role.SUPER_ADMIN)
    user.save()
    give_app(user)
    response = delete(at_home, code=code_of(user))
    assert response.status_code == 422
    assert "This is the last super admin: make somebody else one first." in text_of(response)
    assert due() is None


def test_nobody_signed_in_is_sent_to_sign_in(person: Person) -> None:
    assert person.get("delete")["Location"] == "/account/login?next=%2Faccount%2Fdelete"
    assert person.get("delete/undo")["Location"] == "/account/login?next=%2Faccount%2Fdelete%2Fundo"


def test_the_button_keeps_the_account(leaving: Person) -> None:
    response = leaving.post("delete/undo")
    assert (response.status_code, response["Location"]) == (303, "/account/security")
    page = text_of(leaving.get("security"))
    assert "Your account stays. Nothing was erased." in page
    assert "will be erased" not in page and "Delete your account" in page
    assert due() is None
    assert "Your account stays" in text_of(leaving.get("delete/undo"))
    told = text_of(leaving.get("activity"))
    assert "The deletion of the account was asked for" in told and "The deletion of the account was undone" in told


def test_an_older_proof_is_asked_for_again_and_then_the_button_is_there(leaving: Person) -> None:
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=6))
    response = leaving.post("delete/undo")
    assert response["Location"] == "/account/reauthenticate?next=%2Faccount%2Fdelete%2Fundo"
    assert "Confirm your password to keep your account." in text_of(leaving.browser.get(response["Location"]))
    goal = {"password": PASSWORD, "next": "/account/delete/undo"}
    assert leaving.browser.post(response["Location"], goal)["Location"] == "/account/delete/undo"
    assert "Keep my account" in text_of(leaving.get("delete/undo"))
    assert due() is not None
    leaving.post("delete/undo")
    assert due() is None


def test_it_says_when_it_is_too_late(leaving: Person) -> None:
    Session.objects.update(absolute_expires_at=timezone.now() + timedelta(days=60))
    with time_machine.travel(due(), tick=False):
        person = Person()
        person.sign_in()
        page = text_of(person.get("security"))
        assert "Your account is being erased." in page and "Keep my account" not in page
        assert person.post("delete/undo")["Location"] == "/account/security"
        assert "It is too late: the account is being erased." in text_of(person.get("security"))
    assert due() is not None


def test_d10_d11_looking_at_the_link_uses_nothing_up_and_takes_it_out_of_the_address_bar(link: str) -> None:
    scanner = Person()
    for look in (scanner.browser.get, scanner.browser.head, scanner.browser.get):
        response = look(link)
        assert (response.status_code, response["Location"]) == (302, CONFIRM)
        assert (response["Referrer-Policy"], response["Cache-Control"]) == ("no-referrer", "no-store")
    page = scanner.get("delete/undo/confirm")
    assert page["Cache-Control"] == "no-store"
    assert link.rsplit("/", 1)[1] not in text_of(page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text_of(page))
    assert scanner.browser.head(CONFIRM).status_code == 200
    assert due() is not None
    assert link.rsplit("/", 1)[1] not in str([row.get_decoded() for row in BrowserSession.objects.all()])


def test_the_link_keeps_the_account_without_signing_in(elsewhere: Person) -> None:
    assert f"{due():%-d %B %Y, %H:%M} UTC" in text_of(elsewhere.get("delete/undo/confirm"))
    response = elsewhere.post("delete/undo/confirm")
    assert (response.status_code, response["Location"]) == (303, "/account/login")
    assert "Your account stays. Nothing was erased." in text_of(elsewhere.get("login"))
    assert due() is None
    assert elsewhere.get("security").status_code in {302, 303}


def test_whoever_is_signed_in_goes_back_to_the_account(leaving: Person, link: str) -> None:
    leaving.browser.get(link)
    assert leaving.post("delete/undo/confirm")["Location"] == "/account/security"
    assert "Your account stays. Nothing was erased." in text_of(leaving.get("security"))


def test_d01_a_used_link_says_that_the_account_stays(elsewhere: Person, link: str) -> None:
    elsewhere.post("delete/undo/confirm")
    elsewhere.browser.get(link)
    assert "The deletion was undone. Nothing was erased." in text_of(elsewhere.get("delete/undo/confirm"))
    assert elsewhere.post("delete/undo/confirm").status_code == 422


def test_a_link_says_so_too_when_the_account_was_kept_signed_in(leaving: Person, elsewhere: Person) -> None:
    leaving.post("delete/undo")
    page = elsewhere.get("delete/undo/confirm")
    assert "The deletion was undone. Nothing was erased." in text_of(page)
    assert elsewhere.post("delete/undo/confirm").status_code == 422


def test_d03_a_second_late_it_is_too_late(link: str) -> None:
    with time_machine.travel(due() + timedelta(seconds=1), tick=False):
        late = Person()
        late.browser.get(link)
        assert "It is too late" in text_of(late.get("delete/undo/confirm"))
        assert late.post("delete/undo/confirm").status_code == 422
        assert list(erasure.erase_due(before=timezone.now(), number=1, actor=Actor.system())) == [1]
        late.browser.get(link)
        assert "This link does not work" in text_of(late.get("delete/undo/confirm"))


@pytest.mark.parametrize("token", ["x", "x" * 43, "a%00b", "..%2f..", "%E2%80%AE", "x" * 3000])
def test_d04_d05_a_made_up_token_is_told_off_quietly(person: Person, token: str) -> None:
    assert person.browser.get(f"/account/delete/undo/{token}").status_code in {302, 404}
    assert "This link does not work" in text_of(person.get("delete/undo/confirm"))
    assert person.post("delete/undo/confirm").status_code == 422


def test_d06_the_link_of_one_purpose_is_none_of_another(link: str) -> None:
    person = Person()
    for other in ("disavow", "verify"):
        person.browser.get(link.replace("/delete/undo/", f"/{other}/"))
        assert person.post(f"{other}/confirm").status_code == 422
    assert due() is not None


def test_g01_the_buttons_want_a_csrf_token(leaving: Person, elsewhere: Person) -> None:
    for person, path in ((leaving, "delete"), (leaving, "delete/undo"), (elsewhere, "delete/undo/confirm")):
        person.browser.handler.enforce_csrf_checks = True
        assert person.post(path, {"password": PASSWORD}).status_code == 403
    assert due() is not None


def test_tokens_that_are_tried_are_limited(person: Person, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 0.03}
    seen = [person.browser.get(f"/account/delete/undo/{'x' * 43}").status_code for _try in range(4)]
    assert seen == [302, 302, 302, 429]


def test_an_erased_account_leaves_the_browser_at_the_sign_in_page(leaving: Person) -> None:
    User.objects.update(erase_at=timezone.now())
    assert list(erasure.erase_due(before=timezone.now(), number=1, actor=Actor.system())) == [1]
    assert leaving.get("security")["Location"].startswith("/account/login")
    assert leaving.give_password().status_code == 422
