"""The page of one's data: ask for a copy, see how far it is, and download it once."""

from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from accounts.models import Export, User
from accounts.services import export_making
from sessions_app.models import Session
from tests.accounts.copies import read
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of
from tests.factories import mark, trail


def make(person: Person) -> Export:
    assert person.post("data").status_code == 303
    assert export_making.make_due() == 1
    return Export.objects.latest("created_at")


def stale() -> None:
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=6))


def test_nothing_yet_then_made_then_ready_then_fetched(at_home: Person) -> None:
    page = text_of(at_home.get("data"))
    assert "Prepare my data" in page and 'role="status"' not in page
    assert 'href="/account/data" aria-current="page"' in page
    answer = at_home.post("data")
    assert (answer.status_code, answer["Location"]) == (303, "/account/data")
    page = text_of(at_home.get("data"))
    assert "Your data is being put together." in page and "Prepare my data" not in page
    assert f"We mail {EMAIL} when it is ready." in page
    assert export_making.make_due() == 1
    page = text_of(at_home.get("data"))
    export = Export.objects.get()
    assert "Your data is ready." in page and "Download my data" in page
    assert "KB, until" in page.replace("\xa0", " ")
    answer = at_home.post("data", {"export": str(export.pk)})
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (200, "application/zip", "no-store")
    held, _tables, _readme = read(answer.getvalue())
    assert held["account"]["email"] == EMAIL
    page = text_of(at_home.get("data"))
    assert "You downloaded your data on" in page and "Prepare my data" in page


def test_the_mail_leads_here(at_home: Person) -> None:
    make(at_home)
    assert "\nhttp://testserver/account/data\n" in at_home.mail()


def test_a_second_press_says_that_it_is_gone(at_home: Person) -> None:
    export = make(at_home)
    at_home.post("data", {"export": str(export.pk)}).getvalue()
    answer = at_home.post("data", {"export": str(export.pk)})
    assert (answer.status_code, answer["Location"]) == (303, "/account/data")
    assert "The file was fetched already, and works once." in text_of(at_home.get("data"))
    assert Export.objects.count() == 1


def test_v753_the_buttons_want_a_fresh_proof_and_the_page_does_not(at_home: Person) -> None:
    export = make(at_home)
    stale()
    since = mark()
    assert "Download my data" in text_of(at_home.get("data"))
    for data in ({"export": str(export.pk)}, {}):
        answer = at_home.post("data", data)
        assert answer["Location"] == "/account/reauthenticate?next=%2Faccount%2Fdata"
    assert trail(since) == []
    page = text_of(at_home.get("reauthenticate", next="/account/data"))
    assert "get a copy of your data" in page
    answer = at_home.post("reauthenticate", {"password": PASSWORD}, "?next=/account/data")
    assert answer["Location"] == "/account/data"
    assert at_home.post("data", {"export": str(export.pk)}).getvalue()


def test_a_failed_and_an_expired_one_can_be_asked_for_anew(at_home: Person, settings: Any) -> None:
    export = make(at_home)
    with time_machine.travel(export.expires_at):
        assert "Nobody downloaded the last copy in time" in text_of(at_home.get("data"))
    Export.objects.update(state="failed", open_key=None)
    page = text_of(at_home.get("data"))
    assert "Your data could not be put together." in page and "Prepare my data" in page
    at_home.post("data")
    assert Export.objects.count() == 2


def test_what_is_no_export_is_refused(at_home: Person) -> None:
    assert at_home.post("data", {"export": "01980000-0000-7000-8000-000000000000"}).status_code == 404
    assert at_home.post("data", {"export": "../../etc/passwd"}).status_code == 422
    assert not Export.objects.exists()


def test_whoever_is_signed_out_signs_in_first(person: Person) -> None:
    assert person.get("data")["Location"] == "/account/login?next=%2Faccount%2Fdata"
    assert person.post("data")["Location"] == "/account/login"


def test_terms_that_are_due_do_not_keep_anybody_from_their_data(at_home: Person, settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"TERMS_VERSION": "2"}
    User.objects.update(terms_version="1")
    assert at_home.get("data").status_code == 200
    assert at_home.post("data").status_code == 303
