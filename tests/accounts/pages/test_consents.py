"""What somebody agreed to, and terms that are asked for again."""

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth.mixins import LoginRequiredMixin
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.models import Consent, User
from accounts.pages.steps import SignedInOnly
from sessions_app.models import Session
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of
from tests.adminpanel.staff import Staff
from tests.factories import mark, trail

NEWS = "marketing-2026"
ASKED = {"OPTIONAL_CONSENTS": ((NEWS, "Mail me news & offers"),)}
PAGE, ASK = "consents", "consents/terms"
CHANGED = "What is asked has changed since this page was opened. Look at it again."


def seen(person: Person, path: str) -> str:
    return html.unescape(text_of(person.get(path)))


def shown(person: Person) -> str:
    """Return what the page sends along: the versions that it showed, and whether they were ticked."""
    found = re.search(r'name="shown" value="([^"]+)"', text_of(person.get(PAGE)))
    assert found
    return html.unescape(found[1])


def save(person: Person, *ticked: int, state: str = "") -> Any:
    return person.post(PAGE, {"shown": state or shown(person), **{f"agree_{number}": "on" for number in ticked}})


def standing() -> list[tuple[str, bool]]:
    return list(Consent.objects.order_by("at", "id").values_list("version", "granted"))


# -- the page


def test_the_page_shows_date_and_version_and_leads_to_the_terms(at_home: Person, settings: Any):
    settings.ACCOUNTS = ASKED
    page = seen(at_home, PAGE)
    assert "You agreed to version 1 on <time" in page and "You have not answered yet." in page
    assert '<a href="/account/terms" target="_blank" rel="noopener">terms (opens in a new tab)</a>' in page
    assert page.count('type="checkbox"') == 2 and page.count(" checked") == 1
    assert "Mail me news &amp; offers" in text_of(at_home.get(PAGE))
    assert "Terms, version 1" in page and page.count("<h1>") == 1
    assert '<a href="/account/consents"' in seen(at_home, "security")


def test_only_what_was_changed_is_an_answer(at_home: Person, settings: Any):
    settings.ACCOUNTS = ASKED
    since = mark()
    response = save(at_home, 0, 1)
    assert (response.status_code, response["Location"]) == (303, "/account/consents")
    assert "Your answers are saved." in seen(at_home, PAGE)
    save(at_home, 0, 1)
    assert "Nothing was changed." in seen(at_home, PAGE)
    save(at_home, 0)
    assert standing() == [("1", True), (NEWS, True), (NEWS, False)]
    assert trail(since) == [("user_consent_given",), ("user_consent_withdrawn",)]
    assert "You said no on <time" in seen(at_home, PAGE)


def test_withdrawn_terms_end_nothing_and_are_asked_for_at_the_next_sign_in(at_home: Person):
    save(at_home)
    assert standing() == [("1", True), ("1", False)]
    page = seen(at_home, PAGE)
    assert "You have not agreed to the terms that are in force." in page
    assert "Say whether you agree to our terms" in seen(at_home, "security")
    assert Session.objects.live(timezone.now()).count() == 1
    at_home.post("logout")
    assert at_home.sign_in().status_code == 303
    assert at_home.get("security")["Location"] == "/account/consents/terms?next=%2Faccount%2Fsecurity"
    assert "Agree to our terms" in seen(at_home, ASK)


def test_an_answer_in_another_tab_is_not_undone(at_home: Person, settings: Any):
    settings.ACCOUNTS = ASKED
    old = shown(at_home)
    save(at_home, 0, 1)
    save(at_home, 0, state=old)  # nothing was changed there
    assert standing() == [("1", True), (NEWS, True)]


@pytest.mark.parametrize(
    "state",
    [
        "",
        "x",
        "[]",
        "{}",
        "7",
        "null",
        '["1"]',
        '[["1"]]',
        '[["2", true]]',
        '[["1", true], ["x-1", false]]',
        "[[[], 1]]",
    ],
)
def test_a_page_that_shows_something_else_answers_nothing(at_home: Person, state: str):
    since = mark()
    response = at_home.post(PAGE, {"shown": state, "agree_0": "on"})
    assert (response.status_code, response["Location"]) == (303, "/account/consents")
    assert CHANGED in seen(at_home, PAGE)
    assert standing() == [("1", True)] and trail(since) == []


def test_a_version_that_changed_while_the_page_was_open_is_shown_first(at_home: Person, settings: Any):
    old = shown(at_home)
    settings.ACCOUNTS = {"TERMS_VERSION": "2"}
    save(at_home, state=old)
    assert CHANGED in seen(at_home, PAGE)
    assert standing() == [("1", True)] and json.loads(shown(at_home)) == [["2", False]]


