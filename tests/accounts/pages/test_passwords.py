import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from accounts import passwords as hashing
from accounts.models import Status, TotpDevice, User
from accounts.passwords import policy
from gatehouse import limits
from sessions_app.models import Session
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of
from tests.factories import UserFactory, code_of, trail

NEW = "a long and quiet river"
FORGOT, FORM, CHANGE = "password/reset", "password/reset/new", "password/change"


def open_link(person: Person, where: Person | None = None) -> str:
    """Ask for a link and open it in the browser of *where*; return its path."""
    person.post(FORGOT, {"email": person.email})
    link = person.link()
    (where or person).browser.get(link)
    return link


def change(person: Person, old: str = PASSWORD, new: str = NEW, **more: str):
    return person.post(CHANGE, {"old_password": old, "new_password": new, "sign_out_others": "on"} | more)


def test_the_sign_in_page_leads_to_a_new_password(person: Person):
    page = text_of(person.get("login"))
    assert '<a href="/account/password/reset">Forgot your password?</a>' in page
    form = text_of(person.get(FORGOT))
    assert 'type="email"' in form and 'autocomplete="username"' in form and 'inputmode="email"' in form


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_b04_b11_every_address_sees_the_same_page(member: Person, email: str):
    response = member.post(FORGOT, {"email": email})
    assert (response.status_code, response["Location"]) == (303, "/account/password/reset/sent")
    page = text_of(member.get("password/reset/sent"))
    said = f'If there is an account for <bdi class="address">{email}</bdi>, we have sent a link that works for 1 hour.'
    assert said in page
    assert 'role="status"' in page
    assert "Set a new password for Gatehouse" in page  # what the mail is called


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("", "Enter an email address"),
        ("jane", "Enter an email address in the correct format, like name@example.com"),
        ("jane@example.com\u202e", "Enter an email address in the correct format"),
    ],
)
def test_what_is_no_address_is_said_at_the_field_and_in_the_summary(person: Person, email: str, words: str):
    response = person.post(FORGOT, {"email": email})
    page = text_of(response)
    assert response.status_code == 422
    assert "<title>Error: " in page and '<a href="#id_email">' in page and page.count(words) >= 2
    assert trail() == []


def test_d10_d11_the_link_moves_out_of_the_address_bar_and_get_uses_nothing_up(member: Person):
    link = open_link(member)
    for _scanner in range(2):
        response = member.browser.get(link)
        assert (response.status_code, response["Location"]) == (302, "/account/password/reset/new")
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert member.browser.head(link).status_code == 302
    page = member.get(FORM)
    assert page["Referrer-Policy"] == "same-origin"  # else the browser posts the form with "Origin: null"
    assert page.status_code == 200 and EMAIL in text_of(page)
    assert link.rsplit("/", 1)[1] not in str([held.get_decoded() for held in BrowserSession.objects.all()])
    assert link.rsplit("/", 1)[1] not in text_of(page)


def test_the_form_suits_password_managers_and_shows_the_policy(member: Person):
    open_link(member)
    page = text_of(member.get(FORM))
    assert f'<input type="text" name="username" value="{EMAIL}" autocomplete="username"' in page
    assert page.count("<form") == 1
    assert len(re.findall(r'type="password"', page)) == 1  # no second one to confirm the first
    assert 'autocomplete="new-password"' in page and "maxlength" not in page
    assert 'aria-controls="id_password" aria-label="Show password"' in page
    for rule in policy().rules:
        assert rule[1:].replace("'", "&#x27;") in page
    assert 'name="code"' not in page


def test_a_new_password_signs_every_device_out_and_nobody_in(member: Person):
    elsewhere = Person()
    elsewhere.sign_in()
    open_link(member)
    response = member.post(FORM, {"password": NEW})
    assert (response.status_code, response["Location"]) == (303, "/account/login")
    page = text_of(member.get("login"))
    assert f"The password of {EMAIL} is changed, and every device is signed out." in page
    assert 'role="status"' in page
    assert not Session.objects.live(timezone.now()).exists()
    assert elsewhere.get("security").status_code == 303
    assert "You were signed out because the password was changed." in text_of(elsewhere.get("login"))
    assert "Your password was changed" in member.mail()
    assert member.give_password().status_code == 422
    assert member.give_password(NEW)["Location"] == "/account/otp"


def test_d02_the_second_of_two_browsers_is_told_that_the_link_was_used(member: Person):
    other = Person()
    link = open_link(member, other)
    member.browser.get(link)
    other.post(FORM, {"password": NEW})
    late = member.post(FORM, {"password": "another long quiet river"})
    assert late.status_code == 422
    assert "This link has expired or has been used" in text_of(late)
    assert '<a class="button main" href="/account/password/reset">Send a new link</a>' in text_of(late)
    member.browser.get(link)
    assert "This link does not work any more" in text_of(member.get(FORM))


