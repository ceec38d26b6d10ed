"""A canary in every column that can hold something of a person: none is left once the account is erased.

``audit_event`` is looked at like every table: what it holds of a person is ciphertext from the start. That its key goes
with the account is tested in tests/audit/test_privacy.py.
"""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import call_command
from django.utils import timezone

from accounts import lockout, outbox, suppression
from accounts.models import Challenge, Consent, ErasedAddress, Link, LinkPurpose, Mail, RecoveryCode, TotpDevice, User
from accounts.services import address_links, deletion
from gatehouse import limits
from gatehouse.client import Client
from sessions_app.models import Device, Session
from tests.accounts.leaving import bearer, erase_due, everything, holding
from tests.accounts.pages.person import Person
from tests.factories import Api, Mailbox, UserFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

OLDEST, OLD, NOW = "canary-oldest@example.com", "canary-old@example.org", "canary-now@example.net"
WANTED = "somebody-else@example.com"  # what the person asked for and never proved
NAME, LABEL, APP, WORDS = "Canary Kanarienvogel", "canary's telephone", "canary's app", "canary shouted at us"
AGENT = "Mozilla/5.0 (X11; Canaryware) Gecko/20100101 Firefox/141.0"
IPS = ("203.0.113.77", "198.51.100.23", "203.0.113.99", "198.51.100.55", "198.51.100.66")
SIGN_IN, TYPED, CONSENT, LINK, MAIL = IPS
CANARIES = (OLDEST, OLD, NOW, NAME, LABEL, APP, WORDS, "Canaryware", *IPS)
WRONG = "not the password at all"


@pytest.fixture
def user() -> User:
    return UserFactory(email=OLDEST, display_name=NAME, disabled_reason=WORDS)


@pytest.fixture
def lived(user: User) -> User:
    """The account, after it moved twice and left something in every table that there is."""
    api = Api(user_agent=AGENT)
    _leave_traces(api, OLDEST)
    _move(api, OLDEST, OLD)
    _leave_traces(api, OLD)
    _move(api, OLD, NOW)
    _leave_traces(api, NOW)
    body = api.answer(api.challenge(NOW, ip=SIGN_IN), api.mailbox.code(NOW), trust_device=True).json()
    device = body["session"]["device"]["id"] if "id" in body["session"]["device"] else Device.objects.all()[0].pk
    api.send("PATCH", f"/me/devices/{device}", {"name": LABEL}, **bearer(body))
    assert api.post("/me/email", {"new_email": WANTED}, **bearer(body)).status_code == 202
    api.mailbox.all()
    Session.objects.update(ip=SIGN_IN)
    Link.objects.filter(user=user).update(ip=LINK)
    person = Person(NOW)
    person.sign_in()
    Consent.objects.create(user=user, version="1", granted=True, at=timezone.now(), ip=CONSENT)
    user.grants.create(permission="x", reason=APP, created_at=timezone.now(), expires_at=timezone.now())
    TotpDevice.objects.create(user=user, name=APP, secret="x", created_at=timezone.now())
    RecoveryCode.objects.create(user=user, code_hash="c" * 64, created_at=timezone.now())
    for mail in Mail.objects.filter(user=user)[:3]:
        mail.context = {**mail.context, "ip": MAIL, "device": "Canaryware"}
        mail.save()
    return User.objects.get()


def _leave_traces(api: Api, email: str) -> None:
    """Leave what names the address without naming the account: requests, failures, counts; and a half-done sign-in."""
    for spelling in (email, email.upper()):
        api.post("/auth/password/forgot", {"email": spelling}, ip=TYPED)
        api.post("/auth/verify-email/resend", {"email": spelling}, ip=TYPED)
        api.login(spelling, WRONG, ip=TYPED)
    api.mailbox.all()
    api.challenge(email, ip=TYPED)


def _move(api: Api, before: str, after: str) -> None:
    body = api.sign_in(before, trust_device=True)
    assert api.post("/me/email", {"new_email": after}, **bearer(body)).status_code == 202
    assert api.post("/me/email/confirm", {"token": api.mailbox.token(after)}).status_code == 200


def leave(user: User) -> None:
    session = Session.objects.live(timezone.now()).for_user(user)[0]
    deletion.request_deletion(user=user, session=session, client=Client(ip=SIGN_IN, user_agent=AGENT))


def counted(*emails: str) -> dict[str, set[str]]:
    """Return by which limits each address is counted."""
    named = [limit.name for limit in limits.LIMITS.values() if limit.key == "address" and limit.store == "database"]
    found = {email: {name for name in named if limits.peek(name, email)} for email in emails}
    return {email: names for email, names in found.items() if names}


def test_no_canary_is_left_in_any_table(lived: User) -> None:
    leave(lived)
    before = holding(*CANARIES)
    assert set(before) == set(CANARIES), "the test looks for what was there"
    for email in (OLDEST, OLD):
        assert {"accounts_link", "accounts_mail", "accounts_challenge"} <= set(before[email])
        assert Mail.objects.filter(user__isnull=True, to__iexact=email).count() >= 4
        assert lockout.failed_sign_ins(email_key=email)
    assert set(counted(OLDEST, OLD, NOW)) == {OLDEST, OLD, NOW}
    assert Device.objects.exists() and BrowserSession.objects.exists() and Challenge.objects.exists()
    assert erase_due(timedelta(days=14)) == 1
    assert holding(*CANARIES) == {NOW: ["accounts_mail"]}, "the last mail alone"
    assert counted(OLDEST, OLD, NOW) == {}
    assert not any(lockout.failed_sign_ins(email_key=email) for email in (OLDEST, OLD, NOW))
    assert not BrowserSession.objects.exists()
    outbox.send_due(now=timezone.now() + timedelta(days=15))
    assert holding(*CANARIES) == {}
    assert str(lived.pk).replace("-", "") not in everything()["accounts_erasedaddress"]


