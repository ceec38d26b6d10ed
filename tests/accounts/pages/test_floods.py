"""What a person who is signed in may do again and again leaves only so many rows, mails and hashes."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Mail
from gatehouse.limits import LIMITS
from sessions_app.models import Device, Session
from tests.accounts.pages.person import PASSWORD, Person
from tests.factories import Api, UserFactory, mark, trail

pytestmark = pytest.mark.django_db

NEW = "another horse battery staple"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"


@pytest.fixture(autouse=True)
def _few(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.05}


@pytest.fixture
def number(_few: None) -> int:
    return LIMITS["acts_account"].scaled


def rename(person: Person, turn: int) -> Any:
    return person.post(f"devices/{Device.objects.get().pk}/rename", {"name": f"name {turn}"})


def stay(person: Person, turn: int) -> Any:
    return person.browser.post("/account/stay", headers={"user-agent": FIREFOX.format(100 + turn % 2)})


@pytest.mark.parametrize("act", [rename, stay])
def test_j12_a_page_that_leaves_a_row_each_time_is_limited(
    at_home: Person, number: int, act: Callable[[Person, int], Any]
) -> None:
    since = mark()
    statuses = [act(at_home, turn).status_code for turn in range(number + 5)]
    assert statuses == [303] * number + [429] * 5
    assert len([row for row in trail(since) if row[0] != "limit_reached"]) <= number + 1


def confirm(person: Person, _turn: int) -> Any:
    return person.post("reauthenticate", {"password": PASSWORD})


def change(person: Person, turn: int) -> Any:
    old, new = (PASSWORD, NEW) if turn % 2 == 0 else (NEW, PASSWORD)
    return person.post("password/change", {"old_password": old, "new_password": new})


@pytest.mark.parametrize("act", [confirm, change])
def test_a11_right_passwords_are_hashed_so_often_and_no_more(
    at_home: Person, number: int, act: Callable[[Person, int], Any]
) -> None:
    statuses = [act(at_home, turn).status_code for turn in range(number + 3)]
    assert statuses == [303] * number + [429] * 3
    assert Mail.objects.filter(template="password_changed").count() == (number if act is change else 0)


def test_a11_the_api_counts_with_the_pages(at_home: Person, number: int) -> None:
    for turn in range(number - 1):
        assert rename(at_home, turn).status_code == 303
    api = Api()
    bearer = f"Bearer {api.sign_in(at_home.email)['access_token']}"
    answer = api.post("/auth/reauthenticate", {"password": PASSWORD}, authorization=bearer)
    assert answer.status_code == 200
    asked = {"current_password": PASSWORD, "new_password": NEW}
    for answer in (
        api.post("/auth/reauthenticate", {"password": PASSWORD}, authorization=bearer),
        api.post("/me/password", asked, authorization=bearer),
        api.send("PATCH", f"/me/devices/{Device.objects.first().pk}", {"name": "x"}, authorization=bearer),
    ):
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")


def test_j12_asking_for_what_is_another_s_is_recorded_and_fills_no_trail(at_home: Person, settings: Any) -> None:
    other = UserFactory(email="other@example.com")
    api = Api()
    mine = f"Bearer {api.sign_in(other.email)['access_token']}"
    session, device = Session.objects.get(user=other), Device.objects.get(user=other)
    theirs = Session.objects.exclude(user=other).get()
    foreign = Device.objects.exclude(user=other).get()
    assert session.pk != theirs.pk and device.pk != foreign.pk
    since, most = mark(), LIMITS["invalid_token_ip"].scaled
    paths = (f"/sessions/{theirs.pk}", f"/me/devices/{foreign.pk}")
    for turn in range(most + 4):
        assert api.send("DELETE", paths[turn % 2], authorization=mine).status_code == 404
    assert len(trail(since)) == most
    theirs.refresh_from_db()
    assert not theirs.is_revoked and Device.objects.filter(pk=foreign.pk).exists()
