"""What is left of an account once it is erased: its id, and nothing that names anybody."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.core import mail
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts import checks, lockout, outbox
from accounts.models import Consent, Link, Mail, MailState, RecoveryCode, Status, TotpDevice, User
from accounts.roles import Role
from accounts.services import deletion, erasure, lifecycle, passwords
from accounts.signals import security_event, user_erased
from audit.models import Event
from gatehouse import limits
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.accounts.leaving import GRACE, erase_due, everything, fresh, holding, leaving
from tests.accounts.pages.person import Person
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer, mark, problem, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

NAME, IP, ELSEWHERE = "Jane Margaret Roe", "203.0.113.77", "198.51.100.23"
TYPED = "Jane@Example.com"
WORDS = "she shouted at our staff"
AGENT = "Mozilla/5.0 (X11; Janeware) Gecko/20100101 Firefox/141.0"
PERSONAL = (EMAIL, NAME, IP, ELSEWHERE, "Jane's telephone", "Janeware", WORDS)
CLIENT = Client.local("test")


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        (("audit.privacy.erase",), []),
        (("nowhere.at_all", "audit.privacy.erase", "audit.privacy.no_such"), ["accounts.E013"] * 2),
        (("audit.privacy.__name__",), ["accounts.E013"]),
    ],
)
def test_an_eraser_that_cannot_be_is_named_at_the_start(given: Any, codes: list[str], settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"ERASERS": given}
    assert [one.id for one in checks.check_settings(app_configs=None)] == codes


@pytest.fixture
def user() -> User:
    return UserFactory(email=EMAIL, display_name=NAME)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def boss() -> User:
    return UserFactory(role=Role.SUPER_ADMIN)


@pytest.fixture
def lived(user: User) -> Api:
    """The account, after its owner used it in every way there is, from two places."""
    User.objects.filter(pk=user.pk).update(email=TYPED)
    Consent.objects.create(user=user, version="1", granted=True, at=timezone.now(), ip=IP)
    api = Api(user_agent=AGENT)
    body = _sign_in(api)
    api.send("PATCH", f"/me/devices/{Device.objects.get().pk}", {"name": "Jane's telephone"}, **bearer(body), ip=IP)
    api.post("/auth/password/forgot", {"email": EMAIL}, ip=ELSEWHERE)
    api.post("/auth/verify-email/resend", {"email": EMAIL.upper()}, ip=ELSEWHERE)
    api.login(EMAIL, "not the password at all", ip=ELSEWHERE)
    api.challenge(EMAIL, ip=ELSEWHERE)  # half done
    TotpDevice.objects.create(user=user, name="Jane's telephone", secret="x", created_at=timezone.now())
    RecoveryCode.objects.create(user=user, code_hash="c" * 64, created_at=timezone.now())
    User.objects.filter(pk=user.pk).update(disabled_reason=WORDS)
    return api


def _sign_in(api: Api) -> dict[str, Any]:
    challenge = api.challenge(EMAIL, ip=IP)
    answer = api.answer(challenge, api.mailbox.code(TYPED), trust_device=True)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    Session.objects.update(ip=IP)
    return body


def ask(user: User) -> None:
    session = Session.objects.live(timezone.now()).for_user(user)[0]
    deletion.request_deletion(user=user, session=session, client=Client(ip=IP, user_agent=AGENT))


def test_j11_nothing_in_any_table_names_the_person_any_more(lived: Api, user: User) -> None:
    ask(user)
    before = holding(*PERSONAL)
    assert set(before) == set(PERSONAL), "the test looks for what was there"
    assert {"accounts_user", "accounts_mail", "accounts_link", "accounts_challenge"} <= set(before[EMAIL])
    assert {"accounts_consent", "sessions_app_session", "accounts_challenge"} <= set(before[IP])
    assert "axes_accessattempt" in before[ELSEWHERE]
    assert erase_due() == 1
    assert holding(*PERSONAL) == {EMAIL: ["accounts_mail"]}
    last = Mail.objects.get(to__iexact=EMAIL)
    assert (last.template, last.user, last.context["ip"]) == ("account_erased", None, None)
    outbox.send_due(now=timezone.now() + timedelta(days=15))
    assert holding(*PERSONAL) == {}
    assert mail.outbox[-1].to == [TYPED]
    assert mail.outbox[-1].subject == "Your Gatehouse account was erased"
    sid = str(user.pk)
    assert sid.replace("-", "") in everything()["audit_event"].replace("-", ""), "the trail stays"
    own = Event.objects.filter(user_id=sid, actor_id=sid)
    assert own and {(event.email, event.ip_address, event.user_agent) for event in own} == {(None, None, "")}
    typed = Event.objects.filter(action="authn_login_fail")
    assert typed and {event.email for event in typed} == {None}, "nor what was typed where nobody was signed in"


def test_no_row_hangs_on_the_account_any_more(lived: Api, user: User) -> None:
    ask(user)
    erase_due()
    pointing = [
        (field.related_model, field.field.name)
        for field in User._meta.get_fields()
        if field.is_relation and field.auto_created and not field.concrete
    ]
    assert len(pointing) >= 8
    assert not [model for model, name in pointing if model._default_manager.filter(**{name: user.pk}).exists()]


def test_what_is_left_of_the_row(lived: Api, user: User) -> None:
    ask(user)
    due = fresh(user).erase_at
    erase_due()
    left = fresh(user)
    assert left.email.startswith("erased-") and left.email.endswith("@erased.invalid")
    assert left.email_key == left.email and str(user.pk) not in left.email
    assert (left.status, left.is_active, left.display_name, left.erase_at) == (Status.DELETED, False, "", None)
    assert not left.has_usable_password() and PASSWORD not in left.password
    assert (left.disabled_reason, left.deleted_reason, left.disabled_by, left.terms_version) == ("", "", "", "")
    assert {left.email_verified_at, left.last_login, left.terms_given_at, left.disabled_at} == {None}
    assert left.erased_at is not None and due is not None and left.erased_at > due
    assert (left.deleted_at, left.deleted_by, left.created_at) == (left.erased_at, str(user.pk), user.created_at)


def test_every_step_is_recorded_and_the_event_names_nobody(lived: Api, user: User) -> None:
    ask(user)
    since = mark()
    erase_due(GRACE - timedelta(days=13))
    assert trail(since) == []
    erase_due()
    actions = [action for (action,) in trail(since)]
    assert sorted(set(actions)) == ["authn_device_removed", "session_expired", "user_erased"]
    row = Event.objects.get(action="user_erased")
    assert (row.event_type, row.user_id, row.email, row.actor_type) == (
        "USER_MANAGEMENT", str(user.pk), None, "system",
    )  # fmt: skip
    assert row.details == {"asked_by": "owner", "sessions_ended": 0}
    assert EMAIL not in json.dumps(row.details)


def test_sessions_that_live_end_for_being_deleted(user: User) -> None:
    leaving()
    with time_machine.travel(timezone.now() + GRACE, tick=False):
        body = Api().sign_in()
    since = mark()
    assert erase_due() == 1
    assert trail(since) == [("session_expired",), ("session_revoked",), ("authn_device_removed",), ("user_erased",)]
    assert Event.objects.get(action="session_revoked").erased == ("personal",), "what happened stays, its details go"
    assert Event.objects.get(action="user_erased").details["sessions_ended"] == 1
    later = timezone.now() + GRACE + timedelta(seconds=2)
    with time_machine.travel(later, tick=False):
        problem("access_invalid", 401, Api().get("/auth/session", **bearer(body)))
        problem("refresh_invalid", 401, Api().post("/auth/refresh", {"refresh_token": body["refresh_token"]}))


def test_a_browser_s_row_goes_with_the_session_that_it_speaks_for(user: User) -> None:
    person, other = Person(EMAIL), Person("other@example.com")
    UserFactory(email="other@example.com")
    person.sign_in()
    other.sign_in()
    Session.objects.update(absolute_expires_at=timezone.now() + timedelta(days=30))  # of the same second
    ends = Session.objects.values_list("absolute_expires_at", flat=True)[0]
    BrowserSession.objects.update(expire_date=ends)
    assert BrowserSession.objects.count() == 2
    ask(user)
    erase_due()
    (left,) = BrowserSession.objects.all()
    assert left.get_decoded()["sid"] == str(Session.objects.get().pk)
    assert person.get("security").status_code == 302 or person.get("security").status_code == 303
    assert other.get("security").status_code == 200


def test_the_address_is_free_at_once_and_the_new_account_has_nothing_of_the_old(user: User) -> None:
    leaving()
    with time_machine.travel(timezone.now() + GRACE, tick=False):
        old = Api().sign_in()
    erase_due()
    api = Api()
    api.register()
    assert api.verify().status_code == 200
    assert api.sign_in()["user"]["id"] != str(user.pk)
    assert User.objects.get(email_key=EMAIL).pk != user.pk
    problem("access_invalid", 401, api.get("/auth/session", **bearer(old)))  # F25


def test_f25_tokens_of_every_kind_answer_as_for_an_unknown_account(user: User, mailbox: Mailbox) -> None:
    api, body = leaving()
    undo = mailbox.token()
    api.post("/auth/password/forgot", {"email": EMAIL})
    reset = mailbox.token()
    challenge = api.challenge()
    code = mailbox.code()
    erase_due()
    new = {"new_password": "a long and quiet river"}
    problem("token_invalid", 400, api.post("/auth/deletion/undo", {"token": undo}))
    problem("token_invalid", 400, api.post("/auth/password/reset", {"token": reset} | new))
    problem("challenge_expired", 410, api.answer(challenge, code))
    problem("access_invalid", 401, api.get("/auth/session", **bearer(body)))
    problem("refresh_invalid", 401, api.post("/auth/refresh", {"refresh_token": body["refresh_token"]}))
    known, unknown = api.login(), api.login("nobody@example.com")
    assert problem("invalid_credentials", 401, known) == problem("invalid_credentials", 401, unknown)
    mails = len(mailbox.all(EMAIL))
    api.post("/auth/password/forgot", {"email": EMAIL})
    assert mailbox.subjects(EMAIL)[mails:] == ["No account at Gatehouse with this address"]


def test_the_address_that_stands_in_opens_nothing_and_is_never_mailed(user: User, mailbox: Mailbox) -> None:
    leaving()
    erase_due()
    nowhere = fresh(user).email
    api = Api()
    problem("invalid_credentials", 401, api.login(nowhere))
    for path in ("/auth/password/forgot", "/auth/verify-email/resend"):
        assert api.post(path, {"email": nowhere}).status_code == 202
    assert api.register(nowhere).status_code == 202
    assert mailbox.all(nowhere) == []
    assert fresh(user).status == Status.DELETED


def test_what_was_counted_is_forgotten(user: User) -> None:
    leaving()
    for _try in range(20):
        Api().login(password="not the password at all", ip=ELSEWHERE)
    assert lockout.failed_sign_ins(email_key=EMAIL)
    erase_due()
    for limit in limits.LIMITS.values():
        if limit.key in {"address", "account"} and limit.store == "database":
            value = EMAIL if limit.key == "address" else str(user.pk)
            assert limits.peek(limit.name, value) is None, limit.name
    assert not lockout.failed_sign_ins(email_key=EMAIL)


def test_a_deletion_by_staff_is_erased_after_the_same_time(user: User, boss: User) -> None:
    lifecycle.delete(target=user, by=boss, reason=WORDS, client=CLIENT)
    gone = fresh(user)
    assert gone.deleted_reason == WORDS and gone.deleted_at is not None and gone.erase_at is not None
    assert abs(gone.erase_at - gone.deleted_at - GRACE) < timedelta(seconds=1)
    assert f"After {gone.erase_at:%-d %B %Y, %H:%M} UTC we erase" in Mailbox().newest()
    with time_machine.travel(gone.erase_at - timedelta(seconds=1), tick=False):
        assert list(erasure.due(timezone.now())) == []
    assert erase_due() == 1
    left = fresh(user)
    assert (left.deleted_at, left.deleted_by, left.deleted_reason) == (gone.deleted_at, str(boss.pk), "")
    assert Event.objects.get(action="user_erased").details["asked_by"] == "staff"


def test_nobody_is_mailed_at_an_address_that_was_never_proved(boss: User) -> None:
    Api().register()
    lifecycle.delete(target=User.objects.get(email=EMAIL), by=boss, reason=WORDS, client=CLIENT)
    Mail.objects.all().delete()
    assert erase_due() == 1
    assert not Mail.objects.exists()


def test_the_grace_is_a_setting(user: User, settings: Any) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "ERASURE_GRACE": timedelta(days=2)}
    leaving()
    assert "/account/delete/undo/" in Mailbox().newest()
    assert erase_due(timedelta(days=2) - timedelta(minutes=1)) == 0
    assert erase_due(timedelta(days=2)) == 1


def test_j08_a_failure_in_the_middle_leaves_the_account_whole(lived: Api, user: User) -> None:
    ask(user)
    before = everything(but={"audit_event"})

    def fail(**_: object) -> None:
        raise RuntimeError("the trail is away")

    security_event.connect(fail, dispatch_uid="fails")
    try:
        with pytest.raises(RuntimeError):
            erase_due()
    finally:
        security_event.disconnect(dispatch_uid="fails")
    assert everything(but={"audit_event"}) == before
    assert erase_due() == 1


def test_erasing_goes_on_where_it_stopped_and_one_that_stays_does_not_hold_up_the_others(boss: User) -> None:
    people = [UserFactory() for _number in range(5)]
    for person in (boss, *people):
        User.objects.filter(pk=person.pk).update(erase_at=timezone.now() - timedelta(hours=1))
    steps = erasure.erase_due(before=timezone.now(), number=2, actor=Actor.command())
    done = [next(steps), next(steps)]
    steps.close()
    rest = list(erasure.erase_due(before=timezone.now(), number=2, actor=Actor.command()))
    assert sum(done) + sum(rest) == 5
    assert list(erasure.due(timezone.now())) == [boss]  # the last super admin stays
    assert fresh(boss).status == Status.ACTIVE
    UserFactory(role=Role.SUPER_ADMIN)
    assert erase_due() == 1


def test_i04_of_two_super_admins_one_stays(boss: User, db: None) -> None:
    other = UserFactory(role=Role.SUPER_ADMIN)

    def want(person: User) -> None:
        session = _open(person)
        deletion.request_deletion(user=person, session=session, client=CLIENT)

    want(boss)
    with pytest.raises(Problem, match="conflict"):
        want(other)
    for act in (lifecycle.disable, lifecycle.delete):
        with pytest.raises(Problem, match="conflict"):  # boss is as good as gone
            act(target=other, by=boss, reason="because", client=CLIENT)
    assert erase_due() == 1
    assert User.objects.get(role=Role.SUPER_ADMIN, status=Status.ACTIVE).pk == other.pk


def _open(person: User) -> Session:
    now = timezone.now()
    ends = now + timedelta(hours=1)
    return Session.objects.create(
        user=person, door="page", transport="cookie", device_name="x", device_kind="x", created_at=now,
        authenticated_at=now, last_used_at=now, idle_expires_at=ends, absolute_expires_at=ends,
    )  # fmt: skip


def test_the_last_mail_s_row_goes_when_it_is_given_up_too(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    leaving()
    Mailbox().all()
    erase_due()

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no server")

    monkeypatch.setattr(outbox, "get_connection", refuse)
    for day in range(16, 40):
        outbox.send_due(now=timezone.now() + timedelta(days=day))
    assert not Mail.objects.exists()
    assert trail()[-1] == ("sys_mail_failed", "mail_failed")
    assert holding(EMAIL) == {}


def test_a_mail_that_a_request_queued_beside_the_erasure_never_leaves(user: User, mailbox: Mailbox) -> None:
    leaving()
    erase_due()
    now = timezone.now()
    Mail.objects.create(
        template="locked", to=EMAIL, user=user, next_try_at=now, created_at=now, context={"at": now.isoformat()}
    )
    assert "locked" not in str(mailbox.subjects(EMAIL)[-1])
    assert not Mail.objects.filter(state=MailState.SENT, template="locked").exists()
    assert not Mail.objects.filter(to=EMAIL, template="locked").exists()


def test_no_link_is_made_for_an_address_that_went_meanwhile(user: User) -> None:
    stale = fresh(user)
    leaving()
    erase_due()
    from_worker = Mail.objects.filter(template="reset_request")
    Api().post("/auth/password/forgot", {"email": EMAIL})
    assert from_worker.exists()
    with pytest.raises(Problem, match="conflict"):
        _queue_reset(stale)
    assert not Link.objects.filter(user=user).exists()


def _queue_reset(user: User) -> None:
    with transaction.atomic():
        passwords.queue_reset(user=user, client=CLIENT)


def test_a_host_hears_of_it_after_the_commit(user: User, django_capture_on_commit_callbacks: Any) -> None:
    heard: list[Any] = []

    def hear(*, user: User, **_: object) -> None:
        heard.append(user.pk)

    user_erased.connect(hear, dispatch_uid="hears")
    try:
        leaving()
        with django_capture_on_commit_callbacks(execute=True):
            erase_due()
    finally:
        user_erased.disconnect(dispatch_uid="hears")
    assert heard == [user.pk]


def test_the_clean_up_erases_what_is_due(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    leaving()
    with time_machine.travel(timezone.now() + GRACE - timedelta(minutes=1), tick=False):
        call_command("cleanup", "--only", "erasures", "--dry-run")
        assert fresh(user).status == Status.ACTIVE
    with time_machine.travel(timezone.now() + GRACE + timedelta(minutes=1), tick=False):
        call_command("cleanup", "--only", "erasures", "--dry-run")
        call_command("cleanup", "--only", "erasures")
        call_command("cleanup", "--only", "erasures")
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in said] == [
        "erasures: 0 would be erased",
        "erasures: 1 would be erased",
        "erasures: 1 erased",
        "erasures: 0 erased",
    ]
    assert fresh(user).erased_at is not None
    assert trail()[-2:] == [("user_erased",), ("sys_cleanup",)]
