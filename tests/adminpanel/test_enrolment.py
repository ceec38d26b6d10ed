"""From ``manage.py createadmin`` to the first page of the staff area."""

import re
import time
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client as Browser
from django.utils import timezone
from django_otp.oath import TOTP

from accounts.models import RecoveryCode, Status, TotpDevice, User
from accounts.services import factors
from tests.adminpanel.staff import rows_of, text_of
from tests.factories import PASSWORD, code_of

EMAIL = "boss@example.com"
_URL = re.compile(r"^http://testserver(/account/enrol/[\w-]{43})$", re.MULTILINE)


class Newcomer:
    """Somebody who was given an enrolment address."""

    def __init__(self, *options: str) -> None:
        out = StringIO()
        call_command("createadmin", EMAIL, *options, stdout=out)
        found = _URL.search(out.getvalue())
        assert found, out.getvalue()
        self.path = found[1]
        self.browser = Browser()

    def open(self) -> Any:
        return self.browser.get(self.path)

    def get(self, page: str) -> Any:
        return self.browser.get(f"/account/enrol/{page}")

    def post(self, page: str, **data: str) -> Any:
        return self.browser.post(f"/account/enrol/{page}", data)

    def set_password(self, password: str = PASSWORD) -> Any:
        self.open()
        return self.post("password", password=password)

    def app_code(self, steps: int = 0) -> str:
        device = TotpDevice.objects.get(user__email=EMAIL, confirmed=False)
        reader = TOTP(device.key, step=factors.STEP, digits=factors.DIGITS)
        reader.time = time.time() + steps * factors.STEP
        return f"{reader.token():06d}"

    def enrol(self) -> Any:
        self.set_password()
        return self.post("app", code=self.app_code())


@pytest.fixture
def newcomer(db: None) -> Newcomer:
    return Newcomer()


@pytest.mark.flow
def test_createadmin_leads_to_the_staff_area(newcomer: Newcomer):
    opened = newcomer.open()
    assert (opened.status_code, opened["Location"]) == (302, "/account/enrol/password")
    assert opened["Referrer-Policy"] == "no-referrer"

    page = newcomer.get("password")
    assert page["Cache-Control"] == "no-store"
    assert EMAIL in text_of(page)
    assert "12 characters" in text_of(page)
    done = newcomer.post("password", password=PASSWORD)
    assert (done.status_code, done["Location"]) == (303, "/account/enrol/app")

    secret = factors.setup_of(TotpDevice.objects.get()).secret
    page = newcomer.get("app")
    assert " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)) in text_of(page)
    assert f"secret={secret}" in page.content.decode()
    assert secret not in "".join(re.findall(r'alt="[^"]*"', page.content.decode()))
    done = newcomer.post("app", code=newcomer.app_code())
    assert (done.status_code, done["Location"]) == (303, "/account/enrol/codes")

    user = User.objects.get()
    assert (user.status, user.is_staff, user.role) == (Status.ACTIVE, True, "super_admin")
    page = newcomer.get("codes")
    codes = re.findall(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>", page.content.decode())
    assert len(codes) == RecoveryCode.objects.count() == 10
    file = newcomer.post("codes/download")
    assert file["Content-Disposition"] == 'attachment; filename="gatehouse-recovery-codes.txt"'
    assert all(code in file.content.decode() for code in [*codes, EMAIL])

    assert newcomer.post("codes").status_code == 422
    done = newcomer.post("codes", saved="on")
    assert (done.status_code, done["Location"]) == (303, "/admin/login/")
    assert newcomer.get("codes")["Location"] == "/admin/login/"

    newcomer.browser.post("/admin/login/", {"email": EMAIL, "password": PASSWORD})
    done = newcomer.browser.post("/admin/login/code/", {"code": code_of(user, 1)})
    assert (done.status_code, done["Location"]) == (303, "/admin/")
    assert newcomer.browser.get("/admin/").status_code == 200
    assert rows_of("user_created")[0]["actor_type"] == "command"
    assert rows_of("user_enrolled")[-1]["success"] is True


def test_the_session_table_holds_neither_token_nor_codes(newcomer: Newcomer):
    newcomer.enrol()
    code = re.findall(r"<code>([a-z2-9-]{14})</code>", newcomer.get("codes").content.decode())[0]
    held = str(dict(newcomer.browser.session))
    assert code not in held
    assert newcomer.path.rpartition("/")[2] not in held


def test_d19_a_link_works_once(newcomer: Newcomer):
    newcomer.enrol()
    later = Browser()
    later.get(newcomer.path)
    page = later.get("/account/enrol/password")
    assert page.status_code == 400
    assert "The link was used already" in text_of(page)
    assert later.post("/account/enrol/password", {"password": "another long password 9"}).status_code == 400
    assert User.objects.get().check_password(PASSWORD)


def test_a_link_expires(newcomer: Newcomer):
    newcomer.open()
    with time_machine.travel(timezone.now() + timedelta(hours=73)):
        newcomer.browser = Browser()
        newcomer.open()
        assert "The link is too old" in text_of(newcomer.get("password"))


def test_a_new_link_closes_the_earlier_one(newcomer: Newcomer):
    newer = Newcomer()
    assert newer.path != newcomer.path
    newcomer.open()
    assert newcomer.get("password").status_code == 400
    newer.open()
    assert newer.get("password").status_code == 200


@pytest.mark.django_db
def test_pages_without_a_link_say_so():
    for page in ("password", "app"):
        assert Browser().get(f"/account/enrol/{page}").status_code == 400
    assert Browser().get("/account/enrol/codes")["Location"] == "/admin/login/"
    assert Browser().get("/account/enrol/app/qr.svg").status_code == 400
    assert Browser().get("/account/enrol/" + "x" * 43).status_code == 302


@pytest.mark.parametrize("password", ["", "short", "boss@example.com", "password1234"])
def test_a_weak_password_is_refused_at_its_field(newcomer: Newcomer, password: str):
    answer = newcomer.set_password(password)
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"password"}
    assert not TotpDevice.objects.exists()


