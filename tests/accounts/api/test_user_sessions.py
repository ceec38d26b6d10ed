"""Where an account is signed in, and was, as staff see it and end it over the API."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Mail
from accounts.roles import Role
from audit.models import Event
from sessions_app.models import Door, Session
from tests.accounts.staff import Signed, open_session, person, signed
from tests.factories import mark, moment, problem, refused_fields, trail

pytestmark = [pytest.mark.api, pytest.mark.django_db]

REASON = {"reason": "A stolen laptop"}


@pytest.fixture
def admin(db: None) -> Signed:
    return signed(Role.ADMIN)


def listed(api: Signed, user: Any, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/users/{user.pk}/sessions{query}")
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_live_sessions_are_listed_and_ended_ones_on_demand(admin: Signed) -> None:
    jane = person()
    other = open_session(person())
    with time_machine.travel(timezone.now() - timedelta(days=8), tick=False):
        lapsed = open_session(jane)
    first, second = open_session(jane, door=Door.PAGE), open_session(jane)
    assert admin.delete(f"/users/{jane.pk}/sessions/{first.pk}", REASON).status_code == 204
    [live] = listed(admin, jane)
    assert (live["id"], live["current"], live["factors"]) == (str(second.pk), False, ["password", "email"])
    assert "revoked_at" not in live and live["device"]["name"] == "Firefox 142 on Windows 11"
    ended, idle = listed(admin, jane, "?ended=true")
    assert (ended["id"], ended["revoked_reason"], ended["revoked_by"]) == (str(first.pk), "staff", str(admin.user.pk))
    assert (idle["id"], idle["revoked_reason"], idle["revoked_by"]) == (str(lapsed.pk), "idle", None)
    assert idle["revoked_at"] == idle["expires_at"] and moment(ended["revoked_at"])
    assert str(other.pk) not in str(listed(admin, jane) + listed(admin, jane, "?ended=true"))
    assert [one["current"] for one in listed(admin, admin.user)] == [True]


def test_pages_keep_to_what_was_asked_for(admin: Signed) -> None:
    jane = person()
    rows = [str(open_session(jane).pk) for _ in range(3)]
    admin.post(f"/users/{jane.pk}/sessions/revoke-all", REASON)
    answer = admin.get(f"/users/{jane.pk}/sessions?ended=true&limit=2").json()
    assert [one["id"] for one in answer["results"]] == rows[:0:-1]
    rest = admin.get(answer["next"].removeprefix("http://testserver/api/v1")).json()
    assert [one["id"] for one in rest["results"]] == rows[:1]
    assert refused_fields(admin.get(f"/users/{jane.pk}/sessions?ended=1")) == {"?ended": "invalid_choice"}
    assert refused_fields(admin.get(f"/users/{jane.pk}/sessions?q=x")) == {"?q": "unknown_field"}


def test_the_number_of_queries_does_not_grow_with_the_rows(admin: Signed) -> None:
    jane = person()

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            listed(admin, jane, "?limit=200")
        return len(queries)

    open_session(jane)
    few = asked()
    for _ in range(6):
        open_session(jane)
    assert asked() == few <= 4


def test_i13_ending_one_leaves_a_row_and_tells_its_owner(admin: Signed) -> None:
    jane, since = person(), mark()
    session, stays = open_session(jane), open_session(jane)
    assert admin.delete(f"/users/{jane.pk}/sessions/{session.pk}?reason=A%20stolen%20laptop").status_code == 204
    row = Event.objects.get(pk__gt=since, action="authz_admin")
    assert (row.user_id, row.actor_id, row.session_id) == (str(jane.pk), str(admin.user.pk), str(session.pk))
    assert row.details == {**REASON, "sessions_ended": 1}
    assert Mail.objects.get(user=jane).template == "sessions_revoked_by_staff"
    assert Session.objects.get(pk=stays.pk).revoked_at is None
    again = admin.delete(f"/users/{jane.pk}/sessions/{session.pk}", REASON)
    assert again.status_code == 204, "it has ended, whoever ended it"
    assert Mail.objects.filter(user=jane).count() == 1


def test_ending_all_says_how_many(admin: Signed) -> None:
    jane, since = person(), mark()
    for _ in range(3):
        open_session(jane)
    assert admin.post(f"/users/{jane.pk}/sessions/revoke-all", REASON).json() == {"revoked": 3}
    assert admin.post(f"/users/{jane.pk}/sessions/revoke-all", REASON).json() == {"revoked": 0}
    rows = Event.objects.filter(pk__gt=since, action="authz_admin").order_by("pk")
    assert [row.details["sessions_ended"] for row in rows] == [3, 0]


def test_e15_a_session_of_somebody_else_is_not_found(admin: Signed) -> None:
    jane, other = person(), open_session(person())
    for sid in (other.pk, uuid4()):
        problem("not_found", 404, admin.delete(f"/users/{jane.pk}/sessions/{sid}", REASON))
    problem("not_found", 404, admin.delete(f"/users/{uuid4()}/sessions/{other.pk}", REASON))
    problem("not_found", 404, admin.get(f"/users/{uuid4()}/sessions"))
    problem("not_found", 404, admin.delete(f"/users/{jane.pk}/sessions/17", REASON))
    assert Session.objects.get(pk=other.pk).revoked_at is None


def test_i04_who_ends_whose_sessions(admin: Signed) -> None:
    moderator, boss = signed(Role.MODERATOR), person(Role.SUPER_ADMIN)
    jane = person()
    session, above = open_session(jane), open_session(boss)
    assert [one["id"] for one in listed(moderator, jane)] == [str(session.pk)]
    problem("not_found", 404, moderator.get(f"/users/{boss.pk}/sessions"))
    problem("role_not_allowed", 403, moderator.delete(f"/users/{jane.pk}/sessions/{session.pk}", REASON))
    problem("role_not_allowed", 403, moderator.post(f"/users/{jane.pk}/sessions/revoke-all", REASON))
    assert [one["id"] for one in listed(admin, boss)] == [str(above.pk)]
    problem("role_not_allowed", 403, admin.delete(f"/users/{boss.pk}/sessions/{above.pk}", REASON))
    problem("role_not_allowed", 403, admin.post(f"/users/{boss.pk}/sessions/revoke-all", REASON))
    own = f"/users/{admin.user.pk}/sessions"
    problem("self_action_forbidden", 403, admin.delete(f"{own}/{admin.session.pk}", REASON))
    problem("self_action_forbidden", 403, admin.post(f"{own}/revoke-all", REASON))
    problem("permission_denied", 403, signed(Role.USER).get(f"/users/{jane.pk}/sessions"))
    assert Session.objects.filter(revoked_at__isnull=False).count() == 0


def test_a_reason_is_asked_for(admin: Signed) -> None:
    jane, since = person(), mark()
    session = open_session(jane)
    since = mark()
    for answer in (
        admin.delete(f"/users/{jane.pk}/sessions/{session.pk}"),
        admin.post(f"/users/{jane.pk}/sessions/revoke-all"),
    ):
        assert refused_fields(answer) == {"#/reason": "required"}
    extra = admin.post(f"/users/{jane.pk}/sessions/revoke-all", REASON | {"include_current": True})
    assert refused_fields(extra) == {"#/include_current": "unknown_field"}
    problem("conflict", 409, admin.post(f"/users/{person(deleted=True).pk}/sessions/revoke-all", REASON))
    assert trail(since) == [("authz_admin", "conflict")]
