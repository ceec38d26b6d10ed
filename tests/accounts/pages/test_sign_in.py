from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Challenge, Status, User
from accounts.pages.forms import CodeForm
from sessions_app.models import Door, Session
from sessions_app.reasons import RevokeReason
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def location(response: Any) -> tuple[int, str]:
    return response.status_code, response["Location"]


def test_password_and_code_open_a_page_session(member: Person):
    assert location(member.give_password()) == (303, "/account/otp")
    assert "j•••@e•••.com" in text_of(member.get("otp"))
    assert location(member.post("otp", {"code": member.code()})) == (303, "/account/security")
    session = Session.objects.get()
    assert (session.door, session.keep, sorted(session.factors)) == (Door.PAGE, False, ["email", "password"])
    assert member.browser.session["sid"] == str(session.pk)
    assert "pending" not in member.browser.session


def test_session_key_changes_at_the_password_and_at_the_code(member: Person):
    member.get("login")
    member.browser.session.save()
    keys = [member.browser.session.session_key]
    member.give_password()
    keys.append(member.browser.session.session_key)
    member.post("otp", {"code": member.code()})
    keys.append(member.browser.session.session_key)
    assert len(set(keys)) == 3


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_wrong_password_and_unknown_address_read_alike(member: Person, email: str):
    response = member.post("login", {"email": email, "password": "a wrong but long password"})
    page = text_of(response)
    assert response.status_code == 422
    assert page.count("The email or password is wrong. Try again or reset your password.") == 2
    assert "<title>Error: Sign in" in page
    assert f'value="{email}"' in page
    assert "a wrong but long password" not in page


def test_keep_me_signed_in_makes_the_cookie_last(member: Person):
    member.sign_in(keep="on")
    assert Session.objects.get().keep is True
    assert int(member.browser.cookies["session"]["max-age"]) > 86400


def test_without_it_the_cookie_ends_with_the_browser(member: Person):
    member.sign_in()
    assert member.browser.cookies["session"]["max-age"] == ""


def test_unconfirmed_address_is_sent_to_its_mail(person: Person):
    person.sign_up()
    assert location(person.give_password()) == (303, "/account/check-email")
    assert EMAIL in text_of(person.get("check-email"))
    assert not Session.objects.exists()


def test_disabled_account_is_told_only_after_the_right_password(member: Person):
    user = User.objects.get()
    user.set_status(Status.DISABLED)
    user.save()
    assert member.give_password("a wrong but long password").status_code == 422
    response = member.give_password()
    assert response.status_code == 403
    assert "This account is disabled" in text_of(response)
    assert response["X-Request-ID"] in text_of(response)


def test_wrong_code_counts_down_and_the_last_ends_the_sign_in(member: Person):
    member.give_password()
    code = member.code()
    for left in ("4 tries", "3 tries", "2 tries", "1 try"):
        response = member.post("otp", {"code": wrong(code)})
        assert response.status_code == 422
        assert f"That code is not correct. You have {left} left." in text_of(response)
    assert location(member.post("otp", {"code": wrong(code)})) == (303, "/account/login")
    assert "no tries are left" in text_of(member.get("login"))
    assert location(member.post("otp", {"code": code})) == (303, "/account/login")
    assert not Session.objects.exists()


@pytest.mark.parametrize("shape", ["{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}", " {0} ", "{0}"])
def test_code_may_be_typed_in_any_way(member: Person, shape: str):
    member.give_password()
    assert member.post("otp", {"code": shape.format(member.code())}).status_code == 303


def test_full_width_digits_and_hyphens_do_not_matter(member: Person):
    member.give_password()
    wide = "-".join(chr(ord(digit) + 0xFEE0) for digit in member.code())
    assert member.post("otp", {"code": wide}).status_code == 303


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Enter the code"),
        ("12345", "The code must be 6 numbers"),
        ("1234567", "The code must be 6 numbers"),
        ("abcdef", "The code must be 6 numbers"),
        ("١٢٣٤٥٦", "The code must be 6 numbers"),
    ],
)
def test_what_is_no_code_costs_no_try(member: Person, typed: str, words: str):
    member.give_password()
    response = member.post("otp", {"code": typed})
    assert response.status_code == 422
    assert words in text_of(response)
    assert 'value="' + typed not in text_of(response) or not typed
    assert Challenge.objects.get().attempts == 0


def test_app_shows_six_numbers_whatever_mails_carry(settings):
    settings.ACCOUNTS = {**settings.ACCOUNTS, "OTP_LENGTH": 8}
    for length, code in ((6, "123 456"), (None, "12345678")):
        assert CodeForm({"code": code}, trust_for=timedelta(days=30), length=length).is_valid()
    assert not CodeForm({"code": "123456"}, trust_for=timedelta(days=30)).is_valid()


