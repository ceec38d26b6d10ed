"""Keys of other services: what is stored of them, what they open, what is recorded."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ApiKey
from accounts.roles import Scope
from accounts.services import api_keys
from audit.models import Event
from gatehouse import apikeys, limits
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from tests.factories import mark, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CLIENT = Client(ip="203.0.113.9", request_id="request-1")
ACTOR = Actor.command("root")
WHO = {"actor": ACTOR, "client": CLIENT}


def make(**given: Any) -> tuple[ApiKey, str]:
    asked = {"name": "Billing", "scopes": ["audit.write", "audit.read"], "expires_in": timedelta(days=90)}
    return api_keys.create(**{**asked, **WHO, **given})


def refusal(text: str) -> Problem:
    with pytest.raises(Problem) as caught:
        api_keys.recognise(text=text, client=CLIENT)
    assert (caught.value.code, caught.value.status) == ("not_authenticated", 401)
    return caught.value


def newest() -> Event:
    return Event.objects.order_by("-pk")[0]


def test_a_key_is_known_by_its_text_and_may_what_its_scopes_say() -> None:
    row, text = make()
    service = api_keys.recognise(text=text, client=CLIENT)
    assert (service.id, service.name, service.actor) == (row.pk, "Billing", Actor("service", str(row.pk), "Billing"))
    assert service.may(Scope.AUDIT_READ) and not service.may(Scope.USERS_READ)


def test_j10_c12_nothing_that_is_stored_or_recorded_opens_anything() -> None:
    row, text = make()
    api_keys.recognise(text=text, client=CLIENT)
    secret = apikeys.read(text).secret
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        stored = str(cursor.fetchall())
    assert secret not in stored and text not in stored
    told = [(event.details, event.resource, event.actor_label) for event in Event.objects.all()]
    assert secret not in str(told)
    for wrong in (row.secret_hash, row.public_id, str(row.pk), f"ghk_{row.secret_hash}"):
        refusal(wrong)


def test_a_made_key_is_recorded_with_all_it_may() -> None:
    row, _text = make(limit_per_minute=30)
    event = newest()
    assert (event.event_type, event.action, event.success) == ("ADMIN", "authn_token_created", True)
    assert (event.actor_type, event.actor_label, event.resource) == ("command", "root", f"api_key:{row.pk}")
    assert event.details == {
        "name": "Billing",
        "public_id": row.public_id,
        "scopes": ["audit.read", "audit.write"],
        "expires_at": event.details["expires_at"],
        "limit_per_minute": 30,
    }
    assert (row.created_by, row.scopes, row.last_used_at) == ("command:root", ["audit.read", "audit.write"], None)


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"name": "  "}, "name", "required"),
        ({"name": "x" * 61}, "name", "max_length"),
        ({"name": "a\x00b"}, "name", "invalid"),
        ({"name": "a\u202eb"}, "name", "invalid"),
        ({"name": "jane@example.com"}, "name", "invalid"),
        ({"scopes": []}, "scope", "required"),
        ({"scopes": ["audit.write", "audit.*"]}, "scope", "invalid"),
        ({"expires_in": timedelta(days=367)}, "expires", "invalid"),
        ({"expires_in": timedelta(seconds=59)}, "expires", "invalid"),
        ({"limit_per_minute": 0}, "limit", "invalid"),
        ({"limit_per_minute": 6001}, "limit", "invalid"),
    ],
)
def test_what_no_key_can_be_is_refused_by_its_field(wrong: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        make(**wrong)
    assert [(error.field, error.code) for error in caught.value.errors] == [(field, code)]
    assert not ApiKey.objects.exists() and not Event.objects.exists()


def test_every_wrong_key_is_refused_alike_and_the_trail_knows_why() -> None:
    _row, text = make()
    row, revoked = make(name="Old")
    api_keys.revoke(public_id=row.public_id, reason="leaked", **WHO)
    _late, expired = make(name="Late", expires_in=timedelta(minutes=1))
    other = apikeys.new()
    swapped = apikeys.KeyText(apikeys.read(text).public_id, other.secret).text()
    since = mark()
    said = [refusal(wrong).detail for wrong in ("ghk_nothing", other.text(), swapped, revoked)]
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        said.append(refusal(expired).detail)
    assert len({str(one) for one in said}) == 1
    assert trail(since) == [
        *[("authn_token_refused", "token_invalid")] * 3,
        ("authn_token_refused", "token_revoked"),
        ("authn_token_refused", "token_expired"),
    ]
    assert {event.actor_type for event in Event.objects.filter(pk__gt=since)} == {"anonymous"}


def test_the_end_of_a_key_is_its_last_moment_exactly() -> None:
    row, text = make(expires_in=timedelta(hours=1))
    with time_machine.travel(row.expires_at - timedelta(seconds=1), tick=False):
        api_keys.recognise(text=text, client=CLIENT)
    with time_machine.travel(row.expires_at, tick=False):
        refusal(text)


def test_a_key_is_found_by_one_query_and_its_use_is_written_once_a_minute() -> None:
    row, text = make()
    now = timezone.now().replace(microsecond=0)

    def queries(moment: Any) -> int:
        with time_machine.travel(moment, tick=False), CaptureQueriesContext(connection) as asked:
            api_keys.recognise(text=text, client=CLIENT)
        return len(asked)

    assert [queries(now + timedelta(seconds=one)) for one in (0, 1, 59, 60, 61)] == [2, 1, 1, 2, 1]
    row.refresh_from_db()
    assert row.last_used_at == now + timedelta(seconds=60)


def test_what_is_no_key_by_its_checksum_asks_no_table_of_keys() -> None:
    make()
    with CaptureQueriesContext(connection) as asked:
        refusal(apikeys.new().text()[:-1] + "!")
    assert not [one for one in asked if "accounts_apikey" in one["sql"]]


def test_made_up_keys_fill_no_trail() -> None:
    number = limits.LIMITS["invalid_token_ip"].number
    for _ in range(number - 2):
        limits.take(None, ("invalid_token_ip", CLIENT.network))
    since = mark()
    for _ in range(5):
        refusal(apikeys.new().text())
    assert trail(since) == [("authn_token_refused", "token_invalid")] * 2


def test_a_change_of_scopes_says_what_was_gained_and_lost_and_holds_at_the_next_use() -> None:
    row, text = make()
    api_keys.change_scopes(public_id=row.public_id, scopes=["audit.read", "users.read"], reason="smaller", **WHO)
    details = newest().details
    assert newest().action == "authz_scope_change"
    assert (details["gained"], details["lost"], details["reason"]) == (["users.read"], ["audit.write"], "smaller")
    assert (details["before"], details["after"]) == (["audit.read", "audit.write"], ["audit.read", "users.read"])
    assert api_keys.recognise(text=text, client=CLIENT).scopes == {"audit.read", "users.read"}


def test_a_change_that_is_none_and_one_of_a_revoked_key_are_conflicts() -> None:
    row, _text = make()
    since = mark()
    with pytest.raises(Problem, match="conflict"):
        api_keys.change_scopes(public_id=row.public_id, scopes=row.scopes, reason="none", **WHO)
    api_keys.revoke(public_id=row.public_id, reason="over", **WHO)
    with pytest.raises(Problem, match="conflict"):
        api_keys.change_scopes(public_id=row.public_id, scopes=["users.read"], reason="late", **WHO)
    with pytest.raises(Problem, match="conflict"):
        api_keys.revoke(public_id=row.public_id, reason="again", **WHO)
    assert trail(since) == [
        ("authz_scope_change", "conflict"),
        ("authn_token_revoked",),
        ("authz_scope_change", "conflict"),
        ("authn_token_revoked", "conflict"),
    ]
    row.refresh_from_db()
    assert (row.scopes, row.revoked_reason, row.revoked_by) == (["audit.read", "audit.write"], "over", "command:root")


@pytest.mark.parametrize("act", [api_keys.revoke, api_keys.change_scopes])
def test_a_change_needs_a_reason_and_a_key(act: Any) -> None:
    row, _text = make()
    more = {"scopes": ["users.read"]} if act is api_keys.change_scopes else {}
    with pytest.raises(Problem, match="validation_failed"):
        act(public_id=row.public_id, reason=" ", **more, **WHO)
    with pytest.raises(Problem, match="not_found"):
        act(public_id="ghk_000000000000", reason="because", **more, **WHO)


def test_a_missing_scope_is_refused_and_recorded_under_the_name_of_the_service() -> None:
    row, text = make(scopes=["audit.write"])
    service = api_keys.recognise(text=text, client=CLIENT)
    asked = {"service": service, "resource": "/x", "client": CLIENT}
    api_keys.require(permission="audit.write", **asked)
    with pytest.raises(Problem, match="permission_denied"):
        api_keys.require(permission="audit.read", **asked)
    event = newest()
    assert (event.action, event.failure_reason, event.resource, event.details) == (
        "authz_fail", "not_permitted", "/x", {"permission": "audit.read"},
    )  # fmt: skip
    assert (event.actor_type, event.actor_id, event.actor_label) == ("service", str(row.pk), "Billing")


def test_a_key_made_under_the_key_before_is_known_while_that_is_in_the_ring(settings: Any) -> None:
    _row, text = make()
    before = settings.GATEHOUSE["HASH_KEYS"]
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": ("n" * 40, *before)}
    api_keys.recognise(text=text, client=CLIENT)
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": ("n" * 40,)}
    refusal(text)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_revoke_at_once_one_does(race: Any) -> None:
    row, text = make()
    since = mark()
    results = race([lambda: api_keys.revoke(public_id=row.public_id, reason="leaked", **WHO)] * 2)
    assert sorted(type(one).__name__ for one in results) == ["ApiKey", "Problem"]
    assert sorted(trail(since)) == [("authn_token_revoked",), ("authn_token_revoked", "conflict")]
    refusal(text)


@pytest.mark.django_db(transaction=True)
def test_a_change_stands_with_its_event_or_not_at_all() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        make()  # durable: never a part of somebody else's transaction
    assert not ApiKey.objects.exists()
