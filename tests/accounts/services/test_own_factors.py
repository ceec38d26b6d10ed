"""Adding and removing apps and making recovery codes: what each change ends, tells and records."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django_otp.oath import TOTP

from accounts import outbox, passwords
from accounts.models import Challenge, Mail, RecoveryCode, TotpDevice, User
from accounts.services import address, factors, own_factors
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, UserFactory, code_of, give_app, mark, shown_by, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

CLIENT = Client.local("test")
# RFC 6238, appendix B: the time, and the code of 8 digits of the key below with SHA-1
KEY = b"12345678901234567890"
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def asker(api: Api, user: User) -> dict[str, Any]:
    """Who asks, signed in here with the mailed code, as the services are called."""
    body = api.sign_in()
    return {"user": user, "session": Session.objects.get(pk=body["session"]["id"]), "client": CLIENT}


def begin(asker: dict[str, Any], name: str = "My phone") -> TotpDevice:
    setup = own_factors.begin_app(name=name, **asker)
    return TotpDevice.objects.get(pk=setup.device_id)


def confirm(asker: dict[str, Any], device: TotpDevice, code: str | None = None) -> list[str]:
    return own_factors.confirm_app(app_id=device.pk, code=code or shown_by(device), **asker)


def refusal(call: Callable[..., Any], **given: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(**given)
    return caught.value


def templates() -> list[str]:
    return list(Mail.objects.exclude(template__in=["code", "new_device"]).values_list("template", flat=True))


def elsewhere(api: Api) -> tuple[Session, str]:
    """Sign in on another device that is trusted, and begin one more sign-in; return the session and the challenge."""
    body = Api(user_agent="Wget/1.21").sign_in(trust_device=True)
    return Session.objects.get(pk=body["session"]["id"]), api.challenge()


def ended_with(session: Session, challenge: str, kept: Session) -> None:
    """Hold that a change of factors ended what it has to end, and kept the session at hand."""
    session.refresh_from_db()
    kept.refresh_from_db()
    assert (session.revoked_reason, kept.revoked_reason) == ("factors_changed", "")
    assert not Device.objects.trusted(timezone.now()).exists()
    assert not Challenge.objects.live(timezone.now(), 5).filter(pk=challenge).exists()


def test_c16_an_app_is_in_force_once_a_code_confirmed_it_and_brings_recovery_codes(
    api: Api, asker: dict[str, Any]
) -> None:
    user, since = asker["user"], mark()
    there, challenge = elsewhere(api)
    device = begin(asker)
    assert not factors.has_app(user)
    assert there.end(timezone.now()) is None and Device.objects.trusted(timezone.now()).exists()
    codes = confirm(asker, device)
    assert factors.has_app(user) and len(set(codes)) == 10
    ended_with(there, challenge, asker["session"])
    assert templates() == ["factor_added"]
    changes = Event.objects.filter(pk__gt=since, action="authn_factor_change").order_by("pk")
    assert [(row.details["factor"], row.details["change"]) for row in changes] == [
        ("totp", "begun"),
        ("totp", "added"),
        ("recovery", "made"),
    ]
    assert {row.actor_id for row in changes} == {str(user.pk)}
    assert trail(since)[-2:] == [("session_revoked",), ("authn_device_forgotten",)]


def test_a_second_app_brings_no_codes_and_both_work(asker: dict[str, Any]) -> None:
    user = asker["user"]
    codes = confirm(asker, begin(asker))
    assert confirm(asker, begin(asker, "Tablet")) == []
    assert factors.recovery_codes_left(user) == len(codes)
    now = timezone.now()
    for device in TotpDevice.objects.filter(user=user):
        assert factors.use_code(user=user, method="totp", code=shown_by(device, 1), client=CLIENT, now=now)
    assert [app.name for app in factors.apps_of(user)] == ["My phone", "Tablet"]


def test_one_key_is_set_up_at_a_time_and_for_half_an_hour(asker: dict[str, Any]) -> None:
    older, newer = begin(asker), begin(asker)
    assert refusal(own_factors.confirm_app, app_id=older.pk, code=shown_by(older), **asker).code == "not_found"
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        asked = {"app_id": newer.pk, "code": shown_by(newer)}
        assert refusal(own_factors.confirm_app, **asked, **asker).code == "not_found"
    assert not factors.has_app(asker["user"])
    assert trail()[-1] == ("authn_factor_change", "not_permitted")


def test_an_account_has_five_apps_at_most(asker: dict[str, Any], settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"MAX_APPS": 2}
    confirm(asker, begin(asker))
    confirm(asker, begin(asker))
    refused = refusal(own_factors.begin_app, name="", **asker)
    assert (refused.code, str(refused.detail)) == (
        "conflict",
        "An account has at most 2 authenticator apps. Remove one first.",
    )
    assert trail()[-1] == ("authn_factor_change", "conflict")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (-2, "about 1 minute slow"),
        (2, "about 1 minute fast"),
        (-14, "about 7 minutes slow"),
        (20, "about 10 minutes fast"),
        (-120, "about 60 minutes slow"),
    ],
)
def test_a_phone_whose_clock_is_off_is_told_so_and_not_let_in(asker: dict[str, Any], steps: int, said: str) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        device = begin(asker)
        refused = refusal(own_factors.confirm_app, app_id=device.pk, code=shown_by(device, steps), **asker)
        assert refused.code == "otp_invalid"
        assert "That code fits another time" in str(refused.detail) and said in str(refused.detail)
        assert "set its time automatically" in str(refused.detail)
        assert not factors.has_app(asker["user"])
        assert trail()[-1] == ("authn_factor_change", "code_wrong")
        assert confirm(asker, device)


@pytest.mark.parametrize("steps", [-121, 121, -2000])
def test_a_code_of_no_time_near_is_just_wrong(asker: dict[str, Any], steps: int) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        device = begin(asker)
        near = {shown_by(device, offset) for offset in range(-120, 121)}
        code = shown_by(device, steps)
        if code in near:
            pytest.skip("by chance the same six digits")
        refused = refusal(own_factors.confirm_app, app_id=device.pk, code=code, **asker)
    said = "That code is not correct. Check that the time on your phone is set automatically."
    assert str(refused.detail) == said


def test_the_last_app_takes_its_recovery_codes_along_and_the_mailed_code_is_back(
    api: Api, asker: dict[str, Any]
) -> None:
    give_app(asker["user"])
    there = Api(user_agent="Wget/1.21")
    body = there.answer(there.challenge(), code_of(asker["user"]), trust_device=True).json()
    session, challenge, since = Session.objects.get(pk=body["session"]["id"]), api.challenge(), mark()
    assert own_factors.remove_app(app_id=TotpDevice.objects.get().pk, **asker) is True
    assert not factors.has_app(asker["user"]) and not RecoveryCode.objects.exists()
    ended_with(session, challenge, asker["session"])
    [mail] = Mail.objects.filter(template="factor_removed")
    assert mail.context["last"] is True
    event = Event.objects.get(pk__gt=since, action="authn_factor_change")
    assert (event.details["factor"], event.details["change"]) == ("totp", "removed")
    assert api.login().json()["challenge"]["method"] == "email"


def test_of_two_apps_one_goes_and_the_codes_stay(asker: dict[str, Any]) -> None:
    user = asker["user"]
    confirm(asker, begin(asker))
    confirm(asker, begin(asker))
    first, second = factors.apps_of(user)
    assert own_factors.remove_app(app_id=first.pk, **asker) is False
    assert list(factors.apps_of(user)) == [second]
    assert factors.recovery_codes_left(user) == 10
    assert Mail.objects.get(template="factor_removed").context["last"] is False


def test_staff_keep_one_app(api: Api) -> None:
    user = UserFactory(email=EMAIL, staff=True, app=True)
    body = api.answer(api.challenge(), code_of(user)).json()
    asker = {"user": user, "session": Session.objects.get(pk=body["session"]["id"]), "client": CLIENT}
    [only] = factors.apps_of(user)
    since = mark()
    refused = refusal(own_factors.remove_app, app_id=only.pk, **asker)
    assert (refused.code, str(refused.detail)) == (
        "conflict",
        "Staff need an authenticator app. Set up another one first.",
    )
    assert trail(since) == [("authn_factor_change", "conflict")]
    confirm(asker, begin(asker))
    assert own_factors.remove_app(app_id=only.pk, **asker) is False
    assert factors.has_app(user)


def test_c17_new_recovery_codes_replace_the_old_ones(api: Api, asker: dict[str, Any]) -> None:
    user = asker["user"]
    old = give_app(user)
    since = mark()
    new = own_factors.renew_recovery_codes(**asker)
    assert len(new) == 10 and not set(old) & set(new)
    now = timezone.now()
    assert not factors.use_code(user=user, method="recovery", code=old[0], client=CLIENT, now=now)
    assert factors.use_code(user=user, method="recovery", code=new[0].upper(), client=CLIENT, now=now)
    assert not factors.use_code(user=user, method="recovery", code=new[0], client=CLIENT, now=now)
    assert "recovery_codes_made" in templates()
    assert ("authn_factor_change",) in trail(since)


def test_recovery_codes_stand_in_for_an_app_only(asker: dict[str, Any]) -> None:
    assert refusal(own_factors.renew_recovery_codes, **asker).code == "conflict"
    assert not RecoveryCode.objects.exists()


@pytest.mark.parametrize("change", ["begin", "remove", "renew"])
def test_a_session_that_was_ended_meanwhile_changes_nothing(asker: dict[str, Any], change: str) -> None:
    device = begin(asker)
    Session.objects.update(revoked_at=timezone.now(), revoked_reason="staff")
    calls: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "begin": (own_factors.confirm_app, {"app_id": device.pk, "code": shown_by(device)}),
        "remove": (own_factors.remove_app, {"app_id": device.pk}),
        "renew": (own_factors.renew_recovery_codes, {}),
    }
    call, given = calls[change]
    assert refusal(call, **given, **asker).code == "session_revoked"
    assert trail()[-1] == ("authn_factor_change", "session_ended")
    assert not factors.has_app(asker["user"])


def test_an_app_set_up_while_a_password_is_read_is_asked_for(
    api: Api, asker: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the password is asked for, then the app comes into force before the session opens."""
    settings.ACCOUNTS = settings.ACCOUNTS | {"OTP_POLICY": "opt_in"}
    device = begin(asker)
    verify = passwords.verify

    def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(passwords, "verify", verify)
        confirm(asker, device)
        return verify(*given)

    monkeypatch.setattr(passwords, "verify", overtaken)
    answer = api.login().json()
    assert (answer["status"], answer["challenge"]["method"]) == ("otp_required", "totp")
    assert Session.objects.live(timezone.now()).count() == 1


