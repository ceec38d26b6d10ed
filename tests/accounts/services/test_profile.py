"""The name that somebody goes by, at the service: what it holds out against."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from accounts.events import AccountUpdated
from accounts.models import User
from accounts.services import profile
from accounts.signals import security_event
from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Door, Session, Transport
from sessions_app.reasons import RevokeReason
from tests.factories import EMAIL, UserFactory, mark, trail

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Client.local("test")


@pytest.fixture
def user() -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def session(user: User) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=Door.PAGE, transport=Transport.COOKIE, factors=["password"])


@pytest.fixture
def failing() -> Iterator[None]:
    def fail(event: SecurityEvent, **_more: Any) -> None:
        if isinstance(event, AccountUpdated):
            raise OSError("the disk is full")

    security_event.connect(fail)
    yield
    security_event.disconnect(fail)


def test_j08_no_name_is_changed_without_its_record(user: User, session: Session, failing: None) -> None:
    with pytest.raises(OSError, match="disk"):
        profile.change_name(user=user, session=session, name="Another", client=HERE)
    assert User.objects.get().display_name == "Jane Roe"


def test_a_session_that_ended_meanwhile_changes_nothing(user: User, session: Session) -> None:
    with transaction.atomic():
        sessions.revoke_all(user=user, reason=RevokeReason.STAFF, client=HERE)
    since = mark()
    with pytest.raises(Problem) as refused:
        profile.change_name(user=user, session=session, name="Another", client=HERE)
    assert refused.value.code == "session_revoked"
    assert User.objects.get().display_name == "Jane Roe"
    assert trail(since) == [("user_updated", "session_ended")]


def test_an_account_that_is_gone_changes_nothing(user: User, session: Session) -> None:
    User.objects.all().delete()
    with pytest.raises(Problem) as refused:
        profile.change_name(user=user, session=session, name="Another", client=HERE)
    assert refused.value.code == "session_revoked"


@pytest.mark.parametrize(("name", "code"), [("a\u200bb", "invalid"), ("x" * 101, "max_length")])
def test_the_service_looks_at_the_name_itself(user: User, session: Session, name: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        profile.change_name(user=user, session=session, name=name, client=HERE)
    assert [(error.field, error.code) for error in refused.value.errors] == [("display_name", code)]


def test_only_the_name_is_written(user: User, session: Session) -> None:
    """Whoever holds an old copy of the account puts nothing of it back."""
    User.objects.filter(pk=user.pk).update(terms_version="7")
    changed = profile.change_name(user=user, session=session, name="Another", client=HERE)
    assert (changed.display_name, changed.terms_version) == ("Another", "7")
    assert User.objects.values_list("display_name", "terms_version").get() == ("Another", "7")
