"""C20: a trusted device stands in for the code, for its own account, until something ends the trust."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Mail, User
from accounts.roles import Role
from accounts.services import lifecycle
from gatehouse import hashing
from gatehouse.client import Client
from sessions_app.models import Device
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer, give_app, problem

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

NEW = "another horse battery staple"
COOKIE = {"x_auth_transport": "cookie", "origin": "http://testserver"}
Trusted = dict[str, Any]


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def user(api: Api) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def trusted(api: Api, user: User) -> Trusted:
    """The answer to a sign-in that trusted its device."""
    return api.sign_in(trust_device=True)


def asks_for_code(api: Api, token: str, password: str = PASSWORD) -> bool:
    return bool(api.login(password=password, trust_token=token).json()["status"] == "otp_required")


def test_c20_a_trusted_device_needs_the_password_all_the_same(api: Api, trusted: Trusted) -> None:
    assert not asks_for_code(api, trusted["trust_token"])
    problem("invalid_credentials", 401, api.login(password="wrong", trust_token=trusted["trust_token"]))


def test_c20_what_the_database_holds_is_no_token(api: Api, trusted: Trusted) -> None:
    device = Device.objects.get()
    assert trusted["trust_token"] not in str(Device.objects.values().get())
    assert device.secret_hash == hashing.keyed_hash("device", trusted["trust_token"])
    for stored in (device.secret_hash, device.secret_hash[:43], str(device.pk)):
        assert asks_for_code(api, stored)


def through_browser(api: Api, **more: Any) -> Any:
    """Sign in as a script of our own site does, and return the answer to the code."""
    challenge = api.post("/auth/login", {"email": EMAIL, "password": PASSWORD}, **COOKIE).json()["challenge"]["id"]
    return api.post("/auth/otp/verify", {"challenge_id": challenge, "code": Mailbox().code()} | more, **COOKIE)


def test_c20_the_cookie_of_a_browser_is_the_token_and_never_in_the_body(api: Api, user: User) -> None:
    answer = through_browser(api, trust_device=True)
    assert "trust_token" not in answer.json()
    cookie = answer.cookies["device"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie.value not in answer.content.decode()
    again = api.post("/auth/login", {"email": EMAIL, "password": PASSWORD}, **COOKIE)
    assert again.json()["session"]["factors"] == ["password", "device"]


def test_c20_trusting_draws_a_new_token_and_the_one_before_is_worth_nothing(api: Api, user: User) -> None:
    before = through_browser(api).cookies["device"].value
    after = through_browser(api, trust_device=True).cookies["device"].value
    assert Device.objects.count() == 1
    assert asks_for_code(api, before)
    assert not asks_for_code(api, after)


def test_c20_trust_is_the_account_s_own(api: Api, trusted: Trusted) -> None:
    UserFactory(email="other@example.com")
    assert api.login("other@example.com", trust_token=trusted["trust_token"]).json()["status"] == "otp_required"


def test_c20_trust_ends_after_thirty_days_whatever_happens(api: Api, trusted: Trusted) -> None:
    start = timezone.now()
    with time_machine.travel(start + timedelta(days=29), tick=False):
        assert not asks_for_code(api, trusted["trust_token"])
    with time_machine.travel(start + timedelta(days=30, seconds=1), tick=False):
        assert asks_for_code(api, trusted["trust_token"]), "a use does not make it longer"


def test_c20_whoever_became_staff_is_asked_for_the_app_on_the_same_device(api: Api, trusted: Trusted) -> None:
    user = User.objects.get()
    give_app(user)
    assert not asks_for_code(api, trusted["trust_token"])
    user.set_role(Role.ADMIN)
    user.save()
    methods = [
        method["type"] for method in api.login(trust_token=trusted["trust_token"]).json()["challenge"]["methods"]
    ]
    assert methods == ["totp", "recovery"]


def forget_one(api: Api, body: Trusted) -> None:
    device = Device.objects.trusted(timezone.now()).get()
    assert api.send("DELETE", f"/me/devices/{device.pk}", **bearer(body)).status_code == 204


def forget_all(api: Api, body: Trusted) -> None:
    assert api.send("DELETE", "/me/devices", **bearer(body)).status_code == 204


def change_password(api: Api, body: Trusted) -> None:
    asked = {"current_password": PASSWORD, "new_password": NEW}
    assert api.post("/me/password", asked, **bearer(body)).status_code == 200


def reset_password(api: Api, body: Trusted) -> None:
    assert api.post("/auth/password/forgot", {"email": EMAIL}).status_code == 202
    asked = {"token": reset_token(), "new_password": NEW}
    assert api.post("/auth/password/reset", asked).status_code == 200


def sign_out_everywhere(api: Api, body: Trusted) -> None:
    assert api.post("/sessions/revoke-all", {"include_current": True}, **bearer(body)).status_code == 200


def be_disabled(api: Api, body: Trusted) -> None:
    boss, client = UserFactory(role=Role.SUPER_ADMIN), Client.local("test")
    lifecycle.disable(target=User.objects.get(email=EMAIL), by=boss, reason="stolen", client=client)
    lifecycle.enable(target=User.objects.get(email=EMAIL), by=boss, reason="found", client=client)


def disavow(api: Api, body: Trusted) -> None:
    Api(user_agent="Wget/1.21").sign_in()
    assert api.post("/auth/disavow", {"token": Mailbox().token()}).status_code == 200


def reset_token() -> str:
    Mailbox().all()
    assert Mail.objects.filter(template="password_reset").exists()
    return Mailbox().token()


@pytest.mark.parametrize(
    ("end", "password"),
    [
        (forget_one, PASSWORD),
        (forget_all, PASSWORD),
        (change_password, NEW),
        (reset_password, NEW),
        (sign_out_everywhere, PASSWORD),
        (be_disabled, PASSWORD),
        (disavow, PASSWORD),
    ],
)
def test_c20_trust_ends_with_it(api: Api, trusted: Trusted, end: Callable[[Api, Trusted], None], password: str) -> None:
    end(api, trusted)
    assert not Device.objects.trusted(timezone.now()).exists()
    assert asks_for_code(api, trusted["trust_token"], password)


def test_c20_signing_out_leaves_the_device_trusted(api: Api, trusted: Trusted) -> None:
    assert api.post("/auth/logout", {"refresh_token": trusted["refresh_token"]}).status_code == 204
    assert not asks_for_code(api, trusted["trust_token"])


def test_c20_a_forgotten_device_is_told_of_at_its_next_sign_in(api: Api, trusted: Trusted) -> None:
    forget_one(api, trusted)
    api.sign_in()
    assert "New sign-in from a device we do not know" in Mailbox().newest()
