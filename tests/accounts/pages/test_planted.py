"""E18: a session cookie that somebody planted in a browser shows him nothing of the link that its owner opens there."""

from typing import Any

import pytest
from django.test import Client

from tests.accounts.pages.person import EMAIL, Person, text_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_e18_a_link_opened_in_a_planted_session_is_not_the_planter_s() -> None:
    UserFactory(email=EMAIL)
    attacker, victim = Client(), Person()
    attacker.get(f"/account/verify/{'A' * 43}")
    planted: Any = attacker.cookies["session"].value
    attacker.get("/account/password/reset/new")
    victim.post("password/reset", {"email": EMAIL})
    link = victim.link()
    victim.browser.cookies["session"] = planted
    victim.browser.get(link)
    assert victim.browser.cookies["session"].value != planted
    attacker.cookies["session"] = planted
    assert EMAIL not in text_of(attacker.get("/account/password/reset/new"))
    assert EMAIL in text_of(victim.get("password/reset/new"))


def test_e18_whoever_is_signed_in_stays_so_and_keeps_the_key(at_home: Person) -> None:
    key = at_home.browser.cookies["session"].value
    at_home.post("password/reset", {"email": EMAIL})
    at_home.browser.get(at_home.link())
    assert at_home.browser.cookies["session"].value == key
    assert at_home.get("security").status_code == 200
