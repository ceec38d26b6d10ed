"""What each role may do to its own account: every service by which somebody signed in acts on it, in one table."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from accounts import services
from accounts.models import User
from accounts.roles import MATRIX, Role
from accounts.services import (
    address,
    consents,
    deletion,
    disavowal,
    export,
    own_account,
    own_factors,
    passwords,
    profile,
    reauthentication,
)
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.reasons import RevokeReason
from tests.accounts.leaving import bearer, everything
from tests.accounts.pages.person import Person
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, code_of, give_app, mark, problem, trail

pytestmark = [pytest.mark.integration, pytest.mark.every_engine, pytest.mark.django_db(transaction=True)]

HERE = Client.local("test")
NEW_PASSWORD = "a long and quiet river"

# By the service: what it is asked for besides who asks. Those above the line change the account.
CHANGES: dict[Callable[..., Any], dict[str, Any]] = {
    profile.change_name: {"name": "Another"},
    address.ask: {"new_email": "new@example.org"},
    passwords.change_password: {"current": PASSWORD, "new": NEW_PASSWORD},
    own_factors.begin_app: {"name": "Phone"},
    own_factors.confirm_app: {"app_id": uuid4(), "code": "123456"},
    own_factors.remove_app: {"app_id": uuid4()},
    own_factors.renew_recovery_codes: {},
}
KEPT: dict[Callable[..., Any], dict[str, Any]] = {
    address.cancel: {},
    consents.answer: {"answers": {"1": False}},
    deletion.request_deletion: {},
    deletion.undo_deletion: {},
    disavowal.disavow_own: {"session_id": None},
    export.ask: {},
    reauthentication.reauthenticate: {"password": PASSWORD},
    reauthentication.confirm_password: {"password": PASSWORD},
}


@pytest.fixture
def guest() -> User:
    return UserFactory(email=EMAIL, role=Role.GUEST, display_name="Jane Roe")


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def opened(user: User) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=Door.API, transport=Transport.BEARER, factors=["password"])


def test_every_service_of_ones_own_account_is_in_the_table() -> None:
    found = set()
    for module in pkgutil.iter_modules(services.__path__, f"{services.__name__}."):
        for _name, one in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            asked = {name: given.kind for name, given in inspect.signature(one).parameters.items()}
            is_service = asked.get("user") is inspect.Parameter.KEYWORD_ONLY and not one.__name__.startswith("_")
            if is_service and {"session", "client"} <= asked.keys():
                found.add(one)
    assert found == CHANGES.keys() | KEPT.keys() | {export.fetch}


@pytest.mark.parametrize("service", CHANGES, ids=lambda service: service.__name__)
def test_v8_2_1_a_guest_changes_nothing_and_each_refusal_leaves_a_row(guest: User, service: Any) -> None:
    session, since = opened(guest), mark()
    before = everything(but={"audit_event"})
    with pytest.raises(Problem, match="permission_denied"):
        service(user=guest, session=session, client=HERE, **CHANGES[service])
    assert everything(but={"audit_event"}) == before
    assert trail(since) == [("authz_fail", "not_permitted")]
    row = Event.objects.latest("pk")
    assert (row.user_id, row.actor_id, row.actor_label, row.session_id, row.details) == (
        str(guest.pk), str(guest.pk), "guest", str(session.pk), {"permission": "account.change"},
    )  # fmt: skip


@pytest.mark.parametrize("role", [role for role in Role if own_account.CHANGE in MATRIX[role]])
@pytest.mark.parametrize("service", CHANGES, ids=lambda service: service.__name__)
def test_v8_2_1_every_other_role_passes(service: Any, role: Role) -> None:
    """Whatever the service itself says then, it is not that."""
    user = UserFactory(email=EMAIL, role=role)
    since = mark()
    try:
        service(user=user, session=opened(user), client=HERE, **CHANGES[service])
    except Problem as problem:
        assert problem.code in {"not_found", "conflict", "factor_required"}
    assert ("authz_fail", "not_permitted") not in trail(since)


@pytest.mark.parametrize("service", KEPT, ids=lambda service: service.__name__)
def test_what_is_a_right_or_takes_nothing_is_a_guest_s_too(guest: User, service: Any) -> None:
    since = mark()
    service(user=guest, session=opened(guest), client=HERE, **KEPT[service])
    assert not [one for one in trail(since) if one[1:]]


RECORDED = {
    profile.change_name: "user_updated", consents.answer: "user_consent_withdrawn",
    disavowal.disavow_own: "authn_login_disavowed",
}  # fmt: skip


@pytest.mark.parametrize("service", RECORDED, ids=lambda service: service.__name__)
def test_a_session_that_ended_meanwhile_does_nothing_and_its_refusal_leaves_a_row(service: Any) -> None:
    user = UserFactory(email=EMAIL)
    session = opened(user)
    with transaction.atomic():
        sessions.revoke(session, reason=RevokeReason.STAFF, client=HERE)
    since, before = mark(), everything(but={"audit_event", "gatehouse_counter"})
    with pytest.raises(Problem, match="session_revoked"):
        service(user=user, session=session, client=HERE, **(CHANGES | KEPT)[service])
    assert everything(but={"audit_event", "gatehouse_counter"}) == before
    assert trail(since) == [(RECORDED[service], "session_ended")]
    row = Event.objects.latest("pk")
    assert (row.user_id, row.actor_id) == (str(user.pk), str(user.pk))


def test_of_a_copy_of_one_s_data_a_guest_is_told_what_anybody_is(guest: User) -> None:
    with pytest.raises(Problem, match="not_found"):
        export.fetch(user=guest, session=opened(guest), export_id=uuid4(), client=HERE)


def test_v8_3_2_a_role_that_was_taken_holds_whatever_the_request_believed(guest: User) -> None:
    stale = User.objects.get()
    stale.set_role(Role.USER)
    with pytest.raises(Problem, match="permission_denied"):
        profile.change_name(user=stale, session=opened(guest), name="Another", client=HERE)


def test_the_api_refuses_a_guest_at_every_door(guest: User, mailbox: Mailbox) -> None:
    give_app(guest)
    api = Api()
    body = api.answer(api.challenge(), code_of(guest)).json()
    app = guest.totpdevice_set.get()
    asked: list[tuple[str, str, Any]] = [
        ("PATCH", "/me", {"display_name": "Another"}),
        ("PATCH", "/users/me", {"display_name": "Another"}),
        ("POST", "/me/email", {"new_email": "new@example.org"}),
        ("POST", "/me/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("POST", "/me/factors/totp", {"name": "Phone"}),
        ("POST", f"/me/factors/totp/{app.pk}/confirm", {"code": "123456"}),
        ("DELETE", f"/me/factors/{app.pk}", None),
        ("POST", "/me/recovery-codes", None),
    ]
    since = mark()
    for method, path, data in asked:
        problem("permission_denied", 403, api.send(method, path, data, **bearer(body)))
    assert trail(since) == [("authz_fail", "not_permitted")] * len(asked)
    assert guest.totpdevice_set.count() == 1
    assert mailbox.subjects(EMAIL) == []


def test_the_api_lets_a_guest_leave_and_be_erased(guest: User, mailbox: Mailbox) -> None:
    api, elsewhere = Api(), Api(user_agent="other/1")
    body, other = api.sign_in(), elsewhere.sign_in()
    for path in ("/me", "/me/factors", "/me/devices", "/me/consents", "/sessions", "/me/activity"):
        assert api.get(path, **bearer(body)).status_code == 200, path
    assert api.send("DELETE", f"/sessions/{other['session']['id']}", None, **bearer(body)).status_code == 204
    assert api.send("DELETE", f"/me/devices/{Device.objects.all()[0].pk}", None, **bearer(body)).status_code == 204
    body = api.sign_in()
    assert api.post("/me/deletion", None, **bearer(body)).status_code == 202
    assert api.send("DELETE", "/me/deletion", None, **bearer(body)).status_code == 204
    assert api.post("/sessions/revoke-all", {"include_current": True}, **bearer(body)).status_code == 200
    api.post("/auth/password/forgot", {"email": EMAIL})
    new = {"token": mailbox.token(), "new_password": NEW_PASSWORD}
    assert api.post("/auth/password/reset", new).status_code == 200, "the mailbox proves more than the role"


def test_a_guest_disavows_what_he_did_not_do(guest: User) -> None:
    here, there = opened(guest), opened(guest)
    assert disavowal.disavow_own(user=guest, session=here, session_id=str(there.pk), client=HERE).sessions_ended == 1


def test_the_pages_refuse_a_guest_before_anything_is_typed_and_offer_none_of_it(guest: User) -> None:
    person = Person(EMAIL)
    person.sign_in()
    app = uuid4()
    paths = ["name", "email/change", "password/change", "2fa/totp/add", "2fa/recovery/new", f"2fa/totp/{app}/remove"]
    since = mark()
    for path in paths:
        assert person.get(path).status_code == 403, path
    assert trail(since) == []
    sent = {"old_password": PASSWORD, "new_password": NEW_PASSWORD, "new_email": "n@example.org", "name": "x"}
    for path in paths:
        assert person.post(path, sent | {"display_name": "x"}).status_code == 403, path
    assert trail(since) == [("authz_fail", "not_permitted")] * len(paths)
    shown = person.get("security").content.decode()
    offered = [path for path in paths if f"/account/{path}" in shown]
    assert offered == []
    assert "/account/delete" in shown and "/account/logout" in shown
