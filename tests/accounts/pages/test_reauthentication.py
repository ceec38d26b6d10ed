"""A delicate page asks again who one is, and goes on where it was interrupted."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django import forms
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from accounts.models import Mail, User
from accounts.pages.forms import ForgetfulInput, PageForm, PasswordField
from accounts.pages.fresh import FreshOnly
from config.urls import urlpatterns as site_patterns
from sessions_app.conf import app_settings
from sessions_app.models import Session
from tests.accounts.pages.person import PASSWORD, Person, text_of
from tests.factories import code_of, give_app, mark, trail

ACCENTED = "Zoë & <b>friends</b>"


class NoteForm(PageForm):
    note = forms.CharField(label="Note", widget=forms.Textarea)
    colours = forms.MultipleChoiceField(
        choices=[("red", "Red"), ("blue", "Blue")], widget=forms.CheckboxSelectMultiple, required=False
    )
    password = PasswordField(autocomplete="current-password", required=False)
    code = forms.CharField(required=False, widget=ForgetfulInput)
    main_field = "note"


class NotePage(FreshOnly):
    form_class = NoteForm
    purpose = "write a note"
    kept: list[str] = []

    def show(self, status: int = 200, **context: Any) -> HttpResponse:
        return HttpResponse(context["form"].as_p(), status=status)

    def act(self, form: PageForm) -> HttpResponse:
        self.kept.append(form.cleaned_data["note"])
        return HttpResponse("kept")


def nobody(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.session.get("interrupted", "")))


urlpatterns = [path("note", NotePage.as_view()), path("held", nobody), path("", include(site_patterns))]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    NotePage.kept.clear()


@pytest.fixture
def stale(at_home: Person) -> Person:
    """Somebody who signed in longer ago than a proof of identity counts."""
    long_ago = timezone.now() - app_settings().REAUTH_TTL - timedelta(seconds=1)
    Session.objects.update(authenticated_at=long_ago)
    return at_home


def write(person: Person, **more: Any) -> Any:
    return person.browser.post("/note", {"note": ACCENTED, "colours": ["red", "blue"], **more})


def test_a_fresh_sign_in_opens_it_at_once(at_home: Person) -> None:
    assert text_of(write(at_home)) == "kept"
    assert NotePage.kept == [ACCENTED]


def test_an_older_one_is_asked_again_and_nothing_typed_is_lost(stale: Person) -> None:
    interrupted = write(stale)
    assert (interrupted.status_code, interrupted["Location"]) == (303, "/account/reauthenticate?next=%2Fnote")
    assert NotePage.kept == []
    page = text_of(stale.browser.get(interrupted["Location"]))
    assert "Confirm your password to write a note." in page
    assert 'name="code"' not in page
    assert 'autocomplete="username" class="visually-hidden"' in page
    proved = stale.browser.post("/account/reauthenticate?next=/note", {"password": PASSWORD, "next": "/note"})
    assert (proved.status_code, proved["Location"]) == (303, "/note")
    form = text_of(stale.browser.get("/note"))
    assert "Zoë &amp; &lt;b&gt;friends&lt;/b&gt;" in form
    assert form.count("checked") == 2
    assert text_of(write(stale)) == "kept"


def test_it_is_kept_once_and_for_its_own_page_only(stale: Person) -> None:
    write(stale)
    stale.browser.post("/account/reauthenticate", {"password": PASSWORD})
    assert "friends" not in text_of(stale.browser.get("/note?other=1"))
    assert "friends" in text_of(stale.browser.get("/note"))
    assert "friends" not in text_of(stale.browser.get("/note"))


def test_passwords_and_codes_never_wait_and_the_rest_waits_encrypted(stale: Person) -> None:
    write(stale, password="a canary of a password", code="123456", unknown="canary")
    held = text_of(stale.browser.get("/held"))
    assert held.startswith("v1:")
    assert "friends" not in held
    stale.browser.post("/account/reauthenticate", {"password": PASSWORD})
    form = text_of(stale.browser.get("/note"))
    assert "friends" in form
    assert "canary" not in form
    assert "123456" not in form


def test_what_waited_too_long_is_gone(stale: Person) -> None:
    write(stale)
    with time_machine.travel(timezone.now() + timedelta(minutes=45)):
        stale.browser.post("/account/reauthenticate", {"password": PASSWORD})
        assert "friends" not in text_of(stale.browser.get("/note"))


def test_a_long_text_is_typed_again_and_breaks_nothing(stale: Person) -> None:
    stale.browser.post("/note", {"note": "x" * 30_000})
    stale.browser.post("/account/reauthenticate", {"password": PASSWORD})
    assert stale.browser.get("/note").status_code == 200


def test_looking_is_asked_for_too(stale: Person) -> None:
    assert stale.browser.get("/note")["Location"] == "/account/reauthenticate?next=%2Fnote"


def test_whoever_is_not_signed_in_signs_in(person: Person) -> None:
    assert person.browser.get("/note")["Location"].startswith("/account/login")
    assert person.browser.get("/account/reauthenticate")["Location"].startswith("/account/login")


def test_a_wrong_password_is_said_at_its_field_and_recorded(stale: Person) -> None:
    since = mark()
    answer = stale.post("reauthenticate", {"password": "not the password at all"})
    page = text_of(answer)
    assert answer.status_code == 422
    assert "Error: Confirm it is you" in page
    assert page.count("The password is wrong. Try again.") == 2
    assert trail(since) == [("authn_reauthentication", "bad_credentials")]
    assert stale.browser.get("/note").status_code == 303


def test_a12_the_password_cannot_be_guessed_here(stale: Person) -> None:
    for _turn in range(10):
        stale.post("reauthenticate", {"password": "not the password at all"})
    assert stale.post("reauthenticate", {"password": PASSWORD}).status_code == 429
    assert Mail.objects.filter(template="locked").count() == 1


def test_c18_where_an_app_is_set_up_the_password_is_not_enough(stale: Person) -> None:
    user = User.objects.get()
    codes = give_app(user)
    page = text_of(stale.get("reauthenticate"))
    assert 'name="code"' in page
    assert stale.post("reauthenticate", {"password": PASSWORD}).status_code == 422
    wrong = stale.post("reauthenticate", {"password": PASSWORD, "code": "000000"})
    assert "That code is not correct." in text_of(wrong)
    assert stale.post("reauthenticate", {"password": PASSWORD, "code": code_of(user)}).status_code == 303
    assert stale.browser.get("/note").status_code == 200
    assert Session.objects.get().factors[-1] == "totp"
    by_recovery = {"password": PASSWORD, "code": codes[0]}
    assert stale.post("reauthenticate", by_recovery, "?method=recovery").status_code == 303


def test_e18_proving_who_one_is_changes_the_key_of_the_browser(stale: Person) -> None:
    before = stale.browser.cookies["session"].value
    stale.post("reauthenticate", {"password": PASSWORD})
    assert stale.browser.cookies["session"].value != before
    thief = Client()
    thief.cookies["session"] = before
    assert thief.get("/account/security").status_code in {302, 303}


@pytest.mark.parametrize("target", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_g09_it_leads_to_no_other_site(stale: Person, target: str) -> None:
    answer = stale.post("reauthenticate", {"password": PASSWORD, "next": target})
    assert answer["Location"] == "/account/security"
