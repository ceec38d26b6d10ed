"""The link of one mail pressed many times at once, beside a sign-in from the device that it is about."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Mail, RecoveryCode, TotpDevice
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, shown_by, trail

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


@pytest.mark.parametrize("turn", range(4))
def test_v6_4_3_an_app_confirmed_beside_the_disavowal_of_its_session_is_not_in_force(
    api: Api, mailbox: Mailbox, race: Any, turn: int
) -> None:
    """Whoever comes second finds what the first left: the session has ended, or its app goes."""
    UserFactory(email=EMAIL)
    api.sign_in()
    thief = Api(user_agent=PHONE)
    headers = {"authorization": f"Bearer {thief.sign_in()['access_token']}"}
    asked = {"token": mailbox.token()}
    begun = thief.post("/me/factors/totp", {}, **headers).json()
    path, shown = f"/me/factors/totp/{begun['id']}/confirm", shown_by(TotpDevice.objects.get())
    calls = [lambda: Api(user_agent=PHONE).post(path, {"code": shown}, **headers)] * 4
    calls.insert(turn, lambda: Api().post("/auth/disavow", asked))
    answers = race(calls)
    assert answers[turn].status_code == 200
    assert {one.status_code for one in answers} <= {200, 401, 403, 404}
    assert not TotpDevice.objects.filter(confirmed=True).exists() and not RecoveryCode.objects.exists()
    assert Mail.objects.filter(template="password_reset").count() == 1
