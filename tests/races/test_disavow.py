"""The link of one mail pressed many times at once, beside a sign-in from the device that it is about."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Mail
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, trail

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile Safari/605"


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


def test_d02_fifty_uses_of_one_link_are_one_success(api: Api, mailbox: Mailbox, race: Any) -> None:
    UserFactory(email=EMAIL)
    api.sign_in()
    Api(user_agent=PHONE).sign_in()
    asked = {"token": mailbox.token()}
    answers = race([lambda: Api().post("/auth/disavow", asked)] * 50)
    assert Counter(one.json().get("code", one.status_code) for one in answers) == {200: 1, "token_used": 49}
    assert Counter(trail())[("authn_login_disavowed",)] == 1
    assert Mail.objects.filter(template="password_reset").count() == 1


@pytest.mark.parametrize("turn", range(4))
def test_e15_a_sign_in_beside_the_forgetting_of_its_device_is_whole(
    api: Api, mailbox: Mailbox, race: Any, turn: int
) -> None:
    """Whoever comes second finds the device as the first left it: none is lost, and no session names one that is."""
    UserFactory(email=EMAIL)
    body = api.sign_in(trust_device=True)
    headers = {"authorization": f"Bearer {body['access_token']}"}
    calls = [lambda: Api().login(trust_token=body["trust_token"])] * 4
    calls.insert(turn, lambda: Api().send("DELETE", "/me/devices", **headers))
    answers = race(calls)
    assert {one.status_code for one in answers} == {200, 204}
    known = set(Device.objects.values_list("pk", flat=True))
    live = Session.objects.live(timezone.now())
    assert {session.device_id for session in live} <= known | {None}
