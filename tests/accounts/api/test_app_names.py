"""G14: what an app calls itself reaches the owner of its account, and nobody by mail."""

import pytest

from accounts.models import Challenge
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory

pytestmark = pytest.mark.django_db

LURE = "Unlock at https://evil.example/now"


@pytest.mark.parametrize("agent", ["curl/8.5", ""])
def test_g14_a_stranger_puts_no_words_into_the_mail_about_a_lockout(api: Api, mailbox: Mailbox, agent: str) -> None:
    UserFactory(email=EMAIL)
    for _try in range(11):
        Api(user_agent=agent).login(password="wrong", device_name=LURE)
    assert len(mailbox.all(EMAIL)) == 1
    assert "evil.example" not in mailbox.newest()


def test_g14_nor_into_one_to_an_address_that_he_signed_up(api: Api, mailbox: Mailbox) -> None:
    api.register("victim@example.org")
    assert api.login("victim@example.org", device_name=LURE).json() == {"status": "email_unverified"}
    assert "evil.example" not in "".join(str(one.body) for one in mailbox.all("victim@example.org"))


def test_g14_nor_into_the_one_with_the_code(api: Api, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL)
    api.login(device_name=LURE)
    assert "evil.example" not in mailbox.newest()
    assert Challenge.objects.get().device_name == LURE


def test_an_app_on_a_trusted_device_is_called_what_it_calls_itself(api: Api) -> None:
    UserFactory(email=EMAIL)
    trusted = api.sign_in(trust_device=True)["trust_token"]
    answer = api.login(trust_token=trusted, device_name="Jane's kitchen").json()
    assert answer["session"]["device"]["name"] == "Jane's kitchen"
    assert Session.objects.filter(device_name="Jane's kitchen").count() == 1
    assert Device.objects.get().name == "Jane's kitchen"
