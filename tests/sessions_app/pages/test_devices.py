"""The page /account/devices and what hangs on it."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from sessions_app.models import Device, Session

URL = "/account/devices"
SignedIn = Callable[..., Browser]
Make = Callable[..., Device]


@pytest.fixture
def mine(user: Any, device_of: Make) -> Device:
    return device_of(user)


@pytest.fixture
def browser(user: Any, signed_in: SignedIn, mine: Device) -> Browser:
    return signed_in(user, device=mine)


def html_of(browser: Browser, path: str = "") -> str:
    page = browser.get(URL + path)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    return page.content.decode()


def test_the_device_at_hand_comes_first_and_is_marked(browser: Browser, user: Any, device_of: Make) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=2), tick=False):
        device_of(user, trusted=True)
        html = html_of(browser)
    rows = re.findall(r'<th scope="row">.*?</tr>', html, re.DOTALL)
    assert ["This device" in row for row in rows] == [True, False]
    assert ["not trusted" in row for row in rows] == [True, False]
    assert 'aria-label="Rename Firefox 142 on Windows 11, last seen ' in rows[0]
    assert 'aria-label="Forget Firefox 142 on Windows 11, last seen ' in rows[0]
    assert "<caption" in html
    assert html.count('scope="col"') == 4


def test_a_session_without_a_device_marks_none(user: Any, signed_in: SignedIn, mine: Device) -> None:
    assert "This device" not in html_of(signed_in(user))


def test_the_name_of_a_device_stands_at_its_sessions_too(browser: Browser, user: Any, mine: Device) -> None:
    session: Session = browser.row  # type: ignore[attr-defined]
    Device.objects.filter(pk=mine.pk).update(label="Kitchen tablet")
    listed = browser.get("/account/sessions").content.decode()
    assert "<bdi>Kitchen tablet</bdi>" in listed
    assert "<bdi>Firefox 142 on Windows 11</bdi>" in listed  # a name hides nothing: a stranger may give one, too
    assert 'aria-label="Sign out Kitchen tablet, ' in listed
    other = Session.objects.get(pk=session.pk)
    other.pk, other.refresh_id = uuid4(), uuid4()
    other.save(force_insert=True)
    assert (
        "<bdi>Kitchen tablet</bdi></strong> will be signed out"
        in browser.get(f"/account/sessions/{other.pk}/end").content.decode()
    )
    Device.objects.all().delete()
    assert "<bdi>Firefox 142 on Windows 11</bdi>" in browser.get("/account/sessions").content.decode()


def test_the_pages_about_a_device_are_marked_in_the_list_of_sections(browser: Browser, mine: Device) -> None:
    for path in ("", "/forget", f"/{mine.pk}/rename", f"/{mine.pk}/forget"):
        current = re.findall(r'<a href="([^"]+)" aria-current', html_of(browser, path))
        assert current == [URL]


def test_one_sees_ones_own_devices_only(browser: Browser, make_user: Callable[..., Any], device_of: Make) -> None:
    device_of(make_user("joe"))
    assert html_of(browser).count('scope="row"') == 1


def test_without_devices_the_page_says_so(browser: Browser) -> None:
    Device.objects.all().delete()
    html = html_of(browser)
    assert "No device is known." in html
    assert "<table" not in html


def test_a_device_is_given_a_name(browser: Browser, mine: Device) -> None:
    path = f"/{mine.pk}/rename"
    assert 'value="Firefox 142 on Windows 11"' in html_of(browser, path)
    answer = browser.post(URL + path, {"name": "  Kitchen tablet "})
    assert (answer.status_code, answer["Location"]) == (303, URL)
    html = html_of(browser)
    assert re.search(r'role="status">.*The device has its new name\.', html, re.DOTALL)
    assert "<bdi>Kitchen tablet</bdi>" in html
    assert 'aria-label="Forget Kitchen tablet,' in html
    assert "Firefox 142 on Windows 11" in html


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Enter a name"),
        ("   ", "Enter a name"),
        ("x" * 61, "Use 60 characters or fewer"),
        ("a\u202eb", "Take out characters that cannot be seen."),
        ("a\x00b", "Null characters are not allowed."),
    ],
)
def test_h12_a_name_that_is_none_is_said_at_the_field_and_in_the_summary(
    browser: Browser, mine: Device, name: str, said: str
) -> None:
    answer = browser.post(f"{URL}/{mine.pk}/rename", {"name": name})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "<title>Error: " in html
    assert '<a href="#id_name">' in html
    assert 'aria-invalid="true" aria-describedby="id_name_hint id_name_error"' in html
    assert html.count(said) == 2
    mine.refresh_from_db()
    assert mine.label == ""


def test_g10_a_name_is_escaped(browser: Browser, mine: Device) -> None:
    attack = '"><img src=x onerror=alert(1)>'
    assert browser.post(f"{URL}/{mine.pk}/rename", {"name": attack}).status_code == 303
    for path in ("", f"/{mine.pk}/rename", f"/{mine.pk}/forget"):
        assert "<img src=x" not in html_of(browser, path)


def test_a_device_is_forgotten_after_a_page_that_asks(browser: Browser, user: Any, device_of: Make) -> None:
    other = device_of(user, trusted=True)
    path = f"/{other.pk}/forget"
    assert "Nobody is signed out now." in html_of(browser, path)
    assert Device.objects.filter(pk=other.pk).exists(), "looking changes nothing"
    answer = browser.post(URL + path)
    assert (answer.status_code, answer["Location"]) == (303, URL)
    assert not Device.objects.filter(pk=other.pk).exists()
    html = html_of(browser)
    assert re.search(r'role="status">.*The device was forgotten\.', html, re.DOTALL)
    assert browser.post(URL + path).status_code == 404


def test_forgetting_the_device_at_hand_signs_nobody_out(browser: Browser, mine: Device) -> None:
    assert "This device" in html_of(browser, f"/{mine.pk}/forget")
    assert browser.post(f"{URL}/{mine.pk}/forget").status_code == 303
    assert "No device is known." in html_of(browser)
    assert Session.objects.live(timezone.now()).count() == 1


def test_all_devices_are_forgotten_after_a_page_that_says_how_many(
    browser: Browser, user: Any, device_of: Make, make_user: Callable[..., Any]
) -> None:
    theirs = device_of(make_user("joe"))
    device_of(user, trusted=True)
    assert "2 devices will not be known" in html_of(browser, "/forget")
    assert Device.objects.count() == 3
    answer = browser.post(f"{URL}/forget")
    assert (answer.status_code, answer["Location"]) == (303, URL)
    assert list(Device.objects.all()) == [theirs]
    assert "2 devices were forgotten." in html_of(browser)
    assert "No device is known." in html_of(browser, "/forget")


@pytest.mark.parametrize("act", ["rename", "forget"])
def test_e15_anothers_device_is_not_found(
    browser: Browser, make_user: Callable[..., Any], device_of: Make, act: str
) -> None:
    theirs = device_of(make_user("joe"), trusted=True)
    for device_id in (theirs.pk, uuid4()):
        assert browser.get(f"{URL}/{device_id}/{act}").status_code == 404
        assert browser.post(f"{URL}/{device_id}/{act}", {"name": "mine"}).status_code == 404
        assert browser.post(f"{URL}/{device_id}/{act}", {"name": ""}).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.is_trusted, theirs.label) == (True, "")


@pytest.mark.parametrize("path", ["", "/forget", "/01930000-0000-7000-8000-000000000000/rename"])
def test_nobody_is_led_to_the_sign_in_page(client: Browser, db: None, path: str) -> None:
    answer = client.get(URL + path)
    assert answer.status_code == 302
    assert f"next={URL}{path}" in answer["Location"]


def test_g01_every_change_wants_a_csrf_token(browser: Browser, mine: Device) -> None:
    browser.handler.enforce_csrf_checks = True
    for path in ("/forget", f"/{mine.pk}/forget", f"/{mine.pk}/rename"):
        assert browser.post(URL + path, {"name": "x"}).status_code == 403
    mine.refresh_from_db()
    assert mine.label == ""
