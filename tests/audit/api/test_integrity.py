"""GET /audit/integrity: all is well only where a verification said so lately."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.roles import Role
from audit import integrity
from audit.seals import Verification
from tests.audit import trails
from tests.factories import problem

pytestmark = [pytest.mark.django_db(transaction=True)]


def stands(admin):
    answer = admin.get("integrity")
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body["ok"], [finding["code"] for finding in body["findings"]]


def test_how_a_trail_stands_from_its_first_verification_on(admin):
    ((event,),) = trails.sealed(1)
    assert stands(admin) == (False, ["unverified"])
    now = timezone.now()
    integrity.begin(now=now)
    integrity.keep(trails.verify(), now=now + timedelta(seconds=1))
    body = admin.get("integrity").json()
    assert (body["ok"], body["findings"]) == (True, [])
    assert body["sealed_through"] >= event and body["last_verified_at"].endswith("Z")

    integrity.begin(now=timezone.now() + timedelta(seconds=2))
    assert stands(admin) == (True, ["unfinished"]), "it runs"
    Verification.objects.update(verified_at=now - timedelta(hours=4), begun_at=now - timedelta(hours=2))
    assert stands(admin) == (False, ["unfinished"]), "it died"
    Verification.objects.update(verified_at=now - timedelta(days=3), begun_at=now - timedelta(days=4))
    assert stands(admin) == (False, ["stale"])


def test_what_was_found_and_what_is_wrong_now_is_told(admin):
    ((event,),) = trails.sealed(1)
    trails.tamper(f"UPDATE audit_event SET action = 'other' WHERE id = {event}")
    integrity.keep(trails.verify(), now=timezone.now())
    body = admin.get("integrity").json()
    assert not body["ok"]
    assert [(one["code"], one["event"]) for one in body["findings"]] == [("edited", event)]
    trails.aged(trails.write(1)[0], timedelta(minutes=10))
    assert stands(admin)[1] == ["edited"], "a seal was made a moment ago"


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_it_is_told_to_those_alone_who_read_all_of_it(reader, role):
    problem("permission_denied", 403, reader(role).get("integrity"))
