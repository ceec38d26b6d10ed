"""What every page promises: nothing inline, nothing foreign, the host's own look, errors that speak plainly."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.template.loader import get_template, render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links import LinkState
from accounts.pages import theme
from accounts.templatetags.moments import until
from tests.accounts.pages.person import Person, text_of

BANNED = re.compile(r"\b(please|sorry|oops|invalid|valid|forbidden)\b", re.IGNORECASE)
ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path
    for folder in ("templates", "accounts/templates", "sessions_app/templates")
    for path in (ROOT / folder).rglob("*.html")
)
MAILS = sorted(path.name for path in (ROOT / "accounts/templates/accounts/mail").iterdir())
OPEN_PAGES = ["signup", "login", "check-email", "verify/resend", "verify/confirm", "help", "terms", "privacy"]
OPEN_PAGES += ["password-policy", "getting-started"]


@pytest.mark.parametrize("path", OPEN_PAGES)
def test_page_has_nothing_inline_and_nothing_foreign(person: Person, path: str):
    response = person.get(path)
    page = text_of(response)
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert 'lang="en" dir="ltr"' in page


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_words_of_the_pages_are_plain(path: Path):
    said = re.sub(
        r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]+>",
        " ",
        re.sub(r'\{% translate (["\'])(.*?)\1.*?%\}', r"\2", path.read_text()),
    )
    assert not BANNED.findall(said)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_template_compiles(path: Path):
    parts = path.relative_to(ROOT).parts
    get_template("/".join(parts[parts.index("templates") + 1 :]))


def mail_context() -> dict[str, object]:
    return {
        "site_name": "Gatehouse",
        "base_url": "https://id.example.com",
        "support_url": "",
        "device": "Firefox 142 on <b>Windows</b>",
        "ip": "203.0.113.9",
        "at": timezone.now(),
        "expires_at": timezone.now(),
        "until": timezone.now(),
        "code": "012345",
        "link": "https://id.example.com/account/verify/abc",
        "remaining": 3,
        "number": 2,
    }


@pytest.mark.parametrize("name", MAILS)
def test_mail_says_the_same_as_text_and_html(name: str):
    text, html = (render_to_string(f"accounts/mail/{name}/body.{kind}", mail_context()) for kind in ("txt", "html"))
    subject = render_to_string(f"accounts/mail/{name}/subject.txt", mail_context()).strip()
    assert "\n" not in subject
    assert "&" not in text
    assert "<b>" not in html
    assert not re.search(r"<img|<script|<link|url\(", html)
    for line in re.findall(r"^https://\S+$", text, re.MULTILINE):
        assert line == "https://id.example.com" or f'href="{line}"' in html
    assert not BANNED.findall(text)


def test_code_mail_can_be_read_by_phones():
    lines = render_to_string("accounts/mail/code/body.txt", mail_context()).strip().splitlines()
    assert lines[0] == "012345 is your Gatehouse code"
    assert lines[-1] == "@id.example.com #012345"
    assert "012345" not in render_to_string("accounts/mail/code/subject.txt", mail_context())


@pytest.mark.parametrize("accent", ["#ffff00", "#000", "#fff", "#777777", "#155e75", "#e11d48"])
def test_accent_of_the_host_is_made_readable(settings, accent: str):
    settings.GATEHOUSE = {**settings.GATEHOUSE, "ACCENT_COLOUR": accent, "RADIUS": "4px"}
    sheet = theme.stylesheet()
    light, dark = re.findall(r"--accent:(#[0-9a-f]{6})", sheet)
    assert theme._contrast(theme._parse(light), theme._PAPER) >= 4.5
    assert theme._contrast(theme._parse(dark), theme._NIGHT) >= 4.5
    assert "--radius:4px" in sheet


@pytest.mark.parametrize("value", ["red;}body{display:none", "url(//evil.example)", "#12", "expression(1)", ""])
def test_what_is_no_colour_or_length_is_left_out(settings, value: str):
    settings.GATEHOUSE = {**settings.GATEHOUSE, "ACCENT_COLOUR": value, "RADIUS": value}
    assert theme.stylesheet() == ""


def test_host_changes_name_mark_accent_and_radius_by_settings(person: Person, settings):
    look = {
        "SITE_NAME": "Acme",
        "MARK": "acme/mark.png",
        "ACCENT_COLOUR": "#7c3aed",
        "SUPPORT_URL": "mailto:a@b.example",
    }
    settings.GATEHOUSE = {**settings.GATEHOUSE, **look}
    page = text_of(person.get("login"))
    assert "<title>Sign in – Acme</title>" in page
    assert "/static/acme/mark.png" in page
    assert f'href="{reverse("theme")}"' in page
    sheet = Client().get(reverse("theme"))
    assert sheet["Content-Type"].startswith("text/css")
    assert "max-age=3600" in sheet["Cache-Control"]


def test_without_a_look_of_its_own_there_is_no_second_stylesheet(person: Person):
    assert text_of(person.get("login")).count('rel="stylesheet"') == 1


def test_page_that_is_not_there(person: Person):
    response = person.get("nothing")
    assert response.status_code == 404
    assert "Page not found" in text_of(response)


def test_error_pages_stand_without_request_or_database():
    for name in ("400", "403", "404", "429", "500", "503", "csrf", "locked", "disabled"):
        page = render_to_string(f"errors/{name}.html", {"request_id": "abc-123"})
        assert "<h1>" in page
        assert "abc-123" in page


def test_language_is_offered_only_where_there_is_a_choice(person: Person):
    assert 'name="language"' not in text_of(person.get("login"))


@pytest.mark.parametrize("name", ["otp-resend", "otp-cancel"])
def test_what_changes_something_takes_no_get(person: Person, name: str):
    assert person.browser.get(reverse(f"accounts:{name}")).status_code == 405


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, "20 seconds"),
        (61, "2 minutes"),
        (599.5, "10 minutes"),
        (5400, "90 minutes"),
        (84600, "23\xa0hours, 30\xa0minutes"),
    ],
)
def test_a_pause_is_never_told_too_short(seconds, words):
    with time_machine.travel("2026-01-05T08:30:00Z", tick=False):
        assert until(timezone.now() + timedelta(seconds=seconds)) == words


@pytest.mark.parametrize("state", [*LinkState, "taken"])
@pytest.mark.parametrize(
    "name", ["verify", "confirm_address", "undo_address", "unlock", "disavow", "undo_deletion", "reset_over"]
)
def test_the_title_of_a_link_page_is_its_heading(name: str, state: str):
    for in_force in (True, False):
        shown = {"state": state, "in_force": in_force, "site_name": "Gatehouse", "at": timezone.now()}
        page = render_to_string(f"accounts/{name}.html", shown | {"erase_at": timezone.now()})
        heading, title = re.search(r"<h1>(.*?)</h1>", page), re.search(r"<title>(.*?)</title>", page, re.DOTALL)
        assert heading and title
        assert " ".join(title[1].split()).startswith(heading[1])
