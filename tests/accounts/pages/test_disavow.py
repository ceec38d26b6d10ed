"""Page 17: the link of the mail about a new device, opened without signing in."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from accounts.models import Link, LinkPurpose, Mail, Status, TotpDevice, User
from accounts.services import own_factors
from gatehouse.client import Client
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from tests.accounts.pages.person import Person, text_of
from tests.factories import Api, bearer, shown_by

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile Safari/605"
CONFIRM = "/account/disavow/confirm"
_LINK = re.compile(r"^http://testserver(/account/disavow/\S+)$", re.MULTILINE)


@pytest.fixture
def stranger(at_home: Person) -> Person:
    """Somebody else who signed in to the same account, from a phone."""
    stranger = Person()
    stranger.browser.defaults["HTTP_USER_AGENT"] = PHONE
    stranger.sign_in()
    return stranger


@pytest.fixture
def link(stranger: Person) -> str:
    found = _LINK.search(stranger.mail())
    assert found
    return found[1]


@pytest.fixture
def owner(link: str) -> Person:
    """The owner at another computer, signed in nowhere, who opened the link."""
    owner = Person()
    owner.browser.get(link)
    return owner


def live() -> int:
    return Session.objects.live(timezone.now()).count()


def test_d10_d11_looking_at_the_link_uses_nothing_up_and_takes_it_out_of_the_address_bar(link: str) -> None:
    scanner = Person()
    for ask in (scanner.browser.get, scanner.browser.head, scanner.browser.get):
        response = ask(link)
        assert (response.status_code, response["Location"]) == (302, CONFIRM)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
    page = scanner.get("disavow/confirm")
    assert page["Cache-Control"] == "no-store"
    assert link.rsplit("/", 1)[1] not in text_of(page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text_of(page))
    assert scanner.browser.head(CONFIRM).status_code == 200
    assert live() == 2
    assert Link.objects.filter(purpose=LinkPurpose.DISAVOW).open().exists()


def test_the_page_says_which_sign_in_it_is_about(owner: Person) -> None:
    session = Session.objects.newest_first()[0]
    Session.objects.filter(pk=session.pk).update(ip="198.51.100.9")  # it was used from elsewhere since
    page = text_of(owner.get("disavow/confirm"))
    assert "Was this not you?" in page
    assert session.device_name in page
    assert "127.0.0.1" in page


def test_the_button_signs_that_device_out_and_mails_a_link(owner: Person, stranger: Person, at_home: Person) -> None:
    response = owner.post("disavow/confirm")
    assert (response.status_code, response["Location"]) == (303, "/account/login")
    said = text_of(owner.get("login"))
    assert "We signed that device out. We sent you a link to set a new password." in said
    assert "this sign-in was not theirs" in text_of(stranger.browser.get("/account/login"))
    assert at_home.get("security").status_code == 200
    assert Mail.objects.filter(template="password_reset").count() == 1


def test_lesson_14_the_owner_s_own_browser_stays_signed_in_as_the_owner(at_home: Person, link: str) -> None:
    """B's browser with A's token acts neither as B nor signs anybody in."""
    at_home.browser.get(link)
    assert at_home.post("disavow/confirm")["Location"] == "/account/login"
    page = at_home.browser.get("/account/login", follow=True)
    assert "We signed that device out." in text_of(page)
    assert page.request["PATH_INFO"] == "/account/security"


def test_lesson_14_a_stranger_s_browser_is_signed_in_by_no_link(owner: Person) -> None:
    owner.post("disavow/confirm")
    assert owner.get("security").status_code in {302, 303}


def test_d01_a_used_link_says_so(owner: Person, link: str) -> None:
    owner.post("disavow/confirm")
    owner.browser.get(link)
    page = owner.get("disavow/confirm")
    assert "That device is signed out" in text_of(page)
    assert owner.post("disavow/confirm").status_code == 422


def test_d03_an_expired_link_says_what_to_do_instead(link: str) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1), tick=False):
        late = Person()
        late.browser.get(link)
        page = text_of(late.get("disavow/confirm"))
        assert "This link has expired" in page
        assert 'href="/account/sessions"' in page
        assert late.post("disavow/confirm").status_code == 422
    assert not Session.objects.filter(revoked_reason=RevokeReason.DISAVOWED).exists()


@pytest.mark.parametrize("token", ["x", "x" * 43, "a%00b", "..%2f..", "%E2%80%AE", "x" * 3000])
def test_d04_d05_a_made_up_token_is_told_off_quietly(person: Person, token: str) -> None:
    assert person.browser.get(f"/account/disavow/{token}").status_code in {302, 404}
    assert "This link does not work" in text_of(person.get("disavow/confirm"))
    assert person.post("disavow/confirm").status_code == 422


def test_d06_the_link_of_one_purpose_is_none_of_another(owner: Person, link: str) -> None:
    owner.browser.get(link.replace("/disavow/", "/verify/"))
    assert owner.post("verify/confirm").status_code == 422
    newcomer = Person("new@example.com")
    newcomer.sign_up()
    newcomer.browser.get(newcomer.link().replace("/verify/", "/disavow/"))
    assert newcomer.post("disavow/confirm").status_code == 422
    assert live() == 2


def test_d08_the_link_of_a_disabled_account_does_not_work(owner: Person) -> None:
    user = User.objects.get()
    user.set_status(Status.DISABLED)
    user.save()
    assert "This link does not work" in text_of(owner.get("disavow/confirm"))
    assert owner.post("disavow/confirm").status_code == 422
    assert not Mail.objects.filter(template="password_reset").exists()


def test_d08_the_link_of_an_address_that_was_left_does_not_work(owner: Person) -> None:
    User.objects.update(email="new@example.com", email_key="new@example.com")
    assert "This link does not work" in text_of(owner.get("disavow/confirm"))
    assert owner.post("disavow/confirm").status_code == 422
    assert live() == 2


def test_the_page_says_what_becomes_of_apps_and_reset_asks_for_none_afterwards(
    owner: Person, stranger: Person, link: str
) -> None:
    assert "Authenticator apps that were set up there go" in text_of(owner.get("disavow/confirm"))
    stranger.post("2fa/totp/add", {"name": "Mine now"})
    stranger.post("2fa/totp/confirm", {"code": shown_by(TotpDevice.objects.get())})
    assert TotpDevice.objects.get().confirmed
    assert owner.post("disavow/confirm").status_code == 303
    assert not TotpDevice.objects.exists()
    reset = re.search(r"^http://testserver(/account/password/reset/\S+)$", owner.mail(), re.MULTILINE)
    assert reset
    owner.browser.get(reset[1])
    assert "authenticator app" not in text_of(owner.get("password/reset/new"))


def test_v7_4_3_where_an_app_went_whoever_came_in_by_it_is_signed_out_too(
    owner: Person, stranger: Person, link: str
) -> None:
    stranger.post("2fa/totp/add", {"name": "Mine now"})
    stranger.post("2fa/totp/confirm", {"code": shown_by(TotpDevice.objects.get())})
    again = Api(user_agent="Wget/1.21")
    body = again.answer(again.challenge(), shown_by(TotpDevice.objects.get(), 1)).json()
    assert live() == 2
    assert owner.post("disavow/confirm").status_code == 303
    assert live() == 0
    assert again.get("/auth/session", **bearer(body)).status_code == 401


def test_the_token_is_not_readable_in_the_session_table(owner: Person, link: str) -> None:
    stored = [session.get_decoded() for session in BrowserSession.objects.all()]
    assert link.rsplit("/", 1)[1] not in str(stored)


def test_g01_the_button_wants_a_csrf_token(owner: Person) -> None:
    owner.browser.handler.enforce_csrf_checks = True
    assert owner.post("disavow/confirm").status_code == 403
    assert live() == 2


def test_tokens_that_are_tried_are_limited(person: Person, settings) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 0.03}
    seen = [person.browser.get(f"/account/disavow/{'x' * 43}").status_code for _try in range(4)]
    assert seen == [302, 302, 302, 429]


def test_where_apps_are_undone_every_device_is_signed_out_and_told_so(
    owner: Person, stranger: Person, at_home: Person
) -> None:
    asker = {"user": User.objects.get(), "session": Session.objects.newest_first()[0], "client": Client.local("test")}
    setup = own_factors.begin_app(name="Thief's phone", **asker)
    shown = shown_by(TotpDevice.objects.get(pk=setup.device_id))
    own_factors.confirm_app(app_id=setup.device_id, code=shown, **asker)
    assert "every device is signed out" in text_of(owner.get("disavow/confirm"))
    owner.post("disavow/confirm")
    assert "and signed every other device out. We sent you a link" in text_of(owner.get("login"))
    assert live() == 0 and not TotpDevice.objects.exists()