def test_d03_an_expired_link_offers_a_new_one(member: Person):
    link = open_link(member)
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=1), tick=False):
        member.browser.get(link)
        assert "This link does not work any more" in text_of(member.get(FORM))
        assert member.post(FORM, {"password": NEW}).status_code == 422


@pytest.mark.parametrize("token", ["x", "x" * 43, "a%00b", "..%2f..", "%E2%80%AE", "x" * 3000])
def test_d04_a_made_up_token_is_told_off_quietly(person: Person, token: str):
    assert person.browser.get(f"/account/password/reset/{token}").status_code in {302, 404}
    assert "This link does not work any more" in text_of(person.get(FORM))
    assert person.post(FORM, {"password": NEW}).status_code == 422


def test_d06_a_link_that_proves_an_address_sets_no_password(person: Person):
    person.sign_up()
    person.browser.get(person.link())
    assert person.post(FORM, {"password": NEW}).status_code == 422
    assert User.objects.get().status == Status.INACTIVE


def test_d20_without_a_link_the_form_does_nothing(member: Person):
    member.give_password()  # a half-done sign-in is no link
    assert "This link does not work any more" in text_of(member.get(FORM))
    assert member.post(FORM, {"password": NEW}).status_code == 422
    assert member.post(FORM + "?method=recovery", {"password": NEW, "code": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "Enter a new password"),
        ("short", "Password must be 12 characters or more"),
        ("x" * 129, "Password must be 128 characters or fewer"),
        (PASSWORD, "Choose a password that is not the one in force now"),
    ],
)
def test_d18_a_refused_password_is_said_and_does_not_burn_the_link(member: Person, password: str, words: str):
    open_link(member)
    response = member.post(FORM, {"password": password})
    page = text_of(response)
    assert response.status_code == 422
    assert "<title>Error: " in page and '<a href="#id_password">' in page and page.count(words) >= 2
    assert 'aria-invalid="true" aria-describedby="id_password_hint id_password_error"' in page
    assert PASSWORD not in page
    assert member.post(FORM, {"password": NEW}).status_code == 303


@pytest.fixture
def guarded(person: Person) -> User:
    """The account of somebody with an authenticator app."""
    return UserFactory(email=EMAIL, app=True)


def test_the_app_s_code_is_asked_for_before_the_password_is_set(person: Person, guarded: User):
    open_link(person)
    page = text_of(person.get(FORM))
    assert page.index('name="code"') < page.index('name="password"')
    assert 'autocomplete="one-time-code"' in page and 'inputmode="numeric"' in page
    missing = text_of(person.post(FORM, {"password": NEW}))
    assert '<a href="#id_code">Enter the code</a>' in missing
    wrong = person.post(FORM, {"password": NEW, "code": "000000"})
    assert wrong.status_code == 422
    assert '<a href="#id_code">That code is not correct. You have 19 tries left.</a>' in text_of(wrong)
    assert "000000" not in text_of(wrong) and NEW not in text_of(wrong)
    both = text_of(person.post(FORM, {"password": "short", "code": "12"}))
    assert "The code must be 6 numbers" in both and "Password must be 12 characters or more" in both
    assert person.post(FORM, {"password": NEW, "code": code_of(guarded)}).status_code == 303


def test_a_recovery_code_may_be_used_instead(person: Person, guarded: User):
    open_link(person)
    assert 'href="/account/password/reset/new?method=recovery"' in text_of(person.get(FORM))
    page = text_of(person.get(FORM, method="recovery"))
    assert "Recovery code" in page and 'href="/account/password/reset/new"' in page
    typed = guarded.recovery[0].upper().replace("-", " ")
    assert person.post(FORM + "?method=recovery", {"password": NEW, "code": "never-one"}).status_code == 422
    assert person.post(FORM + "?method=recovery", {"password": NEW, "code": typed}).status_code == 303


def test_an_app_that_was_set_up_meanwhile_is_asked_for(member: Person):
    open_link(member)
    user = User.objects.get()
    app = TotpDevice(user=user, name="Phone", confirmed=True, created_at=timezone.now(), confirmed_at=timezone.now())
    app.seal(b"x" * 20)
    app.save()
    assert member.post(FORM, {"password": NEW}).status_code == 422
    assert 'name="code"' in text_of(member.get(FORM))


def test_a_reset_of_one_s_own_signs_this_browser_out_too(at_home: Person):
    open_link(at_home)
    assert "You are signed in here as" not in text_of(at_home.get(FORM))
    assert at_home.post(FORM, {"password": NEW})["Location"] == "/account/login"
    page = text_of(at_home.get("login"))
    assert "is changed, and every device is signed out" in page
    assert "You were signed out because" not in page


