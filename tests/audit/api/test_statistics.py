"""GET /audit/statistics: the shape of the contract, for those whose role has figures."""

from urllib.parse import quote

import pytest

from accounts.roles import Role
from accounts.services import grants
from audit.models import Event
from gatehouse.client import Client
from tests.audit.test_statistics import counted
from tests.factories import Api, problem, refused_fields

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_figures_are_in_the_shape_of_the_contract(admin, write):
    write(success=False, action="authn_login_fail", failure_reason="locked")
    counted()
    answer = admin.get("statistics")
    body = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert list(body) == [
        *("since", "until", "totals", "by_type", "by_action", "failure_reasons", "top_failing_ips", "files", "buckets")
    ]
    assert body["totals"]["events"] == Event.objects.count() == sum(one["events"] for one in body["buckets"])
    assert body["totals"]["failed"] == 1 and body["failure_reasons"] == {"locked": 1}
    assert body["top_failing_ips"] == [{"ip": "203.0.113.7", "failed": 1}]
    assert body["files"] == {"uploads": 0, "downloads": 0, "bytes": 0}
    assert set(body["buckets"][0]) == {"start", "events", "failed"}
    until = quote(body["until"])
    days = admin.get(f"statistics?bucket=day&until={until}&since=2026-01-01T00:00:00Z").json()
    assert days["since"] == "2026-01-01T00:00:00.000000Z" and days["until"] >= body["until"]


@pytest.mark.parametrize("role", [Role.GUEST, Role.USER, Role.MODERATOR])
def test_a_role_without_figures_is_refused_and_that_is_recorded(reader, role):
    problem("permission_denied", 403, reader(role).get("statistics"))
    assert Event.objects.get(action="authz_fail").details == {"permission": "audit.statistics"}


def test_figures_that_were_given_for_a_time_name_no_address_to_who_does_not_read_the_trail(reader, write):
    moderator, boss = reader(Role.MODERATOR), reader(Role.SUPER_ADMIN)
    write(success=False, action="authn_login_fail", failure_reason="locked")
    counted()
    give = {"target": moderator.user, "by": boss.user, "reason": "The report", "client": Client(ip=None)}
    grants.give(permission="audit.statistics", **give)
    body = moderator.get("statistics").json()
    assert (body["totals"]["failed"], body["top_failing_ips"]) == (1, [])


def test_nobody_comes_without_a_proof(db):
    problem("not_authenticated", 401, Api().get("/audit/statistics"))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("bucket=week", "bucket"),
        ("since=yesterday", "since"),
        ("since=2020-01-01T00:00:00Z", "since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("type=ADMIN", "type"),
    ],
)
def test_what_is_asked_wrong_is_named(admin, query, field):
    assert set(refused_fields(admin.get(f"statistics?{query}"))) == {f"?{field}"}


def test_the_document_names_every_status(db):
    described = Api().get("/schema", accept="application/json").json()["paths"]["/api/v1/audit/statistics"]["get"]
    assert set(described["responses"]) == {"200", "400", "401", "403", "405", "406", "429", "500", "503"}
    assert {parameter["name"] for parameter in described["parameters"]} == {"since", "until", "bucket"}
