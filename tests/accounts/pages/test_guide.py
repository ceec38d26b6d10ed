"""What people are told of passwords and of their first minutes follows what is enforced."""

import html
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from accounts import passwords
from accounts.pages import guide
from gatehouse import limits
from gatehouse.problems import Problem
from tests.accounts.pages.person import Person, text_of
from tests.factories import Api

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "accounts/pages/guide.py"
BANNED = re.compile(r"\b(please|sorry|oops|invalid|valid|forbidden)\b", re.IGNORECASE)


def seen(person: Person, path: str) -> str:
    response = person.get(path)
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    return html.unescape(text_of(response))


@pytest.mark.parametrize("policy", list(passwords.POLICIES))
def test_the_page_and_config_state_the_policy_that_is_enforced(person: Person, settings: Any, policy: str) -> None:
    settings.ACCOUNTS = {"PASSWORD_POLICY": policy}
    rules = Api().get("/config").json()["password"]["rules"]
    page = seen(person, "password-policy")
    assert rules == passwords.policy().rules
    for rule in rules:
        assert f"<li>{rule[:1].upper()}{rule[1:]}.</li>" in page
    least = passwords.policy().min_length
    assert f"{least} characters or more" in page
    with pytest.raises(Problem) as refused:
        passwords.check_policy("xK4!yq"[: least - 1].ljust(least - 1, "z"))
    assert "password_too_short" in {error.code for error in refused.value.errors}


def test_the_page_states_the_limits_that_are_enforced(person: Person, settings: Any) -> None:
    page = seen(person, "password-policy")
    assert "After 10 wrong passwords in 15 minutes, or 20 in 1 hour from anywhere, we wait." in page
    assert "A sign-in takes 5 wrong codes" in page and "20 wrong codes in 24 hours" in page
    assert "works once, for 1 hour" in page and "at most 3 such links in 1 hour" in page
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 2}
    settings.ACCOUNTS = {"OTP_ATTEMPTS": 3, "RESET_TTL": timedelta(minutes=20)}
    page = seen(person, "password-policy")
    near, far = limits.LIMITS["login_address_ip"].scaled, limits.LIMITS["login_address"].scaled
    assert f"After {near} wrong passwords in 15 minutes, or {far} in 1 hour" in page and (near, far) == (20, 40)
    assert "A sign-in takes 3 wrong codes" in page and "works once, for 20 minutes" in page


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("always", "Type the code of 8 numbers that we mail you. It works for 5 minutes"),
        ("new_device", "On a new device, type the code of 8 numbers that we mail you."),
        ("opt_in", ""),
    ],
)
def test_the_first_minutes_follow_the_settings(person: Person, settings: Any, policy: str, said: str) -> None:
    codes = {"OTP_POLICY": policy, "OTP_LENGTH": 8, "OTP_TTL": timedelta(minutes=5)}
    settings.ACCOUNTS = codes | {"VERIFY_TTL": timedelta(hours=2), "DISAVOW_TTL": timedelta(days=3)}
    settings.SESSIONS = settings.SESSIONS | {"TRUST_TTL": timedelta(days=9), "PAGE_IDLE": timedelta(days=4)}
    page = seen(person, "getting-started")
    assert said in page and ("numbers that we mail you" in page) == bool(said)
    assert "It works once, for 2 hours." in page and "within 3 days" in page
    assert "“Do not ask again on this device for 9 days”" in page and "after 4 days without a visit" in page
    for rule in passwords.policy().rules:
        assert f"<li>{rule[:1].upper()}{rule[1:]}.</li>" in page


@pytest.mark.parametrize("path", ["password-policy", "getting-started"])
def test_both_pages_are_for_everybody(person: Person, member: Person, path: str) -> None:
    assert 'href="/account/login"' in seen(person, path)
    member.sign_in()
    page = seen(member, path)
    assert page.count("<h1>") == 1 and 'href="/account/login"' not in page


def test_pages_that_ask_for_a_new_password_lead_to_the_policy(at_home: Person) -> None:
    link = '<a href="/account/password-policy">More about passwords</a>'
    newcomer = Person("new@example.com")
    assert link in seen(newcomer, "signup")
    assert link in seen(at_home, "password/change")
    assert link in seen(at_home, "help")
    at_home.post("password/reset", {"email": at_home.email})
    at_home.browser.get(at_home.link())
    assert link in seen(at_home, "password/reset/new")


def test_the_first_mail_leads_to_the_first_minutes(person: Person) -> None:
    person.sign_up()
    text = person.mail()
    assert re.search(r"^http://testserver/account/getting-started$", text, re.MULTILINE)
    [(page, kind)] = mail.outbox[-1].alternatives  # type: ignore[attr-defined]
    assert kind == "text/html" and 'href="http://testserver/account/getting-started"' in page
    assert person.browser.get("/account/getting-started").status_code == 200


def test_a_host_without_the_page_mails_no_link_to_it(person: Person, settings: Any) -> None:
    person.sign_up()
    settings.ROOT_URLCONF = "gatehouse.urls"
    text = person.mail()
    assert "New here?" not in text and "getting-started" not in text


def test_what_stands_in_quotes_stands_on_a_page_or_in_a_mail() -> None:
    sources = [
        path
        for folder in ("accounts", "sessions_app", "templates")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".html", ".txt", ".py"} and path != GUIDE
    ]
    there = "\n".join(path.read_text() for path in sources)
    quoted = re.findall(r"“(.+?)”", GUIDE.read_text())
    assert len(quoted) > 8
    assert [name for name in quoted if name not in there] == []


def test_its_words_are_plain() -> None:
    sections = [*guide.password_policy(), *guide.getting_started()]
    said = "\n".join("\n".join([one.title, *one.said, *one.points]) for one in sections)
    assert not BANNED.findall(said) and "%(" not in said
    assert all(text.endswith((".", "?", ":")) for one in sections for text in (*one.said, *one.points))