def test_expired_code_is_replaced(member: Person):
    member.give_password()
    code = member.code()
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False):
        assert "It has expired." in text_of(member.get("otp"))
        response = member.post("otp", {"code": code})
        assert response.status_code == 422
        assert "The code has expired. We sent a new one." in text_of(response)
        assert location(member.post("otp", {"code": member.code()})) == (303, "/account/security")


def test_another_code_has_to_wait(member: Person):
    member.give_password()
    assert location(member.post("otp/resend")) == (303, "/account/otp")
    assert "You can ask for another code in" in text_of(member.get("otp"))
    assert Challenge.objects.get().sends == 1
    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        first = member.code()
        member.post("otp/resend")
        assert "We sent another code." in text_of(member.get("otp"))
        assert member.code() != first
        assert Challenge.objects.get().sends == 2


def test_challenge_that_is_over_leads_back(member: Person):
    member.give_password()
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=False):
        assert location(member.get("otp")) == (303, "/account/login")
        assert "This sign-in took too long" in text_of(member.get("login"))


@pytest.mark.parametrize("path", ["otp", "otp/method", "otp/recovery"])
def test_without_a_sign_in_there_is_no_code_to_enter(person: Person, path: str):
    assert location(person.get(path)) == (303, "/account/login")


def test_cancel_forgets_the_half_done_sign_in(member: Person):
    member.give_password()
    assert location(member.post("otp/cancel")) == (303, "/account/login")
    assert location(member.get("otp")) == (303, "/account/login")


def test_next_is_kept_through_both_steps(member: Person):
    query = "?next=/account/sessions"
    page = text_of(member.get("login", next="/account/sessions"))
    assert '<input type="hidden" name="next" value="/account/sessions"' in page
    assert location(member.give_password(query=query)) == (303, "/account/otp?next=%2Faccount%2Fsessions")
    assert location(member.browser.post(f"/account/otp{query}", {"code": member.code()})) == (303, "/account/sessions")


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"]
)
def test_next_leads_nowhere_else(member: Person, target: str):
    member.give_password(next=target)
    assert location(member.post("otp", {"code": member.code(), "next": target})) == (303, "/account/security")


def test_whoever_is_signed_in_is_led_home(at_home: Person):
    for path in ("login", "signup", "otp", "check-email"):
        assert location(at_home.get(path)) == (302, "/account/security")


def test_trusted_device_needs_no_code(member: Person):
    member.give_password()
    member.post("otp", {"code": member.code(), "trust_device": "on"})
    assert member.browser.cookies["device"]["httponly"]
    member.post("logout")
    assert location(member.give_password()) == (303, "/account/security")


def test_locked_account_is_told_until_when(member: Person):
    pages = []
    for email in (EMAIL, "nobody@example.com"):
        for _try in range(10):
            assert member.post("login", {"email": email, "password": "a wrong but long password"}).status_code == 422
        response = member.post("login", {"email": email, "password": PASSWORD})
        assert response.status_code == 429
        assert int(response["Retry-After"]) > 60
        pages.append(text_of(response))
    assert all("Too many attempts" in page and "Try again after" in page for page in pages)


def test_sign_out_is_a_page_with_a_button(at_home: Person):
    assert "Sign out of this device" in text_of(at_home.get("logout"))
    assert Session.objects.get().revoked_at is None
    response = at_home.post("logout")
    assert location(response) == (303, "/account/login")
    assert response["Clear-Site-Data"] == '"cache", "storage"'
    assert Session.objects.get().revoked_reason == RevokeReason.SIGNED_OUT
    assert "You are signed out." in text_of(at_home.get("login"))
    assert location(at_home.get("security")) == (303, "/account/login?next=%2Faccount%2Fsecurity")


def test_session_ended_elsewhere_is_explained(at_home: Person):
    Session.objects.update(revoked_at=timezone.now(), revoked_reason=RevokeReason.SIGNED_OUT_ELSEWHERE)
    at_home.get("security")
    assert "You were signed out from another device." in text_of(at_home.get("login"))


def test_idle_session_is_explained_with_its_time(at_home: Person):
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        at_home.get("security")
        page = text_of(at_home.get("login"))
        assert "We signed you out because you were inactive for 7 days." in page


def test_form_without_its_token_is_refused(member: Person):
    member.browser.handler.enforce_csrf_checks = True
    response = member.give_password()
    assert response.status_code == 403
    assert "This page was open too long" in text_of(response)


def test_a_link_that_is_opened_shortens_nobody_s_session(at_home: Person) -> None:
    before = at_home.browser.session.get_expiry_date()
    at_home.get("verify/" + "x" * 43)
    assert at_home.browser.session.get_expiry_date() == before
