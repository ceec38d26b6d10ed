from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.models import RecoveryCode, TotpDevice, User
from gatehouse.ids import uuid7
from sessions_app.models import Device, Session
from tests.accounts.pages.person import EMAIL, Person, text_of


def test_security_page_marks_the_session_at_hand(at_home: Person):
    elsewhere = Person()
    with time_machine.travel(timezone.now() + timedelta(minutes=2), tick=False):
        elsewhere.sign_in()
    page = text_of(at_home.get("security"))
    assert page.count("This device") == 1
    assert "2 sessions" in page
    assert EMAIL in page
    assert "Everything looks fine" in page


def test_ended_sessions_are_shown_with_their_reason(at_home: Person):
    at_home.post("logout")
    at_home.sign_in()
    page = text_of(at_home.get("security"))
    assert "Recently ended sessions" in page
    assert "Signed out" in page


def test_few_recovery_codes_are_a_thing_to_do(at_home: Person):
    user, now = User.objects.get(), timezone.now()
    TotpDevice.objects.create(user=user, name="Phone", confirmed=True, secret="x", created_at=now, confirmed_at=now)
    for number in range(2):
        RecoveryCode.objects.create(user=user, code_hash=f"{number}{uuid7()}", created_at=now)
    page = text_of(at_home.get("security"))
    assert "1 thing to do" in page
    assert "Make new recovery codes: 2 are left" in page
    assert "Phone" in page


@pytest.mark.parametrize("path", ["security", "devices", "sessions", "logout"])
def test_account_pages_are_for_their_owner(person: Person, path: str):
    response = person.get(path)
    assert response.status_code in {302, 303}
    assert response["Location"].startswith("/account/login?next=")


@pytest.mark.parametrize("path", ["security", "devices", "login", "signup", "check-email", "verify/confirm"])
def test_g16_account_pages_are_kept_by_no_cache(at_home: Person, path: str):
    assert at_home.get(path)["Cache-Control"] == "no-store"


def test_forgetting_devices_signs_nobody_out(member: Person):
    member.give_password()
    member.post("otp", {"code": member.code(), "trust_device": "on"})
    assert "Firefox 142 on Windows" in text_of(member.get("devices"))
    assert "1 device signs in without a code." in text_of(member.get("security"))
    assert member.post("devices/forget").status_code == 303
    assert not Device.objects.exists()
    assert Session.objects.live(timezone.now()).count() == 1
    assert "No device is known." in text_of(member.get("devices"))


def test_g10_g11_hostile_device_name_stays_text(member: Person):
    member.browser.defaults["HTTP_USER_AGENT"] = "<script>alert(1)</script>"
    member.sign_in()
    Session.objects.update(device_name="<script>alert(1)</script>")
    for path in ("security", "sessions"):
        assert "<script>alert" not in text_of(member.get(path))
