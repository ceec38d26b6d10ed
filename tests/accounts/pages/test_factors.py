"""Setting up an app, recovery codes shown once, turning it off."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from accounts.models import RecoveryCode, TotpDevice, User
from accounts.services import factors
from sessions_app.models import Session
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of
from tests.factories import UserFactory, code_of, give_app, shown_by, trail

ADD, CONFIRM, QR = "2fa/totp/add", "2fa/totp/confirm", "2fa/totp/qr.svg"
CODES, DOWNLOAD, NEW = "2fa/recovery", "2fa/recovery/download", "2fa/recovery/new"
NOBODYS = "2fa/totp/00000000-0000-7000-8000-000000000000/remove"
CODE = re.compile(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>")


@pytest.fixture
def with_app(member: Person) -> Person:
    """Somebody who has just signed in with an app."""
    user = User.objects.get()
    member.recovery = give_app(user)  # type: ignore[attr-defined]
    member.give_password()
    assert member.post("otp", {"code": code_of(user)}).status_code == 303
    return member


def begin(person: Person, name: str = "My phone") -> TotpDevice:
    answer = person.post(ADD, {"name": name})
    assert (answer.status_code, answer["Location"]) == (303, "/account/2fa/totp/confirm")
    return TotpDevice.objects.get(confirmed=False)


def remove_path(device: TotpDevice | None = None) -> str:
    return f"2fa/totp/{(device or TotpDevice.objects.get()).pk}/remove"


def grow_old() -> None:
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=6))


def test_an_app_is_set_up_and_its_recovery_codes_are_saved(at_home: Person) -> None:
    page = text_of(at_home.get("security"))
    assert '<a href="/account/2fa/totp/add">Set up an authenticator app</a>' in page
    assert "your other devices are signed out" in text_of(at_home.get(ADD))
    device = begin(at_home)
    setup = factors.setup_of(device)
    page = text_of(at_home.get(CONFIRM))
    assert " ".join(setup.secret[i : i + 4] for i in range(0, 32, 4)) in page
    assert setup.otpauth_url.replace("&", "&amp;") in page
    assert 'src="/account/2fa/totp/qr.svg"' in page
    assert setup.secret not in "".join(re.findall(r'alt="[^"]*"', page))
    assert 'autocomplete="one-time-code"' in page and "maxlength" not in page
    done = at_home.post(CONFIRM, {"code": shown_by(device)})
    assert (done.status_code, done["Location"]) == (303, "/account/2fa/recovery")

    shown = at_home.get(CODES)
    codes = CODE.findall(text_of(shown))
    assert shown["Cache-Control"] == "no-store" and len(set(codes)) == RecoveryCode.objects.count() == 10
    unticked = at_home.post(CODES)
    assert unticked.status_code == 422
    assert text_of(unticked).count("Save the codes, then tick “I have saved these codes”") == 2
    saved = at_home.post(CODES, {"saved": "on"})
    assert (saved.status_code, saved["Location"]) == (303, "/account/security")
    assert at_home.get(CODES)["Location"] == "/account/2fa/recovery/new"
    page = text_of(at_home.get("security"))
    assert codes[0] not in page and "My phone" in page and "10 left" in page
    assert "Code by email" not in page
    assert "An authenticator app was added" in at_home.mail()


def test_the_picture_is_drawn_by_the_server_in_no_cache_and_for_its_owner_only(at_home: Person) -> None:
    assert at_home.get(QR).status_code == 404
    begin(at_home)
    picture = at_home.get(QR)
    assert (picture["Content-Type"], picture["Cache-Control"]) == ("image/svg+xml", "no-store")
    assert picture["Cross-Origin-Resource-Policy"] == "same-origin"
    assert picture.content.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
    assert Person().get(QR).status_code == 303
    other = Person("other@example.com")
    UserFactory(email="other@example.com")
    other.sign_in()
    assert other.get(QR).status_code == 404
    grow_old()
    assert at_home.get(QR).status_code == 404


def test_c16_the_key_is_stable_over_wrong_codes_and_a_clock_that_is_off_is_said(at_home: Person) -> None:
    device = begin(at_home)
    secret = factors.setup_of(device).secret
    with time_machine.travel(timezone.now(), tick=False):
        wrong = at_home.post(CONFIRM, {"code": shown_by(device, 500)})
        page = text_of(wrong)
        assert wrong.status_code == 422 and "<title>Error: " in page
        assert page.count("That code is not correct. Check that the time on your phone is set automatically.") == 2
        late = at_home.post(CONFIRM, {"code": shown_by(device, -6)})
        assert late.status_code == 422
        assert text_of(late).count("the clock of your phone seems to be about 3 minutes slow.") == 2
        assert shown_by(device, -6) not in text_of(late)
        short = at_home.post(CONFIRM, {"code": "12"})
        assert text_of(short).count("The code must be 6 numbers") == 2
        assert factors.setup_of(TotpDevice.objects.get()).secret == secret
        assert at_home.post(CONFIRM, {"code": shown_by(device)}).status_code == 303


def test_a_key_that_waited_too_long_is_replaced(at_home: Person) -> None:
    assert at_home.get(CONFIRM)["Location"] == "/account/2fa/totp/add"
    device = begin(at_home)
    TotpDevice.objects.update(created_at=timezone.now() - timedelta(minutes=31))
    late = at_home.post(CONFIRM, {"code": shown_by(device)})
    assert (late.status_code, late["Location"]) == (303, "/account/2fa/totp/add")
    assert "The key was shown too long ago." in text_of(at_home.get(ADD))


def test_the_session_table_holds_no_codes(at_home: Person) -> None:
    device = begin(at_home)
    at_home.post(CONFIRM, {"code": shown_by(device)})
    code = CODE.findall(text_of(at_home.get(CODES)))[0]
    held = str([one.get_decoded() for one in BrowserSession.objects.all()])
    assert code not in held and factors.setup_of(device).secret not in held


def test_codes_are_downloaded_by_a_form_and_forgotten_with_the_sign_out(at_home: Person) -> None:
    device = begin(at_home)
    at_home.post(CONFIRM, {"code": shown_by(device)})
    codes = CODE.findall(text_of(at_home.get(CODES)))
    assert at_home.get(DOWNLOAD).status_code == 405
    file = at_home.post(DOWNLOAD)
    assert file["Content-Disposition"] == 'attachment; filename="gatehouse-recovery-codes.txt"'
    assert (file["Content-Type"], file["Cache-Control"]) == ("text/plain; charset=utf-8", "no-store")
    lines = text_of(file).split("\r\n")
    assert lines[:2] == ["Gatehouse recovery codes", f"Account: {EMAIL}"] and lines[5:15] == codes
    at_home.post("logout")
    assert at_home.post(DOWNLOAD)["Location"].startswith("/account/login")
    at_home.give_password()
    at_home.post("otp", {"code": shown_by(TotpDevice.objects.get(), 1)})
    assert at_home.get(CODES)["Location"] == "/account/2fa/recovery/new"


def test_codes_that_nobody_saves_are_shown_for_half_an_hour(at_home: Person) -> None:
    device = begin(at_home)
    at_home.post(CONFIRM, {"code": shown_by(device)})
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert at_home.get(CODES)["Location"] == "/account/2fa/recovery/new"


def test_new_codes_replace_the_old_ones_after_a_warning(with_app: Person) -> None:
    page = text_of(with_app.get(NEW))
    assert "You have 10 recovery codes left." in page and "This stops your current codes working." in page
    assert 'class="button danger"' in page
    done = with_app.post(NEW)
    assert (done.status_code, done["Location"]) == (303, "/account/2fa/recovery")
    new = CODE.findall(text_of(with_app.get(CODES)))
    assert len(new) == 10 and not set(new) & set(with_app.recovery)  # type: ignore[attr-defined]
    assert "New recovery codes were made" in with_app.mail()


def test_without_an_app_no_codes_are_made(at_home: Person) -> None:
    assert at_home.get(NEW)["Location"] == "/account/security"
    assert at_home.post(NEW)["Location"] == "/account/security"
    assert "Recovery codes stand in for an authenticator app." in text_of(at_home.get("security"))
    assert not RecoveryCode.objects.exists()


def test_turning_the_app_off_names_what_it_means(with_app: Person) -> None:
    page = text_of(with_app.get("security"))
    path = remove_path()
    assert f'<a href="/account/{path}" aria-label="Remove Phone">' in page
    page = text_of(with_app.get(path))
    assert "<h1>Turn off the authenticator app</h1>" in page
    assert "whoever knows your password and can read your mail gets in" in page
    assert '<a href="/account/2fa/totp/add">Set up the app there first</a>' in page
    assert 'class="button danger"' in page
    done = with_app.post(path)
    assert (done.status_code, done["Location"]) == (303, "/account/security")
    page = text_of(with_app.get("security"))
    assert "Signing in asks for a code by email again. Your other devices are signed out." in page
    assert "Code by email" in page
    assert not TotpDevice.objects.filter(confirmed=True).exists() and not RecoveryCode.objects.exists()
    assert "An authenticator app was removed" in with_app.mail()


def test_of_two_apps_one_is_removed(with_app: Person) -> None:
    at_first = TotpDevice.objects.get()
    device = begin(with_app, "Tablet <b>")
    done = with_app.post(CONFIRM, {"code": shown_by(device)})
    assert done["Location"] == "/account/security"
    page = text_of(with_app.get("security"))
    assert "The authenticator app is set up." in page and "Tablet &lt;b&gt;" in page
    page = text_of(with_app.get(remove_path(at_first)))
    assert "<h1>Remove an authenticator app</h1>" in page and "go on working" in page
    with_app.post(remove_path(at_first))
    assert TotpDevice.objects.get(confirmed=True) == device
    assert "The authenticator app is removed. Your other devices are signed out." in text_of(with_app.get("security"))


def test_staff_are_shown_how_to_change_phones(db: None) -> None:
    user = UserFactory(email=EMAIL, staff=True, app=True)
    person = Person()
    person.give_password()
    person.post("otp", {"code": code_of(user)})
    page = text_of(person.get(remove_path()))
    assert "staff need one" in page and 'class="button danger"' not in page
    refused = person.post(remove_path())
    assert (refused.status_code, refused["Location"]) == (303, "/account/security")
    assert "Staff need an authenticator app. Set up another one first." in text_of(person.get("security"))
    assert factors.has_app(user)


def test_i03_the_app_of_somebody_else_is_not_found(with_app: Person) -> None:
    UserFactory(email="other@example.com", app=True)
    theirs = TotpDevice.objects.get(user__email="other@example.com")
    foreign, unknown = with_app.get(remove_path(theirs)), with_app.get(f"2fa/totp/{User.objects.first().pk}/remove")  # type: ignore[union-attr]
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert with_app.post(remove_path(theirs)).status_code == 404
    assert TotpDevice.objects.filter(pk=theirs.pk).exists()
    assert trail()[-1] == ("authn_factor_change", "not_permitted")


class TestProof:
    @pytest.mark.parametrize(
        ("path", "purpose"),
        [
            (ADD, "set up an authenticator app"),
            (CONFIRM, "set up an authenticator app"),
            (NEW, "make new recovery codes"),
        ],
    )
    def test_c18_an_older_sign_in_is_asked_again(self, with_app: Person, path: str, purpose: str) -> None:
        grow_old()
        asked = with_app.get(path)
        assert asked["Location"] == f"/account/reauthenticate?next=%2Faccount%2F{path.replace('/', '%2F')}"
        page = text_of(with_app.browser.get(asked["Location"]))
        assert f"Confirm your password to {purpose}." in page and 'name="code"' in page
        assert "What you typed is kept." not in page

    def test_c18_without_the_app_in_the_proof_it_is_asked_for(self, at_home: Person) -> None:
        user = User.objects.get()
        give_app(user)
        path = remove_path()
        assert at_home.post(path)["Location"].startswith("/account/reauthenticate?next=")
        assert factors.has_app(user)
        proof = {"password": PASSWORD, "code": code_of(user), "next": f"/account/{path}"}
        assert at_home.post("reauthenticate", proof)["Location"] == f"/account/{path}"
        assert at_home.post(path)["Location"] == "/account/security"
        assert not factors.has_app(user)

    def test_c18_the_key_of_a_further_app_is_drawn_for_nobody_who_left_the_first_one_out(self, at_home: Person) -> None:
        at_home.post(ADD, {"name": "A phone"})
        assert at_home.get("2fa/totp/qr.svg").status_code == 200
        give_app(User.objects.get())  # confirmed elsewhere; this session proved no code of it
        assert at_home.get("2fa/totp/qr.svg").status_code == 404

    def test_a_name_that_was_typed_is_kept(self, at_home: Person) -> None:
        grow_old()
        asked = at_home.post(ADD, {"name": "Zoë’s phone"})
        assert "What you typed is kept." in text_of(at_home.browser.get(asked["Location"]))
        at_home.post("reauthenticate", {"password": PASSWORD})
        assert 'value="Zoë’s phone"' in text_of(at_home.get(ADD))

    @pytest.mark.parametrize("path", [ADD, CONFIRM, CODES, DOWNLOAD, NEW, NOBODYS])
    def test_whoever_is_not_signed_in_signs_in(self, person: Person, path: str) -> None:
        assert person.post(path)["Location"].startswith("/account/login")

    def test_e18_a_change_gives_the_browser_a_new_key(self, with_app: Person) -> None:
        before = with_app.browser.cookies["session"].value
        with_app.post(NEW)
        between = with_app.browser.cookies["session"].value
        with_app.post(remove_path())
        assert len({before, between, with_app.browser.cookies["session"].value}) == 3


@pytest.mark.parametrize(("name", "said"), [("x" * 61, "Use 60 characters or fewer"), ("a\u202eb", "")])
def test_a_name_that_does_not_fit_is_said_at_its_field(at_home: Person, name: str, said: str) -> None:
    answer = at_home.post(ADD, {"name": name})
    assert answer.status_code == 422 and said in text_of(answer)
    assert '<a href="#id_name">' in text_of(answer)
    assert not TotpDevice.objects.exists()


def test_the_sixth_app_is_refused_in_words(with_app: Person, settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"MAX_APPS": 1}
    assert with_app.post(ADD, {"name": ""})["Location"] == "/account/security"
    assert "An account has at most 1 authenticator apps." in text_of(with_app.get("security"))


def test_page_8_says_how_many_codes_are_left_and_the_last_leads_to_new_ones(member: Person) -> None:
    codes = give_app(User.objects.get())
    for left, code in zip(range(9, -1, -1), codes, strict=True):
        member.give_password()
        entered = member.post("otp/recovery", {"code": code})
        assert entered["Location"] == ("/account/security" if left else "/account/2fa/recovery/new")
        page = text_of(member.browser.get(entered["Location"]))
        if left:
            assert f"You used a recovery code. Each works once, and {left} " in page
            assert ("Make new ones soon." in page) is (left <= 3)
            assert ('<a href="/account/2fa/recovery/new">Make new recovery codes:' in page) is (left <= 3)
        else:
            assert "You used your last recovery code." in page and 'class="button main"' in page
        member.post("logout")


def test_a_wrong_code_of_the_app_reminds_of_the_clock(with_app: Person) -> None:
    with_app.post("logout")
    with_app.give_password()
    page = text_of(with_app.post("otp", {"code": "000000"}))
    said = "That code is not correct. You have 4 tries left. Check that the time on your phone is set automatically."
    assert page.count(said) == 2
    early = text_of(with_app.post("otp", {"code": code_of(User.objects.get(), 20)}))
    assert "another time" not in early  # the time of such a code is still to come: nobody who guessed it learns that


def test_v6_5_6_an_app_that_is_being_set_up_is_seen_in_that_session_alone(at_home: Person) -> None:
    device = begin(at_home)
    elsewhere = Person()
    elsewhere.sign_in()
    assert elsewhere.get(CONFIRM)["Location"] == "/account/2fa/totp/add"
    assert elsewhere.get(QR).status_code == 404
    assert elsewhere.post(CONFIRM, {"code": shown_by(device)})["Location"] == "/account/2fa/totp/add"
    assert at_home.get(QR).status_code == 200
    begin(elsewhere)
    assert at_home.get(CONFIRM)["Location"] == "/account/2fa/totp/add", "a new beginning replaces it"
    assert TotpDevice.objects.count() == 1
