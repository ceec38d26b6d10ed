"""An erasure beside all that may happen to the account at the same moment: each is whole, and nothing is mixed up."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts import outbox
from accounts.models import Challenge, Link, LinkPurpose, Mail, Status, User
from accounts.services import deletion, erasure, lifecycle, registration
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.accounts.leaving import holding
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer

HERE = Client(ip="192.0.2.7", request_id="r")
LAST = "Your Gatehouse account was erased"


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


@pytest.fixture
def user(transactional_db: None) -> User:
    return UserFactory(email=EMAIL)


def run() -> int:
    """Erase, as the worker does, what is due."""
    return sum(erasure.erase_due(before=timezone.now() + timedelta(days=15), number=100, actor=Actor.system()))


def over() -> int:
    """Run again until nobody holds the account any more."""
    return sum(run() for _turn in range(3))


def outcome(act: Callable[[], Any]) -> Callable[[], Any]:
    def done() -> Any:
        try:
            return act()
        except Problem as problem:
            return problem.code

    return done


def set_due() -> None:
    User.objects.update(erase_at=timezone.now() + timedelta(seconds=60))


def clean(user: User) -> None:
    """Nothing of *user*, who was erased, is left anywhere, but for the last mail."""
    assert User.objects.get(pk=user.pk).status == Status.DELETED
    for model in (Session, Device, Challenge, Link):
        assert not model.objects.filter(user=user).exists(), model
    outbox.send_due(now=timezone.now() + timedelta(days=1), limit=100)
    assert holding(EMAIL) == {}


def test_many_runs_at_once_erase_each_account_once_and_mail_once(transactional_db: None, race: Any) -> None:
    people = [UserFactory() for _number in range(12)]
    set_due()
    said = race([run] * 4)
    assert not [one for one in said if isinstance(one, Exception)], said
    assert sum(said) + over() == 12
    assert User.objects.filter(erased_at__isnull=False).count() == 12
    assert Event.objects.filter(action="user_erased").count() == 12
    Mailbox().all()
    assert Counter(one.to[0] for one in mail.outbox) == {person.email: 1 for person in people}


@pytest.mark.parametrize("turn", range(4))
def test_an_account_is_kept_or_erased_never_both(user: User, race: Any, turn: int) -> None:
    body = Api().sign_in()
    session = Session.objects.get(pk=body["session"]["id"])
    deletion.request_deletion(user=user, session=session, client=HERE)
    token = Mailbox().token()
    set_due()
    calls = [
        run,
        outcome(lambda: deletion.undo_deletion(user=user, session=session, client=HERE)),
        outcome(lambda: deletion.undo_by_link(token=token, client=HERE) and True),
        run,
    ]
    said = race(calls[turn:] + calls[:turn])
    assert not [one for one in said if isinstance(one, Exception)], said
    undone = Event.objects.filter(action="user_deletion_undone", success=True).count()
    left = User.objects.get(pk=user.pk)
    if left.erased_at is None:
        assert (undone, left.erase_at, left.email) == (1, None, EMAIL)
        assert Mail.objects.filter(template="deletion_undone").count() == 1
        assert over() == 0
    else:
        assert undone == 0
        clean(user)


@pytest.mark.parametrize("turn", range(3))
def test_l19_no_session_and_no_mail_is_left_of_a_sign_in_beside_the_erasure(user: User, race: Any, turn: int) -> None:
    api = Api()
    challenge, other = api.challenge(), Api(user_agent="other/1").challenge()
    code = Mailbox().code()
    set_due()
    calls = [
        lambda: Api().answer(other, code),
        run,
        lambda: Api().login(),
        lambda: Api().post("/auth/otp/send", {"challenge_id": challenge}),
    ]
    said = race(calls[turn:] + calls[:turn])
    assert not [one for one in said if isinstance(one, Exception)], said
    assert {one.status_code for one in said if not isinstance(one, int)} <= {200, 202, 401, 403, 410, 429}
    over()
    clean(user)
    assert not Session.objects.exists()


def test_a_refresh_beside_the_erasure_is_whole(user: User, race: Any) -> None:
    bodies = [Api().sign_in() for _number in range(4)]
    set_due()
    calls = [lambda body=body: Api().post("/auth/refresh", {"refresh_token": body["refresh_token"]}) for body in bodies]
    said = race([*calls, run])
    assert not [one for one in said if isinstance(one, Exception)], said
    answers = [one for one in said if not isinstance(one, int)]
    assert {one.json().get("code", 200) for one in answers} <= {200, "session_revoked", "refresh_invalid"}
    over()
    clean(user)
    for body in bodies:
        assert Api().post("/auth/refresh", {"refresh_token": body["refresh_token"]}).json()["code"] == "refresh_invalid"
        assert Api().get("/auth/session", **bearer(body)).json()["code"] == "access_invalid"


@pytest.mark.parametrize("turn", range(4))
def test_a_sign_up_beside_the_erasure_is_answered_alike_and_gets_nothing_of_the_old(
    user: User, race: Any, turn: int
) -> None:
    """Either it came first, and its owner is told as ever, or it is a new account."""
    set_due()

    def sign_up() -> Any:
        registration.register(email=EMAIL, password="another long and quiet river", accept_terms=True, client=HERE)

    calls = [run, sign_up, sign_up, run]
    said = race(calls[turn:] + calls[:turn])
    assert not [one for one in said if isinstance(one, Exception)], said
    over()
    old = User.objects.get(pk=user.pk)
    assert old.erased_at is not None and not old.has_usable_password()
    registration.register(email=EMAIL, password="another long and quiet river", accept_terms=True, client=HERE)
    new = User.objects.get(email_key=EMAIL)
    assert new.pk != user.pk and new.status == Status.INACTIVE
    assert not Link.objects.filter(user=user).exists()
    api = Api()
    assert api.verify().status_code == 200
    assert api.login(password=PASSWORD).status_code == 401
    assert api.login(password="another long and quiet river").json()["status"] == "otp_required"


def test_a_deletion_by_staff_beside_the_erasure_is_whole(user: User, race: Any) -> None:
    boss = UserFactory(role="super_admin")
    User.objects.filter(pk=user.pk).update(erase_at=timezone.now())
    delete = outcome(lambda: lifecycle.delete(target=user, by=boss, reason="because", client=HERE) and "deleted")
    said = race([delete, run, delete])
    assert set(said) <= {"deleted", "conflict", 0, 1}, said
    over()
    left = User.objects.get(pk=user.pk)
    assert (left.status, left.deleted_reason) == (Status.DELETED, "")
    asked_by = Event.objects.get(action="user_erased").details["asked_by"]
    assert (asked_by == "staff") == ("deleted" in said)
    assert User.objects.get(pk=boss.pk).status == Status.ACTIVE


def test_asking_many_times_at_once_is_one_request_and_one_mail(user: User, race: Any) -> None:
    body = Api().sign_in()
    said = race([lambda: Api().post("/me/deletion", None, **bearer(body))] * 8)
    assert {one.status_code for one in said} == {202}
    assert len({one.json()["erases_at"] for one in said}) == 1
    assert Event.objects.filter(action="user_deletion_requested").count() == 1
    assert Mail.objects.filter(template="deletion_requested").count() == 1
    assert Link.objects.filter(purpose=LinkPurpose.UNDO_DELETION).count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_i04_of_super_admins_who_all_want_to_go_one_stays(transactional_db: None, race: Any, turn: int) -> None:
    people = [UserFactory(role="super_admin") for _number in range(4)]
    sessions = [_session(person) for person in people]

    def want(number: int) -> Callable[[], Any]:
        return outcome(
            lambda: deletion.request_deletion(user=people[number], session=sessions[number], client=HERE) and "asked"
        )

    disable = outcome(
        lambda: lifecycle.disable(target=people[turn], by=people[3], reason="because", client=HERE) and "disabled"
    )
    said = race([want(0), want(1), want(2), want(3), disable])
    assert not [one for one in said if isinstance(one, Exception)], said
    staying = User.objects.filter(role="super_admin", status=Status.ACTIVE, erase_at__isnull=True)
    assert staying.count() >= 1, said
    set_due_of_those_who_asked()
    over()
    assert User.objects.filter(role="super_admin", status=Status.ACTIVE).count() >= 1


def set_due_of_those_who_asked() -> None:
    User.objects.filter(erase_at__isnull=False).update(erase_at=timezone.now())


def _session(person: User) -> Session:
    now = timezone.now()
    ends = now + timedelta(hours=1)
    return Session.objects.create(
        user=person, door="page", transport="cookie", device_name="x", device_kind="x", created_at=now,
        authenticated_at=now, last_used_at=now, idle_expires_at=ends, absolute_expires_at=ends,
    )  # fmt: skip
