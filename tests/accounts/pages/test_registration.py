from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.core import mail
from django.utils import timezone

from accounts.models import Status, User
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of


def test_sign_up_makes_an_account_that_waits_for_its_address(person: Person):
    response = person.sign_up()
    assert (response.status_code, response["Location"]) == (303, "/account/check-email")
    user = User.objects.get(email=EMAIL)
    assert user.status == Status.INACTIVE
    assert user.terms_version == "1"
    page = text_of(person.get("check-email"))
    assert EMAIL in page
    assert "Confirm your email address for Gatehouse" in page
    assert "no-reply@example.com" in page
    assert "24 hours" in page


def test_known_address_sees_the_same_page_and_gets_another_mail(member: Person):
    before = Person().sign_up()
    again = Person()
    response = again.sign_up()
    assert (response.status_code, response["Location"]) == (before.status_code, before["Location"])
    assert EMAIL in text_of(again.get("check-email"))
    assert "You already have an account" in again.mail()


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"email": ""}, "email", "Enter an email address"),
        ({"email": "jane"}, "email", "Enter an email address in the correct format, like name@example.com"),
        ({"email": "jane@example.com\u202e"}, "email", "Enter an email address in the correct format"),
        ({"email": "j" * 300 + "@example.com"}, "email", "Enter an email address in the correct format"),
        ({"password": ""}, "password", "Enter a password"),
        ({"password": "short"}, "password", "Password must be 12 characters or more"),
        ({"password": "x" * 129}, "password", "Password must be 128 characters or fewer"),
        ({"terms": ""}, "terms", "Agree to the terms to create an account"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_and_in_the_summary(person: Person, changed, field, words):
    typed = {"email": EMAIL, "password": PASSWORD, "terms": "on"} | changed
    response = person.post("signup", {name: value for name, value in typed.items() if value})
    page = text_of(response)
    assert response.status_code == 422
    assert "<title>Error: " in page
    assert f'<a href="#id_{field}">' in page
    assert f'id="id_{field}_error"' in page
    assert page.count(words) >= 2
    assert f'aria-invalid="true" aria-describedby="id_{field}' in page
    assert PASSWORD not in page
    assert not User.objects.exists()


def test_every_fault_is_said_at_once(person: Person):
    page = text_of(person.post("signup", {"email": "jane", "password": "short"}))
    assert page.count('<a href="#id_') == 6  # address, length, upper case, digit, symbol, terms


def test_link_moves_out_of_the_address_bar_and_get_uses_nothing_up(person: Person):
    person.sign_up()
    link = person.link()
    for _scanner in range(2):
        response = person.browser.get(link)
        assert (response.status_code, response["Location"]) == (302, "/account/verify/confirm")
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
    page = person.get("verify/confirm")
    assert page["Referrer-Policy"] == "same-origin"  # else the browser posts the form with "Origin: null"
    assert EMAIL in text_of(page)
    assert User.objects.get().status == Status.INACTIVE


def test_token_is_not_readable_in_the_session_table(person: Person):
    person.sign_up()
    link = person.link()
    person.browser.get(link)
    stored = [session.get_decoded() for session in BrowserSession.objects.all()]
    assert stored
    assert link.rsplit("/", 1)[1] not in str(stored)


def test_confirming_opens_the_account_and_signs_nobody_in(person: Person):
    person.sign_up()
    response = person.confirm()
    assert (response.status_code, response["Location"]) == (303, "/account/login")
    assert User.objects.get().status == Status.ACTIVE
    assert "Your address is confirmed." in text_of(person.get("login"))
    assert person.get("security").status_code == 303


def test_link_works_in_another_browser(person: Person):
    person.sign_up()
    elsewhere = Person()
    elsewhere.browser.get(person.link())
    assert elsewhere.post("verify/confirm").status_code == 303


def test_used_link_says_so(person: Person):
    person.sign_up()
    link = person.link()
    person.confirm()
    person.browser.get(link)
    assert "You have already confirmed this address" in text_of(person.get("verify/confirm"))
    assert person.post("verify/confirm").status_code == 422


def test_expired_link_offers_a_new_one(person: Person):
    person.sign_up()
    link = person.link()
    with time_machine.travel(timezone.now() + timedelta(hours=25), tick=False):
        person.browser.get(link)
        page = text_of(person.get("verify/confirm"))
        assert "This link has expired" in page
        assert "/account/verify/resend" in page
        assert person.post("verify/confirm").status_code == 422


def test_superseded_link_names_the_newer_one(person: Person):
    person.sign_up()
    link = person.link()
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
        person.post("verify/resend", {"email": EMAIL})
        person.mail()
        person.browser.get(link)
        assert "A newer link was sent at" in text_of(person.get("verify/confirm"))


@pytest.mark.parametrize("token", ["x", "x" * 43, "a%00b", "..%2f..", "%E2%80%AE", "x" * 3000])
def test_made_up_token_is_told_off_quietly(person: Person, token: str):
    assert person.browser.get(f"/account/verify/{token}").status_code in {302, 404}
    assert "This link does not work" in text_of(person.get("verify/confirm"))
    assert person.post("verify/confirm").status_code == 422


def test_resend_says_the_same_for_every_address(member: Person):
    answers = set()
    for email in (EMAIL, "nobody@example.com"):
        somebody = Person(email)
        response = somebody.post("verify/resend", {"email": email})
        answers.add((response.status_code, response["Location"], text_of(somebody.get("check-email")).count(email)))
    assert len(answers) == 1


def test_another_mail_waits_for_the_cool_down(person: Person):
    person.sign_up()
    person.mail()
    assert "You can ask for another email in" in text_of(person.get("check-email"))
    person.post("check-email")
    person.mail()
    assert len(mail.outbox) == 1
    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        person.post("check-email")
        assert "We sent another email." in text_of(person.get("check-email"))
        person.mail()
        assert len(mail.outbox) == 2


def test_closed_sign_up_says_so(person: Person, settings):
    settings.ACCOUNTS = {**settings.ACCOUNTS, "SIGNUP_OPEN": False}
    response = person.get("signup")
    assert response.status_code == 403
    assert "Accounts are made by invitation" in text_of(response)
    assert person.sign_up().status_code == 403
    assert "signup" not in text_of(person.get("login"))


def test_terms_of_the_host_are_linked(person: Person, settings):
    settings.ACCOUNTS = {**settings.ACCOUNTS, "TERMS_URL": "https://example.com/terms"}
    assert '<a href="https://example.com/terms"' in text_of(person.get("signup"))


def test_too_many_sign_ups_are_slowed_down(person: Person, settings):
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 0.2}
    assert person.sign_up().status_code == 303
    response = person.sign_up()
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "You have made too many requests" in text_of(response)
    assert "Try again after" in text_of(response)


def test_new_link_tells_of_the_sign_up_whose_password_it_brings_into_force(person: Person):
    with time_machine.travel("2026-01-05T08:30:00Z", tick=False):
        person.sign_up()
        person.mail()
    with time_machine.travel("2026-01-05T09:45:00Z", tick=False):
        Person().post("verify/resend", {"email": EMAIL})
        said = person.mail()
        assert "Time: 5 January 2026, 08:30 UTC" in said
        assert "Network address: 127.0.0.1" in said
        assert "Device" not in said  # it was not kept; the worker's own is not it
        person.browser.get(person.link())
        assert 'datetime="2026-01-05T08:30:00Z"' in text_of(person.get("verify/confirm"))