@pytest.mark.parametrize(("at", "digits"), VECTORS.items())
def test_c14_codes_are_those_of_rfc_6238(user: User, at: int, digits: str) -> None:
    """The table has 8 digits; the function gives them, and what an app here shows is their last six."""
    reader = TOTP(KEY, step=factors.STEP, digits=8)
    reader.time = at
    assert f"{reader.token():08d}" == digits
    with time_machine.travel(at, tick=False):
        now = timezone.now()
        device = TotpDevice(user=user, name="Phone", confirmed=True, created_at=now)
        device.seal(KEY)
        device.save(force_insert=True)
        assert shown_by(device) == digits[-6:]
        assert factors.use_totp(device, digits[-6:], now)
        assert not factors.use_totp(TotpDevice.objects.get(pk=device.pk), digits[-6:], now)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "１２３４５６", "-12345", "12 345"])
def test_what_is_no_code_is_none_of_an_app(user: User, code: str) -> None:
    give_app(user)
    assert not factors.use_totp(TotpDevice.objects.get(), code, timezone.now())


def test_a_damaged_secret_opens_nothing_and_can_be_removed(asker: dict[str, Any]) -> None:
    give_app(asker["user"])
    code = code_of(asker["user"], 1)
    TotpDevice.objects.update(secret="v1:00000000:AAAA")
    assert not factors.use_code(user=asker["user"], method="totp", code=code, client=CLIENT, now=timezone.now())
    assert own_factors.remove_app(app_id=TotpDevice.objects.get().pk, **asker) is True


def test_j10_no_secret_and_no_code_stands_in_the_database_in_clear(asker: dict[str, Any]) -> None:
    setup = own_factors.begin_app(name="", **asker)
    device = TotpDevice.objects.get()
    codes = confirm(asker, device)
    held = str([*TotpDevice.objects.values(), *RecoveryCode.objects.values()])
    told = str([*Event.objects.values(), *Mail.objects.values()])
    plain = [setup.secret, device.key.hex(), *codes, *(code.replace("-", "") for code in codes)]
    assert not [secret for secret in plain if secret in held or secret in told]
    assert setup.secret not in repr(device) and device.secret.startswith("v1:")


def test_a_change_of_the_address_that_was_asked_for_without_the_app_is_given_up(
    api: Api, user: User, asker: dict[str, Any]
) -> None:
    address.ask(new_email="new@example.org", **asker)
    outbox.send_due()
    assert address.pending(user, timezone.now()) is not None
    confirm(asker, begin(asker))
    assert address.pending(user, timezone.now()) is None
