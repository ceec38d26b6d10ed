"""Changing the address, the page behind the link to the new one, and the page that undoes it."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from accounts.models import Link, LinkPurpose, Mail, User
from gatehouse import limits
from sessions_app.conf import app_settings
from sessions_app.models import Session
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of
from tests.factories import UserFactory, code_of, give_app

NEW = "new@example.org"
CHANGE, CONFIRM, UNDO = "email/change", "email/confirm", "email/undo"


def mailbox_of(email: str) -> Person:
    """Somebody at another computer who reads the mail of *email*."""
    return Person(email)


def ask(person: Person, email: str = NEW) -> Any:
    return person.post(CHANGE, {"new_email": email})


@pytest.fixture
def asked(at_home: Person) -> Person:
    """Somebody who is signed in and asked for NEW."""
    assert ask(at_home)["Location"] == "/account/email/change"
    return at_home


@pytest.fixture
def link(asked: Person) -> str:
    return mailbox_of(NEW).link()


@pytest.fixture
def undo(link: str, asked: Person) -> str:
    return asked.link()


def opened(link: str) -> Person:
    """Somebody signed in nowhere who opened *link*."""
    reader = Person()
    reader.browser.get(link)
    return reader


def live() -> int:
    return Session.objects.live(timezone.now()).count()


def address() -> str:
    return User.objects.get(display_name="").email


# -- asking


def test_the_page_says_what_will_happen_and_shows_the_change_that_waits(at_home: Person) -> None:
    page = text_of(at_home.get(CHANGE))
    assert "It stays in use until you have confirmed the new address." in page
    assert 'autocomplete="email"' in page and "Cancel the change" not in page
    answer = ask(at_home)
    assert (answer.status_code, answer["Location"]) == (303, "/account/email/change")
    page = text_of(at_home.get(CHANGE))
    assert f"We sent an email to {NEW}." in page
    words = re.sub(r"<[^>]+>", "", page)
    assert f"We will keep using {EMAIL} until you confirm {NEW}." in words
    assert "Cancel the change" in page
    security = text_of(at_home.get("security"))
    assert NEW in security and 'href="/account/email/change"' in security
    assert at_home.get(CHANGE)["Cache-Control"] == "no-store"


def test_b06_a_taken_address_looks_like_any_other(at_home: Person) -> None:
    UserFactory(email="taken@example.com")
    pages = []
    for email in ("taken@example.com", "nobody@example.com"):
        answer = ask(at_home, email)
        assert ("Somebody wanted to use this address" in mailbox_of(email).mail()) == email.startswith("taken")
        page = text_of(at_home.get(CHANGE)).replace(email, "…")
        timeless = re.sub(r'value="[^"]*"|\d', "", page)  # without CSRF tokens and times
        pages.append((answer.status_code, answer["Location"], timeless))
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Enter an email address"),
        ("nothing", "Enter an email address in the correct format, like name@example.com"),
        (EMAIL.upper(), "Enter an address that is not the one in force now"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_is_kept(at_home: Person, typed: str, said: str) -> None:
    answer = ask(at_home, typed)
    page = text_of(answer)
    assert answer.status_code == 422
    assert page.count(said) >= 2 and 'href="#id_new_email"' in page and "<title>Error: " in page
    assert f'value="{typed}"' in page or not typed
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).exists()


def test_v7_5_1_an_older_proof_is_asked_for_again_and_what_was_typed_is_kept(at_home: Person) -> None:
    Session.objects.update(authenticated_at=timezone.now() - app_settings().REAUTH_TTL)
    answer = ask(at_home)
    assert (answer.status_code, answer["Location"]) == (303, "/account/reauthenticate?next=%2Faccount%2Femail%2Fchange")
    page = text_of(at_home.browser.get(answer["Location"]))
    assert "Confirm your password to change your email address." in page
    proved = at_home.post("reauthenticate", {"password": PASSWORD, "next": "/account/email/change"})
    assert proved["Location"] == "/account/email/change"
    assert f'value="{NEW}"' in text_of(at_home.get(CHANGE))
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).exists()


def test_c18_where_an_app_is_set_up_the_proof_takes_its_code(at_home: Person) -> None:
    user = User.objects.get()
    give_app(user)
    assert ask(at_home)["Location"].startswith("/account/reauthenticate")
    at_home.post("reauthenticate", {"password": PASSWORD, "code": code_of(user)})
    assert ask(at_home)["Location"] == "/account/email/change"


def test_whoever_is_not_signed_in_signs_in_first(person: Person) -> None:
    assert person.get(CHANGE)["Location"].startswith("/account/login?next=")
    assert ask(person)["Location"].startswith("/account/login")


def test_the_button_cancels_what_waits(asked: Person, link: str, undo: str) -> None:
    assert asked.post(CHANGE, {"cancel": "1"})["Location"] == "/account/email/change"
    page = text_of(asked.get(CHANGE))
    assert "The change is cancelled. Your address stays as it is." in page and "We will keep using" not in page
    late = opened(link)
    assert "The change was cancelled, or a newer link was sent." in text_of(late.get(CONFIRM))
    assert late.post(CONFIRM).status_code == 422
    assert "There is nothing to undo" in text_of(opened(undo).get(UNDO))
    asked.post(CHANGE, {"cancel": "1"})
    assert "No change is waiting." in text_of(asked.get(CHANGE))


@pytest.mark.parametrize("data", [{"new_email": "x@example.org"}, {"cancel": "1"}])
def test_a_session_that_ended_meanwhile_leads_to_the_sign_in(
    asked: Person, monkeypatch: pytest.MonkeyPatch, data: dict[str, str]
) -> None:
    """It ends after the page has asked who is calling, and before the service holds the account."""
    take = limits.take

    def take_and_end(request: Any, *hits: limits.Hit) -> Any:
        if hits[0][0] != "wide_ip":
            Session.objects.update(revoked_at=timezone.now(), revoked_reason="staff")
        return take(request, *hits)

    monkeypatch.setattr(limits, "take", take_and_end)
    assert asked.post(CHANGE, data)["Location"] == "/account/login"
    assert "Our staff signed you out." in text_of(asked.get("login"))


def test_asking_too_often_is_told(at_home: Person) -> None:
    answers = [ask(at_home, f"n{turn}@example.org").status_code for turn in range(6)]
    assert answers == [303] * 5 + [429]


@pytest.mark.parametrize("data", [{"new_email": NEW}, {"cancel": "1"}])
def test_g01_changes_want_a_csrf_token(asked: Person, data: dict[str, str]) -> None:
    asked.browser.handler.enforce_csrf_checks = True
    assert asked.post(CHANGE, data).status_code == 403
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS).open().count() == 1


# -- the link to the new address


def test_d10_d11_looking_at_a_link_uses_nothing_up_and_takes_it_out_of_the_address_bar(link: str, undo: str) -> None:
    for url, goal in ((link, f"/account/{CONFIRM}"), (undo, f"/account/{UNDO}")):
        scanner = Person()
        for look in (scanner.browser.get, scanner.browser.head, scanner.browser.get):
            response = look(url)
            assert (response.status_code, response["Location"]) == (302, goal)
            assert (response["Referrer-Policy"], response["Cache-Control"]) == ("no-referrer", "no-store")
        page = scanner.browser.get(goal)
        assert page["Cache-Control"] == "no-store" and url.rsplit("/", 1)[1] not in text_of(page)
        stored = [session.get_decoded() for session in BrowserSession.objects.all()]
        assert url.rsplit("/", 1)[1] not in str(stored)
    assert address() == EMAIL
    assert Link.objects.filter(purpose__in=("address", "address_undo")).open().count() == 2


def test_another_browser_confirms_it_and_every_session_ends(asked: Person, link: str) -> None:
    reader = opened(link)
    page = text_of(reader.get(CONFIRM))
    assert NEW in page and "j•••@e•••.com" in page and EMAIL not in page
    response = reader.post(CONFIRM)
    assert (response.status_code, response["Location"]) == (303, "/account/login")
    said = text_of(reader.get("login"))
    assert f"Your email address is now {NEW}. Every device is signed out. Sign in with the new address." in said
    assert (address(), live()) == (NEW, 0)
    assert "because the email address was changed" in text_of(asked.browser.get("/account/login"))
    assert reader.get("security").status_code == 303, "a link signs nobody in"


def test_the_browser_that_is_signed_in_to_the_account_stays_so_with_a_new_key(asked: Person, link: str) -> None:
    second = Person()
    second.sign_in()
    asked.browser.get(link)
    before = asked.browser.cookies["session"].value
    assert asked.post(CONFIRM)["Location"] == "/account/security"
    page = text_of(asked.get("security"))
    assert f"Your email address is now {NEW}. Every other device is signed out." in page
    assert asked.browser.cookies["session"].value != before
    assert (address(), live()) == (NEW, 1)
    assert second.get("security").status_code == 303


def test_lesson_14_whoever_is_signed_in_as_somebody_else_stays_so_and_is_told(asked: Person, link: str) -> None:
    UserFactory(email="other@example.com", display_name="Other")
    other = Person("other@example.com")
    other.sign_in()
    session = Session.objects.get(user__email="other@example.com")
    other.browser.get(link)
    page = text_of(other.get(CONFIRM))
    assert "You are signed in here as" in page and "other@example.com" in page
    assert other.post(CONFIRM)["Location"] == "/account/login"
    assert "other@example.com" in text_of(other.get("security"))
    assert [one.pk for one in Session.objects.live(timezone.now())] == [session.pk]
    assert User.objects.get(display_name="Other").email == "other@example.com"
    assert address() == NEW


def test_two_browsers_with_one_link(link: str, asked: Person) -> None:
    first, second = opened(link), opened(link)
    assert "Confirm your new email address" in text_of(second.get(CONFIRM))
    assert first.post(CONFIRM).status_code == 303
    late = second.post(CONFIRM)
    assert late.status_code == 422 and "You have already confirmed this address" in text_of(late)
    assert Mail.objects.filter(template="address_changed").count() == 1


def test_d03_an_expired_link_says_what_to_do(link: str) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1), tick=False):
        late = opened(link)
        page = text_of(late.get(CONFIRM))
        assert "This link has expired" in page and 'href="/account/email/change"' in page
        assert late.post(CONFIRM).status_code == 422
    assert address() == EMAIL


def test_an_address_that_somebody_got_meanwhile_is_said_clearly(link: str, asked: Person) -> None:
    reader = opened(link)
    UserFactory(email=NEW)
    answer = reader.post(CONFIRM)
    assert answer.status_code == 422
    assert "Another account has this address" in text_of(answer)
    assert "Your account keeps its old address, and nothing was changed." in text_of(answer)
    assert (address(), live()) == (EMAIL, 1)


@pytest.mark.parametrize("token", ["x", "x" * 43, "a%00b", "..%2f..", "%E2%80%AE", "x" * 3000])
@pytest.mark.parametrize("page", [CONFIRM, UNDO])
def test_d04_d05_a_made_up_token_is_told_off_quietly(person: Person, page: str, token: str) -> None:
    assert person.browser.get(f"/account/{page}/{token}").status_code in {302, 404}
    said = text_of(person.get(page))
    assert "This link does not work" in said or "There is nothing to undo" in said
    assert person.post(page).status_code == 422


def test_d06_a_link_of_one_purpose_is_none_of_another(link: str, undo: str) -> None:
    assert opened(link.replace("/confirm/", "/undo/")).post(UNDO).status_code == 422
    assert opened(undo.replace("/undo/", "/confirm/")).post(CONFIRM).status_code == 422
    reader = opened(link.replace("/email/confirm/", "/verify/"))
    assert reader.post("verify/confirm").status_code == 422
    assert address() == EMAIL


# -- the link to the old address


def test_before_it_took_effect_the_button_cancels_it(asked: Person, undo: str, link: str) -> None:
    reader = opened(undo)
    page = text_of(reader.get(UNDO))
    assert "Cancel the change of your address?" in page and "n•••@e•••.org" in page and NEW not in page
    assert reader.post(UNDO)["Location"] == "/account/login"
    assert "The change is cancelled, and your address stays as it is." in text_of(reader.get("login"))
    assert asked.get("security").status_code == 200
    assert opened(link).post(CONFIRM).status_code == 422
    assert "The change is undone" in text_of(opened(undo).get(UNDO))


def test_after_it_took_effect_the_button_puts_it_back(asked: Person, undo: str, link: str) -> None:
    asked.browser.get(link)
    asked.post(CONFIRM)
    reader = opened(undo)
    page = text_of(reader.get(UNDO))
    assert "Put your old address back?" in page and "n•••@e•••.org" in page
    assert reader.post(UNDO)["Location"] == "/account/login"
    said = text_of(reader.get("login"))
    assert "Your old address is back, and every device is signed out. We sent you a link to set a new password." in said
    assert (address(), live()) == (EMAIL, 0)
    assert "/account/password/reset/" in asked.link()
    assert "because the email address was changed" in text_of(asked.browser.get("/account/login"))


def test_the_owner_s_own_browser_is_signed_out_by_it(asked: Person, undo: str, link: str) -> None:
    asked.browser.get(link)
    asked.post(CONFIRM)
    asked.browser.get(undo)
    assert asked.post(UNDO)["Location"] == "/account/login"
    page = text_of(asked.get("login"))
    assert "Your old address is back" in page and "because the email address" not in page


def test_lesson_14_undoing_it_changes_nothing_for_whoever_else_is_signed_in(
    asked: Person, undo: str, link: str
) -> None:
    opened(link).post(CONFIRM)
    UserFactory(email="other@example.com", display_name="Other")
    other = Person("other@example.com")
    other.sign_in()
    other.browser.get(undo)
    assert "That account stays as it is." in text_of(other.get(UNDO))
    assert other.post(UNDO).status_code == 303
    assert "other@example.com" in text_of(other.get("security"))
    assert (address(), live()) == (EMAIL, 1)


def test_where_the_old_address_is_somebody_s_by_now_nothing_changes(undo: str, link: str) -> None:
    opened(link).post(CONFIRM)
    reader = opened(undo)
    UserFactory(email=EMAIL)
    answer = reader.post(UNDO)
    assert answer.status_code == 422 and "so it cannot be put back" in text_of(answer)
    assert address() == NEW


def test_d03_the_way_back_ends_after_seven_days(undo: str, link: str) -> None:
    opened(link).post(CONFIRM)
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1), tick=False):
        late = opened(undo)
        assert "This link has expired" in text_of(late.get(UNDO))
        assert late.post(UNDO).status_code == 422
    assert address() == NEW


@pytest.mark.parametrize("page", [CONFIRM, UNDO])
def test_g01_the_buttons_want_a_csrf_token(link: str, undo: str, page: str) -> None:
    reader = opened(link if page == CONFIRM else undo)
    reader.browser.handler.enforce_csrf_checks = True
    assert reader.post(page).status_code == 403
    assert address() == EMAIL


def test_tokens_that_are_tried_are_limited(person: Person, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 0.03}
    seen = [person.browser.get(f"/account/{UNDO}/{'x' * 43}").status_code for _try in range(4)]
    assert seen == [302, 302, 302, 429]
