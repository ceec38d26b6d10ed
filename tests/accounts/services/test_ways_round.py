"""Ways round the gate, the enrolment and the ends of trust that were tried, and hold."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Challenge, LinkPurpose, Mail, Status, User
from accounts.roles import Role
from accounts.services import enrolment, lifecycle, sign_in
from accounts.services.gate import Entry, may_enter
from accounts.services.sign_in import Arrival
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app import devices
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, mark, problem, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
CLIENT = Client.local("test")


@pytest.fixture
def api(db: None) -> Api:
    return Api()


def invite(email: str = EMAIL) -> enrolment.Invitation:
    return enrolment.invite_staff(email=email, role=Role.ADMIN, actor=Actor.command(), client=CLIENT)


def test_invited_staff_are_mailed_no_link_that_would_open_the_account(api: Api) -> None:
    invite()
    api.post("/auth/verify-email/resend", {"email": EMAIL})
    Mailbox().all()
    assert set(Mail.objects.values_list("template", flat=True)) == {"staff_enrolment", "verify_request"}
    assert not User.objects.get().links.filter(purpose=LinkPurpose.VERIFY).exists()


def test_a_stranger_s_sign_up_does_not_stand_in_the_way_of_an_invitation(api: Api) -> None:
    assert api.register(display_name="Mallory").status_code == 202
    token = api.mailbox.token()
    user = invite().user
    assert (user.role, user.status, user.password, user.display_name) == (Role.ADMIN, Status.INACTIVE, "", "")
    problem("token_invalid", 400, api.post("/auth/verify-email", {"token": token}))


def test_an_account_in_use_is_not_taken_over_by_an_invitation(api: Api) -> None:
    UserFactory(email=EMAIL)
    with pytest.raises(Problem) as refused:
        invite()
    assert refused.value.code == "conflict"


def test_an_app_is_asked_for_on_a_known_device_too(settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"OTP_POLICY": "new_device"}
    user = UserFactory(app=True)
    assert may_enter(user=user, door=Door.API, trusted=None, known=True) == Entry.APP


def test_disabling_ends_trust_and_half_done_sign_ins(api: Api) -> None:
    user, boss = UserFactory(email=EMAIL), UserFactory(role=Role.SUPER_ADMIN)
    token = api.sign_in(trust_device=True)["trust_token"]
    challenge = api.challenge()
    lifecycle.disable(target=user, by=boss, reason="stolen", client=CLIENT)
    lifecycle.enable(target=user, by=boss, reason="found", client=CLIENT)
    assert api.login(trust_token=token).json()["status"] == "otp_required"
    problem("challenge_expired", 410, api.answer(challenge, "000000"))
    assert Challenge.objects.filter(pk=challenge, expires_at__lte=timezone.now()).exists()


def test_c20_signing_out_everywhere_ends_trust(api: Api) -> None:
    UserFactory(email=EMAIL)
    body = api.sign_in(trust_device=True)
    asked = {"include_current": True}
    assert api.post("/sessions/revoke-all", asked, authorization=f"Bearer {body['access_token']}").status_code == 200
    assert api.login(trust_token=body["trust_token"]).json()["status"] == "otp_required"


def test_signing_out_elsewhere_leaves_the_device_at_hand_trusted(api: Api) -> None:
    user = UserFactory(email=EMAIL)
    with transaction.atomic():
        kept = devices.remember(user=user, client=CLIENT, token=None, transport=Transport.COOKIE, now=timezone.now())
        other = devices.remember(user=user, client=CLIENT, token=None, transport=Transport.COOKIE, now=timezone.now())
        for one in (kept, other):
            devices.trust(device=one.device, client=CLIENT, now=timezone.now())
        current = sessions.open(
            user=user, client=CLIENT, door=Door.PAGE, transport=Transport.COOKIE, factors=[], device=kept.device
        )
    sessions.end_others(current=Session.objects.select_related("user").get(pk=current.pk), client=CLIENT)
    assert [device.pk for device in Device.objects.trusted(timezone.now())] == [kept.device.pk]


def test_too_many_passwords_to_confirm_who_it_is_are_recorded_and_told(api: Api) -> None:
    UserFactory(email=EMAIL)
    bearer = {"authorization": f"Bearer {api.sign_in()['access_token']}"}
    since = mark()
    for _try in range(limits.LIMITS["reauth_account"].scaled):
        problem("invalid_credentials", 401, api.post("/auth/reauthenticate", {"password": "wrong"}, **bearer))
    for _try in range(2):
        problem("rate_limited", 429, api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer))
    assert trail(since)[-2:] == [("authn_reauthentication", "rate_limited")] * 2
    assert Mail.objects.filter(template="locked").count() == 1


def test_more_codes_than_an_account_is_sent_in_an_hour_are_recorded(api: Api) -> None:
    UserFactory(email=EMAIL)
    for _send in range(limits.LIMITS["code_send_account"].scaled):
        assert api.login().status_code == 200
    since = mark()
    problem("rate_limited", 429, api.login())
    assert trail(since) == [("authn_code_sent", "rate_limited")]


def test_a_page_confirms_who_it_is_and_carries_no_token(api: Api) -> None:
    user = UserFactory(email=EMAIL)
    with transaction.atomic():
        session = sessions.open(
            user=user, client=CLIENT, door=Door.PAGE, transport=Transport.COOKIE, factors=["password"]
        )
    store = api.browser.session
    store["sid"] = str(session.pk)
    store.save()
    answer = api.post("/auth/reauthenticate", {"password": PASSWORD})
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    assert api.browser.session.session_key != store.session_key


@pytest.mark.parametrize("path", ["/schema", "/docs"])
def test_the_description_answers_no_other_method(api: Api, path: str) -> None:
    problem("method_not_allowed", 405, api.send("OPTIONS", path))
    problem("method_not_allowed", 405, api.post(path, {}))


def test_a_foreign_origin_is_told_before_the_body_is_read(api: Api) -> None:
    foreign = {"origin": "http://evil.test", "x_auth_transport": "cookie"}
    for path in ("/auth/refresh", "/auth/logout", "/auth/login", "/auth/otp/verify"):
        problem("origin_not_allowed", 403, api.post(path, b"{", **foreign))


def test_a_right_password_at_the_wrong_door_counts_like_a_wrong_one(api: Api) -> None:
    UserFactory(email=EMAIL)
    arrival = Arrival(Door.STAFF, Transport.COOKIE, CLIENT)
    for _try in range(limits.LIMITS["login_address_ip"].scaled):
        with pytest.raises(Problem) as refused:
            sign_in.begin(email=EMAIL, password=PASSWORD, arrival=arrival)
        assert refused.value.code == "invalid_credentials"
    with pytest.raises(limits.LimitReached):
        sign_in.begin(email=EMAIL, password=PASSWORD, arrival=arrival)
