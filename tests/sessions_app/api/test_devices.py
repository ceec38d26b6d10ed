"""GET and DELETE /me/devices, PATCH and DELETE /me/devices/{id}, and who may ask."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import devices
from sessions_app.models import Device, Door, Session, Transport
from tests.sessions_app.headers import bearer_of

URL = "/api/v1/me/devices"
JSON = "application/json"
Open = Callable[..., Session]
Make = Callable[..., Device]


@pytest.fixture
def at_home(user: Any, open_session: Open, device_of: Make) -> Session:
    """A session of the API on a device that is known."""
    return open_session(user, device=device_of(user))


def shown(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds")).replace("+00:00", "Z")


def test_the_shape_of_a_device(client: Browser, user: Any, at_home: Session) -> None:
    answer = client.get(URL, headers=bearer_of(at_home))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    device = Device.objects.get()
    assert answer.json() == {
        "results": [
            {
                "id": str(device.pk),
                "name": "Firefox 142 on Windows 11",
                "kind": "unknown",
                "current": True,
                "first_seen_at": shown(device.first_seen_at),
                "last_seen_at": shown(device.last_seen_at),
                "trusted_until": None,
            }
        ]
    }


def test_one_sees_ones_own_devices_the_one_at_hand_first(
    client: Browser, make_user: Callable[..., Any], open_session: Open, device_of: Make
) -> None:
    jane, joe = make_user("jane"), make_user("joe")
    mine = device_of(jane)
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        other = device_of(jane, trusted=True)
        device_of(joe)
        rows = client.get(URL, headers=bearer_of(open_session(jane, device=mine))).json()["results"]
    assert [(row["id"], row["current"]) for row in rows] == [(str(mine.pk), True), (str(other.pk), False)]
    assert rows[1]["trusted_until"] == shown(Device.objects.get(pk=other.pk).trusted_until)


def test_trust_that_is_over_is_not_shown(client: Browser, user: Any, at_home: Session, device_of: Make) -> None:
    device_of(user, trusted=True)
    Device.objects.filter(trusted_until__isnull=False).update(trusted_until=timezone.now() - timedelta(seconds=1))
    rows = client.get(URL, headers=bearer_of(at_home)).json()["results"]
    assert [row["trusted_until"] for row in rows] == [None, None]


def rename(client: Browser, session: Session, device_id: Any, body: Any) -> Any:
    return client.patch(f"{URL}/{device_id}", body, headers=bearer_of(session), content_type=JSON)


def test_a_device_is_given_a_name(client: Browser, at_home: Session, events: list[Any]) -> None:
    events.clear()
    answer = rename(client, at_home, at_home.device_id, {"name": "  Kitchen tablet "})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["current"]) == ("Kitchen tablet", True)
    assert [(event.action, event.details()) for event in events] == [
        ("authn_device_renamed", {"device_id": str(at_home.device_id)})
    ]
    assert rename(client, at_home, at_home.device_id, {"name": "Kitchen tablet"}).status_code == 200
    assert len(events) == 1, "nothing changed the second time"
    device = Device.objects.get()
    assert (device.label, device.name) == ("Kitchen tablet", "Firefox 142 on Windows 11")


def test_a_name_stays_when_the_device_is_used_again(user: Any, client_facts: Client, at_home: Session) -> None:
    Device.objects.update(label="Kitchen tablet", secret_hash="x")
    with transaction.atomic():
        found = devices.remember(
            user=user, client=client_facts, token=None, transport=Transport.BEARER, now=timezone.now()
        ).device
        Device.objects.filter(pk=found.pk).update(label="Desk")
        again = devices.remember(
            user=user, client=client_facts, token=None, transport=Transport.BEARER, now=timezone.now()
        )
    assert (again.device.called, again.device.name) == ("Desk", client_facts.device_name)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"name": None}, "null"),
        ({"name": ""}, "blank"),
        ({"name": "   "}, "blank"),
        ({"name": "x" * 61}, "max_length"),
        ({"name": 7}, "invalid"),
        ({"name": ["x"]}, "invalid"),
        ({"name": "a\x00b"}, "invalid"),
        ({"name": "a\u202eb"}, "invalid"),
        ({"name": "a\nb"}, "invalid"),
    ],
)
def test_h12_a_name_is_a_clean_text(client: Browser, at_home: Session, body: Any, code: str) -> None:
    answer = rename(client, at_home, at_home.device_id, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("#/name", code)]
    assert Device.objects.get().label == ""


def test_sixty_characters_of_any_script_make_a_name(client: Browser, at_home: Session) -> None:
    assert rename(client, at_home, at_home.device_id, {"name": "台" * 60}).json()["name"] == "台" * 60


def test_h01_nothing_but_the_name_can_be_changed(client: Browser, at_home: Session) -> None:
    until = "2030-01-01T00:00:00Z"
    answer = rename(client, at_home, at_home.device_id, {"name": "x", "trusted_until": until, "label": "y"})
    assert answer.status_code == 400
    assert {(error["pointer"], error["code"]) for error in answer.json()["errors"]} == {
        ("#/trusted_until", "unknown_field"),
        ("#/label", "unknown_field"),
    }
    assert client.get(f"{URL}?limit=1", headers=bearer_of(at_home)).json()["errors"][0]["pointer"] == "?limit"


def test_a_forgotten_device_is_gone_its_token_proves_nothing_and_its_session_goes_on(
    client: Browser, user: Any, at_home: Session, client_facts: Client, events: list[Any]
) -> None:
    with transaction.atomic():
        token = devices.trust(device=Device.objects.get(), client=client_facts, now=timezone.now())
    events.clear()
    for status in (204, 404):
        answer = client.delete(f"{URL}/{at_home.device_id}", headers=bearer_of(at_home))
        assert answer.status_code == status
    assert [(event.action, event.details()) for event in events] == [
        ("authn_device_removed", {"device_id": str(at_home.device_id), "was_trusted": True})
    ]
    assert client.get(URL, headers=bearer_of(at_home)).json() == {"results": []}
    assert devices.is_trusted(user=user, token=token, now=timezone.now()) is None
    with transaction.atomic():
        again = devices.remember(
            user=user, client=client_facts, token=token, transport=Transport.COOKIE, now=timezone.now()
        )
    assert again.is_new
    assert again.token != token


def test_all_devices_are_forgotten_at_once(
    client: Browser, make_user: Callable[..., Any], user: Any, at_home: Session, device_of: Make
) -> None:
    theirs = device_of(make_user("joe"), trusted=True)
    device_of(user, trusted=True)
    for _ in range(2):
        assert client.delete(URL, headers=bearer_of(at_home)).status_code == 204
    assert list(Device.objects.trusted(timezone.now())) == [theirs]
    assert list(Device.objects.all()) == [theirs]
    at_home.refresh_from_db()
    assert (at_home.is_revoked, at_home.device_id) == (False, None)


def test_e15_anothers_device_is_as_unknown_as_none(
    client: Browser, make_user: Callable[..., Any], at_home: Session, device_of: Make, events: list[Any]
) -> None:
    theirs = device_of(make_user("joe"), trusted=True)
    events.clear()
    headers = bearer_of(at_home) | {"X-Request-ID": "same"}
    for ask in (
        lambda pk: client.delete(f"{URL}/{pk}", headers=headers),
        lambda pk: client.patch(f"{URL}/{pk}", {"name": "mine"}, headers=headers, content_type=JSON),
    ):
        foreign, none = ask(theirs.pk), ask(uuid4())
        assert foreign.status_code == none.status_code == 404
        assert foreign.content == none.content
    assert [(event.action, event.resource, event.success) for event in events] == [
        ("authz_fail", f"device:{theirs.pk}", False)
    ] * 2
    assert Device.objects.get(pk=theirs.pk).is_trusted


@pytest.mark.parametrize("path", ["1", "a' OR 1=1", "00000000-0000-0000-0000-00000000000g"])
def test_what_is_no_id_is_not_found(client: Browser, at_home: Session, path: str) -> None:
    assert client.delete(f"{URL}/{path}", headers=bearer_of(at_home)).status_code == 404


def test_nobody_is_not_authenticated(client: Browser, db: None) -> None:
    for answer in (
        client.get(URL),
        client.delete(URL),
        client.delete(f"{URL}/{uuid4()}"),
        client.patch(f"{URL}/{uuid4()}", {"name": "x"}, content_type=JSON),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_g01_a_page_needs_its_csrf_token_to_change_anything(
    user: Any, signed_in: Callable[..., Browser], device_of: Make
) -> None:
    device = device_of(user)
    browser = signed_in(user, device=device)
    browser.handler.enforce_csrf_checks = True
    assert browser.get(URL).json()["results"][0]["current"] is True
    for refused in (
        browser.delete(URL),
        browser.delete(f"{URL}/{device.pk}"),
        browser.patch(f"{URL}/{device.pk}", {"name": "x"}, content_type=JSON),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    secret = "c" * 32
    browser.cookies["csrf"] = browser.cookies["csrftoken"] = secret
    named = browser.patch(f"{URL}/{device.pk}", {"name": "x"}, content_type=JSON, headers={"X-CSRFToken": secret})
    assert named.status_code == 200
    assert browser.delete(URL, headers={"X-CSRFToken": secret}).status_code == 204


def test_e17_the_staff_cookie_opens_no_list(user: Any, signed_in: Callable[..., Browser]) -> None:
    assert signed_in(user, Door.STAFF).get(URL).status_code == 401
