"""Changes of factors beside each other and beside sign-ins."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Mail, RecoveryCode, TotpDevice, User
from sessions_app.models import Session
from tests.factories import EMAIL, PASSWORD, Api, UserFactory, bearer, code_of, give_app, shown_by, trail


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


@pytest.fixture
def user(transactional_db: None) -> User:
    return UserFactory(email=EMAIL)


def seen(answers: list[Any]) -> Counter[Any]:
    return Counter(one.json()["code"] if one.status_code >= 400 else one.status_code for one in answers)


def apps() -> int:
    return TotpDevice.objects.filter(confirmed=True).count()


def test_of_many_confirmations_one_puts_the_app_in_force(api: Api, user: User, race: Any) -> None:
    headers = bearer(api.sign_in())
    begun = api.post("/me/factors/totp", {}, **headers).json()
    device = TotpDevice.objects.get()
    path = f"/me/factors/totp/{begun['id']}/confirm"
    wanted = [shown_by(device), shown_by(device, 1)] * 3
    answers = race([lambda code=code: Api().post(path, {"code": code}, **headers) for code in wanted])
    told = seen(answers)
    # who comes once the app is in force is asked for a proof with it
    assert told.pop(200) == 1 and told.keys() <= {"not_found", "factor_required"}, [one.content for one in answers]
    shown = next(one.json()["recovery_codes"] for one in answers if one.status_code == 200)
    assert (apps(), RecoveryCode.objects.count(), len(shown)) == (1, 10, 10)
    assert Mail.objects.filter(template="factor_added").count() == 1


def test_of_many_removals_of_the_last_app_one_wins(api: Api, user: User, race: Any) -> None:
    give_app(user)
    headers = bearer(api.answer(api.challenge(), code_of(user)).json())
    path = f"/me/factors/{TotpDevice.objects.get().pk}"
    answers = race([lambda: Api().send("DELETE", path, **headers)] * 6)
    assert seen(answers) == {204: 1, "not_found": 5}
    assert not apps() and not RecoveryCode.objects.exists()
    assert Mail.objects.filter(template="factor_removed").count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_staff_who_remove_two_apps_at_once_keep_one(api: Api, race: Any, turn: int) -> None:
    user = UserFactory(email=EMAIL, staff=True, app=True)
    headers = bearer(api.answer(api.challenge(), code_of(user)).json())
    begun = api.post("/me/factors/totp", {}, **headers).json()
    code = {"code": shown_by(TotpDevice.objects.get(confirmed=False))}
    assert api.post(f"/me/factors/totp/{begun['id']}/confirm", code, **headers).status_code == 200
    paths = [f"/me/factors/{pk}" for pk in TotpDevice.objects.values_list("pk", flat=True)]
    answers = race([lambda path=path: Api().send("DELETE", path, **headers) for path in paths])
    assert seen(answers) == {204: 1, "conflict": 1}
    assert apps() == 1


def test_many_begin_at_once_and_one_key_waits(api: Api, user: User, race: Any) -> None:
    headers = bearer(api.sign_in())
    answers = race([lambda: Api().post("/me/factors/totp", {}, **headers)] * 6)
    assert seen(answers) == {201: 6}
    assert TotpDevice.objects.filter(confirmed=False).count() == 1


def test_c17_one_recovery_code_proves_one_of_two_requests(api: Api, user: User, race: Any) -> None:
    signed_in = [bearer(api.sign_in()) for _turn in range(2)]
    asked = {"password": PASSWORD, "method": "recovery", "code": give_app(user)[0]}
    answers = race([lambda one=one: Api().post("/auth/reauthenticate", asked, **one) for one in signed_in * 3])
    assert seen(answers) == {200: 1, "otp_invalid": 5}
    assert RecoveryCode.objects.filter(used_at__isnull=False).count() == 1
    assert trail().count(("authn_recovery_code_used",)) == 1
    assert Mail.objects.filter(template="recovery_code_used").count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_no_sign_in_by_the_mailed_code_survives_an_app(api: Api, user: User, race: Any, turn: int) -> None:
    body = api.sign_in()
    headers = bearer(body)
    trusted = Api(user_agent="Wget/1.21").sign_in(trust_device=True)["trust_token"]
    begun = api.post("/me/factors/totp", {}, **headers).json()
    code = {"code": shown_by(TotpDevice.objects.get())}
    challenge = api.challenge()
    mailed = api.mailbox.code()
    answers = race(
        [
            lambda: Api().login(trust_token=trusted),
            lambda: Api().answer(challenge, mailed),
            lambda: Api().post(f"/me/factors/totp/{begun['id']}/confirm", code, **headers),
            lambda: Api().login(trust_token=trusted),
        ]
    )
    assert answers[2].status_code == 200
    assert not [one for one in answers if one.status_code >= 500]
    live = Session.objects.live(timezone.now())
    assert [str(session.pk) for session in live] == [body["session"]["id"]]
