"""Many sign-ups and proofs of one address at once."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection

from accounts import outbox
from accounts.models import Consent, Link, Status, User
from accounts.services import registration
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, trail

CLIENT = Client(ip="192.0.2.7", request_id="r")


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


def test_l17_a_hundred_sign_ups_of_one_address_are_one_account_and_one_answer(
    api: Api, mailbox: Mailbox, race: Any
) -> None:
    spellings = [EMAIL, EMAIL.upper(), "Jane@Example.com", "ｊａｎｅ@example.com"]
    number = 100 if connection.vendor == "sqlite" else 40  # a server takes a hundred connections in all
    answers = race([lambda email=spellings[n % 4]: Api().register(email) for n in range(number)])
    assert Counter((one.status_code, one.content) for one in answers) == {
        (202, b'{"status":"verification_required"}'): number
    }
    user = User.objects.get()
    assert Link.objects.filter(user=user).open().count() == 1
    assert Consent.objects.filter(user=user).count() == Event.objects.filter(action="user_registered").count() == number
    assert len(mailbox.all()) >= 1
    assert api.verify(user.email).status_code == 200
    assert api.login().json()["status"] == "otp_required"


def test_d02_fifty_uses_of_one_link_are_one_success(api: Api, mailbox: Mailbox, race: Any) -> None:
    api.register()
    asked = {"token": mailbox.token()}
    answers = race([lambda: Api().post("/auth/verify-email", asked)] * 50)
    assert Counter(one.json().get("code", one.status_code) for one in answers) == {200: 1, "token_used": 49}
    assert Counter(trail()) == {
        ("user_registered",): 1,
        ("user_email_verified",): 1,
        ("user_email_verified", "token_used"): 49,
    }
    assert User.objects.get().status == Status.ACTIVE


@pytest.mark.parametrize("turn", range(6))
def test_l18_a_sign_up_beside_the_proof_never_undoes_it(api: Api, mailbox: Mailbox, race: Any, turn: int) -> None:
    """Whoever proved the address keeps the password that it was proved with."""
    api.register(email=EMAIL)
    token = mailbox.token()

    def prove() -> Any:
        try:
            return registration.verify_email(token=token, client=CLIENT)
        except Problem as problem:
            return problem.code

    def sign_up() -> Any:
        return registration.register(email=EMAIL, password="a stranger's password", accept_terms=True, client=CLIENT)

    def resend() -> Any:
        registration.resend_verification(email=EMAIL, client=CLIENT)
        return outbox.send_due()

    results = race([sign_up, prove, resend, sign_up, prove])
    assert not [one for one in results if isinstance(one, Exception)], results
    user = User.objects.get()
    if any(isinstance(one, User) for one in results):
        assert (user.status, user.is_active, user.email_verified) == (Status.ACTIVE, True, True)
        assert Link.objects.filter(user=user).open().count() == 0 or user.email_verified
        # the password that is in force was set before the proof, never after it
        proved = Event.objects.filter(action="user_email_verified", success=True).latest("id")
        later = Event.objects.filter(action="user_registered", success=True, pk__gt=proved.pk)
        assert not later.exists()
    else:
        assert (user.status, user.is_active) == (Status.INACTIVE, False)


def test_many_workers_send_each_mail_once(api: Api, mailbox: Mailbox, race: Any) -> None:
    for number in range(10):
        api.register(f"person{number}@example.com", PASSWORD)
    sent = race([outbox.send_due] * 5)
    assert sum(sent) == 10, sent
    assert len({one.to[0] for one in mailbox.all()}) == len(mailbox.all()) == 10