def test_the_app_step_waits_for_the_password(newcomer: Newcomer):
    newcomer.open()
    assert newcomer.get("app")["Location"] == "/account/enrol/password"
    assert newcomer.post("app", code="123456")["Location"] == "/account/enrol/password"


def test_a_wrong_code_leaves_key_and_link_as_they_are(newcomer: Newcomer):
    newcomer.set_password()
    before = factors.setup_of(TotpDevice.objects.get()).secret
    wrong = f"{(int(newcomer.app_code()) + 1) % 1_000_000:06d}"
    answer = newcomer.post("app", code=wrong)
    assert answer.status_code == 422
    assert "Check that the time on your phone" in text_of(answer)
    assert factors.setup_of(TotpDevice.objects.get()).secret == before
    assert User.objects.get().status == Status.INACTIVE
    assert rows_of("user_enrolled")[0]["failure_reason"] == "code_wrong"
    assert newcomer.post("app", code=newcomer.app_code()).status_code == 303


def test_a_key_that_waited_too_long_is_replaced(newcomer: Newcomer):
    newcomer.set_password()
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert newcomer.post("app", code="123456")["Location"] == "/account/enrol/password"
        assert newcomer.post("password", password=PASSWORD).status_code == 303
        assert newcomer.post("app", code=newcomer.app_code()).status_code == 303


def test_the_picture_is_an_svg_of_this_origin_in_no_cache(newcomer: Newcomer):
    newcomer.set_password()
    picture = newcomer.get("app/qr.svg")
    assert picture["Content-Type"] == "image/svg+xml"
    assert picture["Cache-Control"] == "no-store"
    assert picture.content.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')


def test_recovery_codes_are_forgotten_after_half_an_hour(newcomer: Newcomer):
    newcomer.enrol()
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert newcomer.get("codes")["Location"] == "/admin/login/"


def test_the_role_can_be_chosen(db: None):
    Newcomer("--role", "moderator").enrol()
    assert User.objects.get().role == "moderator"


def test_staff_enrol_here_also_where_a_front_end_shows_other_links(db: None, settings: Any):
    settings.GATEHOUSE = {**settings.GATEHOUSE, "FRONTEND_URL": "https://app.example.com"}
    assert Newcomer().open().status_code == 302
