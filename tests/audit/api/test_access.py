"""Who comes to the trail over HTTP: by which proof, with which role, and how much of it they see."""

import json

import pytest
from django.core.checks import run_checks

from accounts.roles import Role
from accounts.services import grants
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from tests.adminpanel.staff import Staff
from tests.factories import Api, UserFactory, problem

pytestmark = pytest.mark.django_db

PATHS = ["events", "events/1"]


@pytest.mark.parametrize("path", PATHS)
def test_nobody_comes_without_a_proof(path):
    problem("not_authenticated", 401, Api().get(f"/audit/{path}"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", [Role.GUEST, Role.USER])
def test_who_is_no_staff_is_refused_and_that_is_recorded(reader, role, path):
    somebody = reader(role)
    problem("permission_denied", 403, somebody.get(path))
    event = Event.objects.get(action="authz_fail")
    assert (event.user_id, event.resource) == (str(somebody.user.pk), f"/api/v1/audit/{path}")
    assert (event.details, event.failure_reason) == ({"permission": "audit.read"}, "not_permitted")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_who_may_read_the_trail_reads_all_of_it(reader, write, role):
    event = write(user_id="7")
    assert event.pk in reader(role).ids()


def test_staff_that_did_not_prove_their_app_are_refused(reader):
    answer = problem("factor_required", 403, reader(Role.ADMIN, factors=("password", "email")).get("events"))
    assert answer == {"methods": ["totp", "recovery"]}


def test_a_role_that_was_taken_away_opens_nothing_at_once(admin):
    admin.user.set_role(Role.USER)
    admin.user.save()
    problem("permission_denied", 403, admin.get("events"))


def test_the_staff_cookie_opens_it_as_long_as_its_session_lives(db):
    staff = Staff(Role.ADMIN).sign_in()
    assert staff.browser.get("/api/v1/audit/events").status_code == 200
    jar = staff.browser.cookies.copy()
    staff.post("logout/")
    staff.browser.cookies.update(jar)
    assert staff.browser.get("/api/v1/audit/events").status_code == 401


def test_the_page_cookie_opens_nothing_and_a_bad_token_decides(db):
    staff = Staff(Role.ADMIN).sign_in()
    kept = staff.browser.cookies.pop("staff")
    staff.browser.cookies["session"] = kept.value
    problem("not_authenticated", 401, staff.browser.get("/api/v1/audit/events"))
    staff.browser.cookies["staff"] = kept.value
    problem("access_invalid", 401, staff.browser.get("/api/v1/audit/events", headers={"authorization": "Bearer x"}))
    key = {"authorization": "Bearer ghk_0123456789"}
    problem("not_authenticated", 401, staff.browser.get("/api/v1/audit/events", headers=key))


def test_a_moderator_sees_those_below_without_addresses_and_nothing_else(reader, write):
    moderator, jane = reader(Role.MODERATOR), UserFactory(email="jane@example.com")
    details = {"from": "jane@example.com", "list": ["<joe@example.org>"], "n": 1}
    own = write(user_id=jane.pk, email="jane@example.com", details=details, error_message="no jane@example.com")
    by_staff = write(user_id=jane.pk, actor=Actor("user", "8", "admin"))
    for other in (
        *(moderator.user.pk, UserFactory(role=Role.MODERATOR).pk, UserFactory(role=Role.ADMIN).pk),
        *("7", "not an id", None, "0199aaaa-0000-7000-8000-000000000000"),
    ):
        hidden = write(user_id=other)
        problem("not_found", 404, moderator.get(f"events/{hidden.pk}"))
    assert moderator.ids() == [by_staff.pk, own.pk]
    assert moderator.ids(f"user={moderator.user.pk}") == []
    shown = moderator.get(f"events/{own.pk}").json()
    assert shown["email"] == "j•••@e•••.com"
    assert shown["details"] == {"from": "j•••@e•••.com", "list": ["<j•••@e•••.org>"], "n": 1}
    assert (shown["error_message"], shown["ip_address"]) == ("no j•••@e•••.com", "203.0.113.7")
    shown = moderator.get(f"events/{by_staff.pk}").json()
    assert (shown["ip_address"], shown["user_agent"]) == (None, None)


def test_a_moderator_finds_out_nothing_by_searching(reader, write):
    moderator, jane = reader(Role.MODERATOR), UserFactory(email="jane@example.com")
    write(user_id=jane.pk, email="jane@example.com", actor=Actor("user", "8", "admin"), client=Client(ip="10.0.0.9"))
    for query in ("email=jane@example.com", "q=jane@example.com"):
        problem("permission_denied", 403, moderator.get(f"events?{query}"))
    assert moderator.ids("ip=10.0.0.9") == moderator.ids("ip=10.0.0.0/24") == []
    assert len(moderator.ids(f"user={jane.pk}")) == 1


def test_an_address_in_a_resource_is_read_out_by_no_beginning_of_it(admin, reader, write):
    moderator, jane = reader(Role.MODERATOR), UserFactory(email="jane@example.com")
    hidden = write(user_id=jane.pk, resource="media:jane@example.com/cv.pdf")
    plain = write(user_id=jane.pk, resource="media:cv.pdf")
    assert moderator.get(f"events/{hidden.pk}").json()["resource"] != hidden.resource
    for beginning in ("media:j", "media:jane", "media:jane@example.com"):
        assert moderator.ids(f"resource={beginning}") == []
        assert admin.ids(f"resource={beginning}") == [hidden.pk]
    assert moderator.ids("resource=media:") == [plain.pk]


def test_an_export_that_was_given_for_a_time_takes_no_more_than_its_holder_reads(reader, write):
    moderator, boss, jane = reader(Role.MODERATOR), reader(Role.SUPER_ADMIN), UserFactory(email="jane@example.com")
    own, hidden = (
        write(user_id=jane.pk, email="jane@example.com"),
        write(user_id=boss.user.pk, email="boss@example.com"),
    )
    give = {"target": moderator.user, "by": boss.user, "reason": "The auditor", "client": Client(ip=None)}
    grants.give(permission="audit.export", **give)
    lines = [json.loads(line) for line in moderator.get("export").getvalue().splitlines()]
    assert [(line["id"], line["email"]) for line in lines if line["email"]] == [(own.pk, "j•••@e•••.com")]
    grants.give(permission="audit.read", **give)
    lines = [json.loads(line) for line in moderator.get("export").getvalue().splitlines()]
    assert {own.pk, hidden.pk} <= {line["id"] for line in lines}


@pytest.mark.parametrize(
    "given",
    [
        {"ACCESS": "accounts.trail.nothing"},
        {"ACCESS": "audit.access._READING"},
        {"AUTHENTICATION": ("accounts.models.User",)},
        {"AUTHENTICATION": ("nothing.at.all",)},
    ],
)
def test_a_check_finds_access_that_is_none(settings, given):
    settings.AUDIT = {**settings.AUDIT, **given}
    assert [fault.id for fault in run_checks() if fault.id.startswith("audit.")] == ["audit.E006"]