def test_lesson_14_a_reset_while_signed_in_as_another_says_whose_it_is(at_home: Person):
    UserFactory(email="john@example.com")
    john = Person("john@example.com")
    open_link(john, at_home)
    page = text_of(at_home.get(FORM))
    assert "john@example.com" in page and "You are signed in here as" in page
    assert at_home.post(FORM, {"password": NEW}).status_code == 303
    assert "The password of john@example.com is changed" in text_of(at_home.get("security"))
    assert trail()[-1] == ("authn_password_reset",)
    assert User.objects.get(email=EMAIL).password != User.objects.get(email=john.email).password


# -- change


def test_the_well_known_address_leads_to_the_change_of_the_password(at_home: Person):
    response = at_home.browser.get("/.well-known/change-password")
    assert (response.status_code, response["Location"]) == (302, "/account/password/change")
    page = text_of(at_home.get(CHANGE))
    assert f'<input type="text" name="username" value="{EMAIL}" autocomplete="username"' in page
    assert 'name="old_password" autocomplete="current-password"' in page
    assert 'name="new_password" autocomplete="new-password"' in page
    assert re.search(r'type="checkbox" name="sign_out_others"[^>]*checked', page)
    assert "maxlength" not in page
    security = text_of(at_home.get("security"))
    assert '<a href="/account/password/change">Change your password</a>' in security


def test_who_is_not_signed_in_signs_in_first_and_comes_back(member: Person):
    assert member.get(CHANGE)["Location"] == "/account/login?next=%2Faccount%2Fpassword%2Fchange"
    assert change(member)["Location"] == "/account/login"


def test_a_change_keeps_this_browser_under_a_new_key_and_signs_the_others_out(at_home: Person):
    elsewhere = Person()
    elsewhere.sign_in()
    key = at_home.browser.session.session_key
    response = change(at_home)
    assert (response.status_code, response["Location"]) == (303, "/account/security")
    assert at_home.browser.session.session_key != key
    assert not BrowserSession.objects.filter(session_key=key).exists()
    page = text_of(at_home.get("security"))
    assert "Your password is changed." in page
    assert elsewhere.get("security").status_code == 303
    assert "You were signed out because the password was changed." in text_of(elsewhere.get("login"))
    assert "Firefox 142 on Windows" in at_home.mail()


def test_others_stay_where_the_box_is_not_ticked(at_home: Person):
    elsewhere = Person()
    elsewhere.sign_in()
    assert change(at_home, sign_out_others="").status_code == 303
    assert elsewhere.get("security").status_code == 200


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"old_password": ""}, "old_password", "Enter your current password"),
        ({"old_password": "wrong wrong wrong"}, "old_password", "The current password is wrong"),
        ({"new_password": ""}, "new_password", "Enter a new password"),
        ({"new_password": "short"}, "new_password", "Password must be 12 characters or more"),
        ({"new_password": PASSWORD}, "new_password", "Choose a password that is not the one in force now"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_of_the_change(at_home: Person, changed, field: str, words: str):
    before = User.objects.get().password
    typed = {"old_password": PASSWORD, "new_password": NEW, "sign_out_others": "on"} | changed
    response = at_home.post(CHANGE, typed)
    page = text_of(response)
    assert response.status_code == 422
    assert "<title>Error: " in page and f'<a href="#id_{field}">' in page and page.count(words) >= 2
    assert PASSWORD not in page and NEW not in page
    assert User.objects.get().password == before


def test_a_change_whose_session_ended_meanwhile_leads_to_the_reason(at_home: Person, monkeypatch):
    make = hashing.hash_new_password

    def make_slowly(password: str) -> str:
        monkeypatch.setattr(hashing, "hash_new_password", make)
        elsewhere = Person()
        open_link(at_home, elsewhere)
        elsewhere.post(FORM, {"password": "another long quiet river"})
        return make(password)

    monkeypatch.setattr(hashing, "hash_new_password", make_slowly)
    assert change(at_home)["Location"] == "/account/login"
    assert "You were signed out because the password was changed." in text_of(at_home.get("login"))
    assert at_home.give_password("another long quiet river").status_code == 303


def test_a12_too_many_wrong_present_passwords_stop_the_change(at_home: Person):
    for _try in range(limits.LIMITS["reauth_account"].number):
        assert change(at_home, "wrong wrong wrong").status_code == 422
    response = change(at_home)
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


def test_the_page_of_a_lockout_leads_to_a_reset(member: Person):
    for _try in range(limits.LIMITS["login_address_ip"].number):
        member.give_password("wrong wrong wrong")
    locked = member.give_password()
    assert locked.status_code == 429
    assert '<a href="/account/password/reset">reset your password</a>' in text_of(locked)


@pytest.mark.parametrize("path", [FORGOT, "password/reset/sent", FORM])
def test_pages_of_a_reset_hold_nothing_inline_and_nothing_foreign(person: Person, path: str):
    response = person.get(path)
    page = text_of(response)
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert response["Cache-Control"] == "no-store"