def test_an_earlier_version_keeps_a_box_of_its_own(at_home: Person, settings: Any):
    settings.ACCOUNTS = ASKED
    save(at_home, 0, 1)
    settings.ACCOUNTS = {"OPTIONAL_CONSENTS": (("marketing-2027", "Mail me more"),)}
    page = seen(at_home, PAGE)
    assert "Mail me more" in page and "This is asked of nobody any more." in page
    assert json.loads(shown(at_home)) == [["1", True], ["marketing-2027", False], [NEWS, True]]
    save(at_home, 0)
    assert standing()[-1] == (NEWS, False)


def test_whoever_is_not_signed_in_comes_back_after_signing_in(member: Person):
    assert member.get(PAGE)["Location"] == "/account/login?next=%2Faccount%2Fconsents"
    assert member.post(PAGE, {"shown": "[]"})["Location"] == "/account/login"


# -- at sign-up


def test_each_optional_purpose_is_a_box_of_its_own_and_not_ticked(person: Person, settings: Any):
    settings.ACCOUNTS = ASKED
    page = seen(person, "signup")
    assert page.count('type="checkbox"') == 2 and " checked" not in page and "Mail me news & offers" in page
    person.post("signup", {"email": EMAIL, "password": PASSWORD, "terms": "on", "agree_0": "on"})
    assert standing() == [("1", True), (NEWS, True)]


def test_nothing_but_the_terms_is_needed(person: Person, settings: Any):
    settings.ACCOUNTS = ASKED
    response = person.post("signup", {"email": EMAIL, "password": PASSWORD, "agree_0": "on"})
    assert response.status_code == 422 and "Agree to the terms to create an account" in text_of(response)
    assert " checked" in text_of(response)  # what was ticked is kept
    assert person.sign_up().status_code == 303
    assert standing() == [("1", True)]


def test_a_box_that_nobody_showed_is_no_answer(person: Person):
    person.post("signup", {"email": EMAIL, "password": PASSWORD, "terms": "on", "agree_0": "on", "agree_7": "on"})
    assert standing() == [("1", True)]


# -- a new version of the terms


@pytest.fixture
def asked(member: Person, settings: Any) -> Person:
    """Somebody who signed in after the terms had changed."""
    settings.ACCOUNTS = ASKED | {"TERMS_VERSION": "2"}
    member.sign_in()
    return member


def test_a_changed_version_asks_again_and_then_goes_on(member: Person, settings: Any):
    settings.ACCOUNTS = {"TERMS_VERSION": "2", "TERMS_URL": "https://example.com/terms"}
    member.give_password(query="?next=/account/devices%3Ffrom%3Dmail")
    goal = member.post("otp", {"code": member.code()}, "?next=/account/devices%3Ffrom%3Dmail")["Location"]
    assert goal == "/account/devices?from=mail"
    ask = member.browser.get(goal)
    assert (ask.status_code, ask["Location"]) == (
        303,
        "/account/consents/terms?next=%2Faccount%2Fdevices%3Ffrom%3Dmail",
    )
    page = html.unescape(text_of(member.browser.get(ask["Location"])))
    assert "Our terms have changed" in page and "You agreed to version 1. Read version 2" in page
    assert 'href="https://example.com/terms"' in page and " checked" not in page
    since = mark()
    response = member.browser.post(ask["Location"], {"version": "2", "terms": "on"})
    assert (response.status_code, response["Location"]) == (303, goal)
    assert member.browser.get(goal).status_code == 200
    assert standing() == [("1", True), ("2", True)] and trail(since) == [("user_consent_given",)]
    assert User.objects.get().terms_version == "2"


def test_without_a_tick_it_asks_on(asked: Person):
    response = asked.post(ASK, {"version": "2"})
    page = text_of(response)
    assert response.status_code == 422 and "<title>Error: " in page
    assert '<a href="#id_terms">' in page and page.count("Agree to the terms to go on") == 2
    assert asked.get("security").status_code == 303 and standing() == [("1", True)]


@pytest.mark.parametrize("version", ["1", "3", "", NEWS])
def test_nobody_agrees_to_a_version_that_was_not_shown(asked: Person, version: str):
    response = asked.post(ASK, {"version": version, "terms": "on"}, "?next=/account/devices")
    assert (response.status_code, response["Location"]) == (303, "/account/consents/terms?next=/account/devices")
    assert CHANGED in seen(asked, ASK)
    assert standing() == [("1", True)]


