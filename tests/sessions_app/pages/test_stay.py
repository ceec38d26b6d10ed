"""Staying signed in, when a page warns that time is about to end the session."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from sessions_app.conf import app_settings
from sessions_app.models import Session

URL = "/account/stay"
JSON = {"accept": "application/json"}


@pytest.fixture
def browser(user: Any, signed_in: Callable[..., Browser]) -> Browser:
    return signed_in(user)


@pytest.fixture
def row(browser: Browser) -> Session:
    """The session of *browser*, used half a minute ago and about to end."""
    row: Session = browser.row  # type: ignore[attr-defined]
    now = timezone.now()
    changes = {"last_used_at": now - timedelta(seconds=30), "idle_expires_at": now + timedelta(minutes=2)}
    Session.objects.filter(pk=row.pk).update(**changes)
    return row


def test_staying_begins_the_idle_time_anew(browser: Browser, row: Session) -> None:
    answer = browser.post(URL, headers=JSON)
    idle = app_settings().PAGE_IDLE.total_seconds()
    assert answer.status_code == 200
    assert idle - 5 <= answer.json()["seconds_left"] <= idle
    row.refresh_from_db()
    assert row.idle_expires_at > timezone.now() + timedelta(days=6)


def test_staying_never_goes_beyond_the_longest_life(browser: Browser, row: Session) -> None:
    end = timezone.now() + timedelta(minutes=3)
    Session.objects.filter(pk=row.pk).update(absolute_expires_at=end)
    assert browser.post(URL, headers=JSON).json()["seconds_left"] <= 180
    row.refresh_from_db()
    assert row.idle_expires_at <= end


def test_without_a_script_the_form_goes_back_to_its_page(browser: Browser, row: Session) -> None:
    answer = browser.post(URL, {"next": "/account/sessions"}, headers={"accept": "text/html"})
    assert (answer.status_code, answer["Location"]) == (303, "/account/sessions")


def test_g09_staying_leads_to_no_other_site(browser: Browser, row: Session) -> None:
    answer = browser.post(URL, {"next": "//evil.test"}, headers={"accept": "text/html"})
    assert answer["Location"] == "/account/security"


def test_a_session_that_is_over_cannot_be_stayed_in(browser: Browser, row: Session) -> None:
    Session.objects.filter(pk=row.pk).update(idle_expires_at=timezone.now() - timedelta(seconds=1))
    answer = browser.post(URL, headers=JSON)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login")
    row.refresh_from_db()
    assert row.revoked_reason == "idle"


def test_g01_staying_needs_the_token_of_the_form(user: Any, signed_in: Callable[..., Browser]) -> None:
    browser = signed_in(user)
    browser.handler.enforce_csrf_checks = True
    assert browser.post(URL, headers=JSON).status_code == 403


def test_looking_is_not_staying(browser: Browser, row: Session) -> None:
    assert browser.get(URL).status_code == 405
