"""Second factors over the API: every answer as the contract says it."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core import mail
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import RecoveryCode, TotpDevice, User
from audit.models import Event
from sessions_app.models import Session
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    bearer,
    code_of,
    give_app,
    mark,
    moment,
    problem,
    refused_fields,
    shown_by,
    trail,
)

CHANGES = (
    ("POST", "/me/factors/totp"),
    ("POST", "/me/factors/totp/019aa000-0000-7000-8000-000000000000/confirm"),
    ("DELETE", "/me/factors/019aa000-0000-7000-8000-000000000000"),
    ("POST", "/me/recovery-codes"),
)


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def headers(api: Api, user: User) -> dict[str, str]:
    """Of somebody who has just signed in with the mailed code."""
    return bearer(api.sign_in())


def with_app(api: Api, user: User) -> dict[str, str]:
    """Return the headers of somebody who signs in with an app."""
    give_app(user)
    return bearer(api.answer(api.challenge(), code_of(user)).json())


def add(api: Api, headers: dict[str, str], **asked: Any) -> list[str]:
    """Set up an app to its end, and return the recovery codes."""
    begun = api.post("/me/factors/totp", asked, **headers).json()
    device = TotpDevice.objects.get(pk=begun["id"])
    done = api.post(f"/me/factors/totp/{begun['id']}/confirm", {"code": shown_by(device)}, **headers)
    assert done.status_code == 200, done.content
    return list(done.json().get("recovery_codes", []))


def listed(api: Api, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = api.get("/me/factors", **headers)
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"results"}
    return list(answer.json()["results"])


def test_a_new_account_has_the_mailed_code(api: Api, user: User, headers: dict[str, str]) -> None:
    [mailed] = listed(api, headers)
    assert set(mailed) == {"id", "type", "name", "created_at", "last_used_at"}
    assert (mailed["id"], mailed["type"], mailed["name"]) == (None, "email", "Code by email")
    assert moment(mailed["created_at"]) <= moment(mailed["last_used_at"])


def test_an_app_is_begun_confirmed_listed_and_removed(
    api: Api, user: User, headers: dict[str, str], mailbox: Mailbox
) -> None:
    begun = api.post("/me/factors/totp", {"name": "My phone"}, **headers)
    assert begun.status_code == 201 and begun["Cache-Control"] == "no-store"
    setup = begun.json()
    assert set(setup) == {"id", "secret", "otpauth_url", "qr_svg"}
    assert re.fullmatch(r"[A-Z2-7]{32}", setup["secret"])
    assert setup["otpauth_url"].startswith("otpauth://totp/Gatehouse%3Ajane%40example.com?secret=" + setup["secret"])
    assert setup["qr_svg"].startswith("<svg ") and setup["secret"] not in setup["qr_svg"]
    assert [one["type"] for one in listed(api, headers)] == ["email"]
    assert api.login().json()["challenge"]["method"] == "email"

    device = TotpDevice.objects.get()
    done = api.post(f"/me/factors/totp/{setup['id']}/confirm", {"code": shown_by(device)}, **headers)
    codes = done.json()["recovery_codes"]
    assert (done.status_code, set(done.json()), len(set(codes))) == (200, {"recovery_codes"}, 10)
    mailed, app, recovery = listed(api, headers)
    assert (app["id"], app["type"], app["name"]) == (setup["id"], "totp", "My phone")
    assert (recovery["id"], recovery["type"], recovery["remaining"]) == (None, "recovery", 10)
    assert "An authenticator app was added to your Gatehouse account" in mailbox.subjects(EMAIL)

    assert api.login().json()["challenge"]["method"] == "totp"
    again = bearer(api.answer(api.challenge(), codes[0], method="recovery").json())
    assert listed(api, again)[-1]["remaining"] == 9
    gone = api.send("DELETE", f"/me/factors/{setup['id']}", **again)
    assert (gone.status_code, gone.content) == (204, b"")
    assert [one["type"] for one in listed(api, again)] == ["email"]
    assert "An authenticator app was removed from your Gatehouse account" in mailbox.subjects(EMAIL)
    assert api.login().json()["challenge"]["method"] == "email"


def test_v743_a_change_keeps_this_session_and_ends_the_others(api: Api, user: User, headers: dict[str, str]) -> None:
    other = Api(user_agent="Wget/1.21").sign_in()
    add(api, headers)
    assert api.get("/auth/session", **headers).status_code == 200
    problem("session_revoked", 401, api.get("/auth/session", **bearer(other)))
    assert Session.objects.get(pk=other["session"]["id"]).revoked_reason == "factors_changed"


def test_a_second_app_brings_no_codes(api: Api, user: User) -> None:
    headers = with_app(api, user)
    assert add(api, headers, name="Tablet") == []
    assert [one["type"] for one in listed(api, headers)] == ["email", "totp", "totp", "recovery"]


def test_new_recovery_codes_are_shown_once(api: Api, user: User, mailbox: Mailbox) -> None:
    headers = with_app(api, user)
    answer = api.post("/me/recovery-codes", **headers)
    assert (answer.status_code, set(answer.json()), len(answer.json()["codes"])) == (201, {"codes"}, 10)
    assert "New recovery codes were made for your Gatehouse account" in mailbox.subjects(EMAIL)
    assert answer.json()["codes"][0] not in str(listed(api, headers))


def test_without_an_app_there_are_no_recovery_codes(api: Api, headers: dict[str, str]) -> None:
    problem("conflict", 409, api.post("/me/recovery-codes", **headers))


def test_the_sixth_app_is_one_too_many(api: Api, user: User) -> None:
    headers = with_app(api, user)
    for _number in range(4):
        add(api, headers)
    refused = api.post("/me/factors/totp", {}, **headers)
    problem("conflict", 409, refused)
    assert refused.json()["detail"] == "An account has at most 5 authenticator apps. Remove one first."


def test_c16_a_wrong_code_confirms_nothing_and_says_what_to_do(api: Api, headers: dict[str, str]) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        begun = api.post("/me/factors/totp", {}, **headers).json()
        device, path = TotpDevice.objects.get(), f"/me/factors/totp/{begun['id']}/confirm"
        late = api.post(path, {"code": shown_by(device, -10)}, **headers)
        assert problem("otp_invalid", 400, late) == {}
        assert "about 5 minutes slow" in late.json()["detail"]
        assert trail()[-1] == ("authn_factor_change", "code_wrong")
        assert not TotpDevice.objects.filter(confirmed=True).exists()
        assert api.post(path, {"code": f" {shown_by(device)[:3]} {shown_by(device)[3:]}"}, **headers).status_code == 200


def test_c16_what_waited_half_an_hour_is_not_confirmed(api: Api, headers: dict[str, str]) -> None:
    begun = api.post("/me/factors/totp", {}, **headers).json()
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        Session.objects.update(authenticated_at=timezone.now())
        signed_in = bearer(api.sign_in())
        answer = api.post(
            f"/me/factors/totp/{begun['id']}/confirm", {"code": shown_by(TotpDevice.objects.get())}, **signed_in
        )
        problem("not_found", 404, answer)


def test_b08_i03_anothers_app_is_as_unknown_as_none(api: Api, user: User) -> None:
    other = UserFactory(app=True)
    theirs, headers = TotpDevice.objects.get(user=other), with_app(api, user)
    foreign = api.send("DELETE", f"/me/factors/{theirs.pk}", x_request_id="same", **headers)
    unknown = api.send("DELETE", f"/me/factors/{uuid4()}", x_request_id="same", **headers)
    problem("not_found", 404, foreign)
    assert foreign.content == unknown.content
    code = shown_by(theirs)
    foreign = api.post(f"/me/factors/totp/{theirs.pk}/confirm", {"code": code}, x_request_id="same", **headers)
    unknown = api.post(f"/me/factors/totp/{uuid4()}/confirm", {"code": code}, x_request_id="same", **headers)
    problem("not_found", 404, foreign)
    assert foreign.content == unknown.content
    assert TotpDevice.objects.filter(user=other).count() == 1
    assert trail()[-1] == ("authn_factor_change", "not_permitted")


def test_the_mailed_code_has_no_id_to_delete(api: Api, headers: dict[str, str]) -> None:
    for word in ("null", "email", "None"):
        assert api.send("DELETE", f"/me/factors/{word}", **headers).status_code == 404


def test_staff_are_told_that_they_need_an_app(api: Api) -> None:
    user = UserFactory(email=EMAIL, staff=True)
    headers = with_app(api, user)
    assert [one["type"] for one in listed(api, headers)] == ["totp", "recovery"]
    refused = api.send("DELETE", f"/me/factors/{TotpDevice.objects.get().pk}", **headers)
    problem("conflict", 409, refused)
    assert refused.json()["detail"] == "Staff need an authenticator app. Set up another one first."
    assert RecoveryCode.objects.count() == 10


class TestProof:
    @pytest.mark.parametrize(("method", "path"), CHANGES)
    def test_c18_a_change_needs_a_fresh_proof(self, api: Api, headers: dict[str, str], method: str, path: str) -> None:
        Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=5))
        since = mark()
        problem("reauthentication_required", 403, api.send(method, path, **headers))
        assert trail(since) == []
        assert api.post("/auth/reauthenticate", {"password": PASSWORD}, **headers).status_code == 200
        assert api.send(method, path, **headers).json().get("code") != "reauthentication_required"

    @pytest.mark.parametrize(("method", "path"), CHANGES)
    def test_c18_where_an_app_is_set_up_the_proof_is_made_with_it(
        self, api: Api, user: User, headers: dict[str, str], method: str, path: str
    ) -> None:
        give_app(user)
        for _password_alone in range(2):
            refused = api.send(method, path, **headers)
            assert problem("factor_required", 403, refused) == {"methods": ["totp", "recovery"]}
            assert api.post("/auth/reauthenticate", {"password": PASSWORD}, **headers).status_code == 200
        asked = {"password": PASSWORD, "method": "totp", "code": code_of(user)}
        assert api.post("/auth/reauthenticate", asked, **headers).status_code == 200
        assert api.send(method, path, **headers).json().get("code") != "factor_required"

    def test_c18_a_password_given_later_makes_no_old_code_fresh(self, api: Api, user: User) -> None:
        headers = with_app(api, user)
        Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=10))
        assert api.post("/auth/reauthenticate", {"password": PASSWORD}, **headers).status_code == 200
        problem("factor_required", 403, api.post("/me/recovery-codes", **headers))
        assert Session.objects.get().factors == ["totp", "password"]

    def test_a_recovery_code_is_proof_enough(self, api: Api, user: User, headers: dict[str, str]) -> None:
        codes = give_app(user)
        asked = {"password": PASSWORD, "method": "recovery", "code": codes[0]}
        assert api.post("/auth/reauthenticate", asked, **headers).status_code == 200
        assert api.post("/me/recovery-codes", **headers).status_code == 201

    def test_looking_needs_no_proof(self, api: Api, headers: dict[str, str]) -> None:
        Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=1))
        assert len(listed(api, headers)) == 1

    @pytest.mark.parametrize(("method", "path"), [("GET", "/me/factors"), *CHANGES])
    def test_it_needs_somebody_signed_in(self, api: Api, method: str, path: str) -> None:
        problem("not_authenticated", 401, api.send(method, path))


@pytest.mark.parametrize("name", ["x" * 61, 7, None, "a\u202eb", "a\nb"])
def test_a_name_that_does_not_fit_is_refused(api: Api, headers: dict[str, str], name: Any) -> None:
    assert list(refused_fields(api.post("/me/factors/totp", {"name": name}, **headers))) == ["#/name"]
    assert not TotpDevice.objects.exists()


def test_an_app_without_a_name_gets_one(api: Api, headers: dict[str, str]) -> None:
    for asked in ({}, {"name": ""}, {"name": "   "}):
        api.post("/me/factors/totp", asked, **headers)
        assert TotpDevice.objects.get().name == "Authenticator app"


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_an_unknown_field_is_refused(api: Api, user: User, method: str, path: str) -> None:
    headers = with_app(api, user)
    assert refused_fields(api.send(method, path, '{"user": 1, "code": "123456", "name": "x"}', **headers))


def test_a_page_that_calls_the_api_gets_a_new_key(api: Api, user: User) -> None:
    page = Browser()
    page.post("/account/login", {"email": EMAIL, "password": PASSWORD})
    page.post("/account/otp", {"code": Mailbox().code()})
    before = page.cookies["session"].value
    give_app(user)
    proof = {"password": PASSWORD, "code": code_of(user)}
    page.post("/api/v1/auth/reauthenticate", proof, content_type="application/json")
    between = page.cookies["session"].value
    assert page.post("/api/v1/me/recovery-codes", content_type="application/json").status_code == 201
    assert len({before, between, page.cookies["session"].value}) == 3


def test_j10_nothing_secret_leaves_but_in_its_answer(
    api: Api, user: User, headers: dict[str, str], caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    begun = api.post("/me/factors/totp", {}, **headers).json()
    device = TotpDevice.objects.get()
    path = f"/me/factors/totp/{begun['id']}/confirm"
    api.post(path, {"code": shown_by(device, 9)}, **headers)
    codes = api.post(path, {"code": shown_by(device)}, **headers).json()["recovery_codes"]
    api.mailbox.all()
    said = "".join([*capfd.readouterr(), caplog.text, *(str(one.message()) for one in mail.outbox)])
    said += str(list(Event.objects.values()))
    assert not [secret for secret in (begun["secret"], device.key.hex(), *codes) if secret in said]


def test_v6_5_6_an_app_is_confirmed_by_the_session_that_began_it_alone(api: Api, headers: dict[str, str]) -> None:
    begun = api.post("/me/factors/totp", {}, **headers).json()
    shown = shown_by(TotpDevice.objects.get())
    other = Api(user_agent="Wget/1.21")
    elsewhere = bearer(other.sign_in())
    since = mark()
    path = f"/me/factors/totp/{begun['id']}/confirm"
    problem("not_found", 404, other.post(path, {"code": shown}, **elsewhere))
    assert trail(since) == [("authn_factor_change", "not_permitted")]
    assert api.post(path, {"code": shown}, **headers).status_code == 200
