"""Whom an operator means by an address or a role, and the mail that the owner gets."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Mail
from accounts.roles import Role
from audit.models import Event
from sessions_app.models import Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, problem

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def revoke(*words: str) -> str:
    out = io.StringIO()
    call_command("sessions", "revoke", "--reason=a stolen laptop", *words, stdout=out)
    return out.getvalue().rstrip()


@pytest.fixture
def signed_in() -> Api:
    UserFactory(email=EMAIL)
    api = Api()
    body = api.sign_in()
    api.bearer = {"authorization": f"Bearer {body['access_token']}"}  # type: ignore[attr-defined]
    return api


@pytest.mark.parametrize("by", ["address", "id"])
def test_a_command_ends_the_sessions_of_an_account_and_its_owner_is_mailed(signed_in: Api, by: str) -> None:
    user = Session.objects.get().user
    assert signed_in.get("/auth/session", **signed_in.bearer).status_code == 200  # type: ignore[attr-defined]
    assert revoke("--user", " JANE@Example.com".strip() if by == "address" else str(user.pk)) == "Sessions ended: 1."
    problem("session_revoked", 401, signed_in.get("/auth/session", **signed_in.bearer))  # type: ignore[attr-defined]
    assert Mailbox().subjects(EMAIL)[-1].startswith("You were signed out")
    row = Event.objects.get(action="session_revoked_by_command")
    assert (row.user_id, row.actor_type, row.email) == (str(user.pk), "command", None)
    assert row.details == {"selector": "user", "reason": "a stolen laptop", "sessions_ended": 1}
    told = Event.objects.filter(pk__gte=row.pk)
    assert "@" not in str([(event.details, event.resource, event.error_message) for event in told])


def test_nobody_is_mailed_where_nothing_ended(signed_in: Api) -> None:
    revoke("--user", EMAIL)
    before = Mail.objects.count()
    assert revoke("--user", EMAIL) == "Sessions ended: 0."
    assert Mail.objects.count() == before


@pytest.mark.parametrize("words", [["--all"], ["--role=user"], ["--ip=192.0.2.7"]])
def test_the_end_of_the_sessions_of_many_mails_nobody(signed_in: Api, words: list[str]) -> None:
    before = Mail.objects.count()
    assert revoke(*words) == "Sessions ended: 1."
    assert Mail.objects.count() == before


def test_a_role_means_its_accounts_and_no_others(signed_in: Api) -> None:
    assert revoke(f"--role={Role.ADMIN}") == "Sessions ended: 0."
    assert Session.objects.live(timezone.now()).exists()
    with pytest.raises(CommandError, match="There is no role root. The roles are super_admin, admin"):
        revoke("--role=root")
    assert revoke("--role=user") == "Sessions ended: 1."
    assert Event.objects.latest("id").details["selected"] == "user"


@pytest.mark.parametrize("value", ["nobody@example.com", "not an address@", "42"])
def test_nobody_is_meant_by_what_is_no_account(value: str) -> None:
    with pytest.raises(CommandError, match="There is no account"):
        revoke("--user", value)
