"""Passwords at the services: a link that resets one, used and refused."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import passwords as hashing
from accounts.events import PasswordChanged, PasswordReset
from accounts.models import Link, LinkPurpose, User
from accounts.services import passwords, resets
from accounts.signals import security_event
from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Door, Session, Transport
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, code_of

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Client.local("test")
NEW = "a long and quiet river"


def test_a_reset_link_lives_an_hour_and_closes_the_one_before() -> None:
    user = UserFactory(email=EMAIL)
    tokens = []
    for _turn in range(2):
        with transaction.atomic():
            passwords.queue_reset(user=user, client=HERE)
        tokens.append(Mailbox().token())
    first, second = Link.objects.filter(user=user, purpose=LinkPurpose.RESET).order_by("created_at")
    assert tokens[0] != tokens[1]
    assert (first.open_key, second.is_open(timezone.now())) == (None, True)
    assert second.expires_at - second.created_at == timedelta(hours=1)


@pytest.fixture
def failing() -> Iterator[None]:
    """A receiver that cannot record what becomes of a password."""

    def fail(event: SecurityEvent, **_more: Any) -> None:
        if event.success and isinstance(event, PasswordReset | PasswordChanged):
            raise OSError("the disk is full")

    security_event.connect(fail)
    yield
    security_event.disconnect(fail)


def signed_in(user: Any) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=Door.PAGE, transport=Transport.COOKIE, factors=["password"])


def token_for(user: Any) -> str:
    with transaction.atomic():
        passwords.queue_reset(user=user, client=HERE)
    return Mailbox().token()


def test_j08_no_password_is_reset_without_its_record(failing: None) -> None:
    user = UserFactory(email=EMAIL)
    session, token = signed_in(user), token_for(user)
    with pytest.raises(OSError, match="disk"):
        resets.reset_password(token=token, new_password=NEW, client=HERE)
    assert hashing.verify(PASSWORD, User.objects.get().password)[0]
    assert Link.objects.open().count() == 1 and Session.objects.live(timezone.now()).get() == session
    assert Mailbox().subjects() == ["Set a new password for Gatehouse"]


def test_j08_no_password_is_changed_without_its_record(failing: None) -> None:
    user = UserFactory(email=EMAIL)
    session, other = signed_in(user), signed_in(user)
    with pytest.raises(OSError, match="disk"):
        passwords.change_password(user=user, session=session, current=PASSWORD, new=NEW, client=HERE)
    assert hashing.verify(PASSWORD, User.objects.get().password)[0]
    assert set(Session.objects.live(timezone.now())) == {session, other}


def test_a_link_leads_to_a_front_end_of_its_own_where_there_is_one(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"FRONTEND_URL": "https://app.example.com"}
    with transaction.atomic():
        passwords.queue_reset(user=UserFactory(email=EMAIL), client=HERE)
    lines = Mailbox().newest().splitlines()
    assert [line for line in lines if line.startswith("https://app.example.com/account/password/reset/")]


def test_staff_reset_with_their_app_and_are_out_of_the_staff_area() -> None:
    boss = UserFactory(email=EMAIL, staff=True, app=True)
    with transaction.atomic():
        sessions.open(user=boss, client=HERE, door=Door.STAFF, transport=Transport.COOKIE, factors=["password", "totp"])
    token = token_for(boss)
    with pytest.raises(Problem, match="factor_required"):
        resets.reset_password(token=token, new_password=NEW, client=HERE)
    resets.reset_password(token=token, new_password=NEW, client=HERE, code=code_of(boss))
    assert not Session.objects.live(timezone.now()).exists()


def test_a_page_changes_the_password_over_the_api_and_gets_a_new_key(db: None) -> None:
    user = UserFactory(email=EMAIL)
    session, api = signed_in(user), Api()
    store = api.browser.session
    store["sid"] = str(session.pk)
    store.save()
    answer = api.post("/me/password", {"current_password": PASSWORD, "new_password": NEW})
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    assert api.browser.session.session_key != store.session_key
    assert api.get("/auth/session").json()["session"]["id"] == str(session.pk)


def test_the_description_names_every_status_of_the_three(db: None) -> None:
    paths = json.loads(Api().get("/schema?format=json", accept="application/vnd.oai.openapi+json").content)["paths"]
    said = {
        path.rpartition("password")[2]: set(operations["post"]["responses"])
        for path, operations in paths.items()
        if "/password" in path
    }
    common = {"400", "405", "406", "413", "415", "429", "500", "503"}
    assert said == {
        "/forgot": {"202", *common},
        "/reset": {"200", "403", *common},
        "": {"200", "401", "403", *common},
    }