@pytest.mark.parametrize("goal", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_g09_it_goes_on_within_the_site_only(asked: Person, goal: str):
    response = asked.post(ASK, {"version": "2", "terms": "on", "next": goal})
    assert response["Location"] == "/account/security"
    assert asked.get(ASK, next=goal)["Location"] == "/account/security"


PARTS = {"uuid": "019aa000-0000-7000-8000-000000000000", "int": "7", "str": "x", "slug": "x", "path": "x"}


def signed_in_pages() -> list[tuple[str, str, type]]:
    """Return name, path and class of every page that is for people who are signed in."""
    found = []
    for space in ("accounts", "sessions_app"):
        prefix, resolver = get_resolver().namespace_dict[space]
        for pattern in resolver.url_patterns:
            page = getattr(pattern.callback, "view_class", None) if isinstance(pattern, URLPattern) else None
            if page and issubclass(page, (SignedInOnly, LoginRequiredMixin)):
                route = str(pattern.pattern)
                for kind, value in PARTS.items():
                    route = re.sub(rf"<{kind}:\w+>", value, route)
                found.append((f"{space}:{pattern.name}", f"/{prefix}{route}", page))
    return found


def test_every_page_of_the_account_waits_for_the_answer_but_those_that_are_named(asked: Person):
    open_pages = set()
    for name, path, _page in signed_in_pages():
        for method in ("get", "post"):
            response = getattr(asked.browser, method)(path)
            waits = response.status_code == 303 and response["Location"].startswith("/account/consents/terms")
            if not waits and response.status_code != 405:
                open_pages.add(name)
        if name == "accounts:logout":
            asked.sign_in()
    assert open_pages == OPEN_PAGES
    assert len(signed_in_pages()) > 12


def test_whoever_does_not_agree_may_delete_the_account(asked: Person):
    assert '<a href="/account/delete">Delete your account</a>' in seen(asked, ASK)
    assert asked.get("delete").status_code == 200
    asked.post("delete", {"password": PASSWORD})
    assert User.objects.get().erase_at is not None and User.objects.get().terms_version == "1"
    assert asked.get("delete/undo").status_code == 200


OPEN_PAGES = {
    "accounts:consents", "accounts:consents-terms", "accounts:logout", "accounts:reauthenticate", "sessions_app:stay",
    "accounts:delete", "accounts:delete-undo", "accounts:data",
}  # fmt: skip


@pytest.mark.parametrize("path", ["terms", "privacy", "help", "password-policy", "getting-started", "password/reset"])
def test_what_anybody_may_see_is_open(asked: Person, path: str):
    assert asked.get(path).status_code == 200


def test_a_form_that_was_sent_meanwhile_changes_nothing(asked: Person):
    response = asked.post("name", {"display_name": "Jane"})
    assert (response.status_code, response["Location"]) == (303, "/account/consents/terms")
    assert User.objects.get().display_name == ""


def test_signing_out_is_possible_and_asks_again_later(asked: Person):
    assert asked.post("logout")["Location"] == "/account/login"
    asked.sign_in()
    assert asked.get("security").status_code == 303


def test_the_page_of_all_answers_takes_the_answer_too(asked: Person):
    assert json.loads(shown(asked)) == [["2", False], [NEWS, False]]
    save(asked, 0)
    assert asked.get("security").status_code == 200


def test_an_answer_over_the_api_counts(asked: Person):
    headers = {"x-csrftoken": asked.browser.cookies["csrf"].value} if "csrf" in asked.browser.cookies else {}
    answer = asked.browser.post(
        "/api/v1/me/consents", {"version": "2", "granted": True}, content_type="application/json", headers=headers
    )
    assert answer.status_code == 201, answer.content
    assert asked.get("security").status_code == 200


def test_the_api_is_not_stopped_for_a_page_that_waits(asked: Person):
    assert asked.browser.get("/api/v1/me").json()["consent"]["version"] == "1"


def test_a_session_that_was_open_goes_on_and_is_told(at_home: Person, settings: Any):
    settings.ACCOUNTS = {"TERMS_VERSION": "2"}
    page = seen(at_home, "security")
    assert "1 thing to do" in page and '<a href="/account/consents">Read the new version of our terms</a>' in page


def test_a_version_that_is_taken_back_asks_nobody_any_more(asked: Person, settings: Any):
    settings.ACCOUNTS = {"TERMS_VERSION": "1"}
    assert asked.get("security").status_code == 200
    assert asked.get(ASK)["Location"] == "/account/security"


def test_a_trusted_device_is_asked_too(member: Person, settings: Any):
    member.give_password()
    member.post("otp", {"code": member.code(), "trust_device": "on"})
    member.post("logout")
    settings.ACCOUNTS = {"TERMS_VERSION": "2"}
    member.give_password()
    assert member.get("security")["Location"].startswith("/account/consents/terms")


def test_the_staff_area_does_not_ask(db: None, settings: Any):
    settings.ACCOUNTS = {"TERMS_VERSION": "2"}
    assert Staff().sign_in().get("accounts/user/").status_code == 200


def test_the_answer_is_bound_to_the_form(asked: Person):
    asked.browser.handler.enforce_csrf_checks = True
    assert asked.post(ASK, {"version": "2", "terms": "on"}).status_code == 403
    assert standing() == [("1", True)]