def test_an_address_that_was_only_wanted_is_left_alone(lived: User) -> None:
    """It is somebody else's, who must not lose his counts and requests to a stranger's deletion."""
    Api().post("/auth/password/forgot", {"email": WANTED})
    Api().login(WANTED, WRONG)
    before = counted(WANTED)
    leave(lived)
    erase_due(timedelta(days=14))
    assert Mail.objects.filter(to=WANTED, template="reset_request").exists()
    assert counted(WANTED) == before != {}
    assert lockout.failed_sign_ins(email_key=WANTED) == 1
    assert suppression.among([WANTED]) == set()


def test_an_address_that_another_has_by_now_is_left_alone(lived: User) -> None:
    Link.objects.filter(purpose=LinkPurpose.ADDRESS_UNDO, email=OLD).update(expires_at=timezone.now())
    other = UserFactory(email=OLD)
    Api().login(OLD, WRONG)
    leave(lived)
    erase_due(timedelta(days=14))
    assert lockout.failed_sign_ins(email_key=OLD) >= 1 and counted(OLD)
    assert Mail.objects.filter(to__iexact=OLD, user__isnull=True).exists()
    assert suppression.among([OLDEST, OLD, NOW]) == {OLDEST, NOW}
    assert User.objects.get(email_key=OLD).pk == other.pk


def test_the_counts_of_its_devices_go_too(user: User) -> None:
    api = Api()
    body = api.sign_in(OLDEST, trust_device=True)
    api.login(OLDEST, WRONG, trust_token=body["trust_token"])
    hit = ("login_device", f"{OLDEST} {Device.objects.get().pk}")
    assert limits.peek(*hit) is not None
    leave(user)
    erase_due(timedelta(days=14))
    assert limits.peek(*hit) is None


# -- an import over the same file


def take_in(path: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    report, status = path.with_suffix(".refused"), 0
    try:
        call_command("accounts", "import", str(path), "--report", str(report), *options, stdout=io.StringIO())
    except SystemExit as ended:
        status = int(str(ended.code))
    return status, [json.loads(line) for line in report.read_text().splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [{"email": email, "email_verified": True} for email in (OLDEST.upper(), NOW, "stays@example.com")]
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_another_import_of_the_file_revives_nobody(lived: User, file: Path) -> None:
    leave(lived)
    erase_due(timedelta(days=14))
    for options in (["--dry-run"], []):
        status, refused = take_in(file, *options)
        assert (status, [(row["line"], row["field"], row["code"]) for row in refused]) == (
            1, [(1, "email", "erased"), (2, "email", "erased")],
        )  # fmt: skip
    assert set(User.objects.filter(erased_at__isnull=True).values_list("email_key", flat=True)) == {"stays@example.com"}
    assert take_in(file, "--allow-erased") == (0, [])
    assert User.objects.filter(email_key__in=(OLDEST, NOW)).count() == 2


def test_whoever_was_erased_may_sign_up_again(user: User, mailbox: Mailbox) -> None:
    Api().sign_in(OLDEST)
    leave(user)
    erase_due(timedelta(days=14))
    api = Api()
    api.register(OLDEST)
    assert api.verify(OLDEST).status_code == 200
    api.sign_in(OLDEST)
    leave(User.objects.get(email_key=OLDEST))
    assert erase_due(timedelta(days=14)) == 1, "and be erased again"
    assert ErasedAddress.objects.count() == 1


def test_an_address_that_was_never_proved_is_not_remembered(user: User) -> None:
    """A stranger's sign-up keeps no owner of the address from an import."""
    past = timezone.now() - timedelta(hours=1)
    User.objects.update(email_verified_at=None, erase_at=past)
    assert erase_due(timedelta()) == 1
    assert not ErasedAddress.objects.exists()


def test_the_digest_wants_the_key_and_outlives_its_change_while_the_old_one_is_in_the_ring(
    user: User, settings: Any
) -> None:
    User.objects.update(erase_at=timezone.now())
    erase_due(timedelta())
    kept = settings.GATEHOUSE
    settings.GATEHOUSE = kept | {"HASH_KEYS": ("another key of more than 32 characters", *kept["HASH_KEYS"])}
    assert suppression.among([OLDEST, OLD]) == {OLDEST}
    settings.GATEHOUSE = kept | {"HASH_KEYS": ("another key of more than 32 characters",)}
    assert suppression.among([OLDEST]) == set()


def test_the_digest_goes_at_its_age(user: User) -> None:
    User.objects.update(erase_at=timezone.now())
    erase_due(timedelta())
    for days, left in ((364, 1), (367, 0)):
        with time_machine.travel(timezone.now() + timedelta(days=days), tick=False):
            call_command("cleanup", "--only", "erased-addresses", stdout=io.StringIO())
        assert ErasedAddress.objects.count() == left


def test_undoing_a_change_before_makes_the_left_address_one_of_before(user: User, mailbox: Mailbox) -> None:
    _move(Api(), OLDEST, OLD)
    address_links.undo(token=mailbox.token(OLDEST), client=Client.local("test"))
    User.objects.update(erase_at=timezone.now())
    erase_due(timedelta())
    assert suppression.among([OLDEST, OLD]) == {OLDEST, OLD}


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()
