"""Devices: known, trusted, forgotten."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import SecurityEvent
from sessions_app import devices
from sessions_app.models import Device, Transport
from sessions_app.signals import new_device_seen


@pytest.fixture
def remember(client_facts: Client) -> Callable[..., devices.Remembered]:
    def call(user: Any, token: str | None = None, **given: Any) -> devices.Remembered:
        facts: dict[str, Any] = {"client": client_facts, "transport": Transport.COOKIE, "now": timezone.now()}
        with transaction.atomic():
            return devices.remember(user=user, token=token, **facts | given)

    return call


Remember = Callable[..., devices.Remembered]


def test_a_browser_is_known_by_its_token(user: Any, client_facts: Client, remember: Remember) -> None:
    first = remember(user)
    assert first.is_new
    assert first.token is not None
    again = remember(user, first.token)
    assert (again.device, again.token, again.is_new) == (first.device, first.token, False)
    assert devices.recognise(user=user, client=client_facts, token=first.token).device == first.device
    assert devices.recognise(user=user, client=client_facts, token="x" * 43).device is None


def test_no_token_is_stored_or_shown(user: Any, remember: Remember) -> None:
    remembered = remember(user)
    assert remembered.token
    assert remembered.token not in str(Device.objects.values().get())
    assert remembered.token not in repr(remembered)


def test_a_client_without_cookies_is_known_by_name_and_network(
    user: Any, client_facts: Client, remember: Remember
) -> None:
    first = remember(user, transport=Transport.BEARER)
    assert first.token is None
    assert not remember(user, transport=Transport.BEARER).is_new
    elsewhere = replace(client_facts, ip="198.51.100.9")
    assert remember(user, transport=Transport.BEARER, client=elsewhere).is_new


def test_a_token_that_nobody_was_given_is_not_taken_over(user: Any, remember: Remember) -> None:
    planted = "p" * 43
    assert remember(user, planted).token != planted


def test_two_people_share_a_browser(make_user: Callable[..., Any], remember: Remember) -> None:
    jane, joe = make_user("jane"), make_user("joe")
    mine = remember(jane)
    theirs = remember(joe, mine.token)
    assert theirs.is_new
    assert theirs.token != mine.token, "what jane may have copied does not know joe"
    assert not remember(jane, theirs.token).is_new
    assert not remember(joe, theirs.token).is_new
    assert remember(joe, mine.token).is_new


def test_a_new_device_is_told_of(user: Any, remember: Remember, events: list[SecurityEvent]) -> None:
    remember(user)
    remember(user)
    assert [(event.action, event.details()["first"]) for event in events] == [
        ("authn_device_added", True),
        ("authn_device_added", False),
    ]


def test_a_host_hears_of_a_new_device_after_the_commit(
    user: Any, client_facts: Client, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[Any] = []

    def hear(**given: Any) -> None:
        heard.append(given["device"])

    new_device_seen.connect(hear)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        found = devices.remember(
            user=user, client=client_facts, token=None, transport=Transport.COOKIE, now=timezone.now()
        )
        assert not heard
    assert heard == [found.device]


def test_trust_lasts_as_long_as_it_says_and_draws_a_new_token(
    user: Any, client_facts: Client, remember: Remember
) -> None:
    remembered, now = remember(user), timezone.now()
    with transaction.atomic():
        token = devices.trust(device=remembered.device, client=client_facts, now=now)
    assert token != remembered.token
    assert devices.is_trusted(user=user, token=token, now=now + timedelta(days=30) - timedelta(seconds=1))
    assert devices.is_trusted(user=user, token=token, now=now + timedelta(days=30)) is None
    assert devices.is_trusted(user=user, token=remembered.token, now=now) is None
    assert devices.is_trusted(user=user, token=None, now=now) is None
    assert devices.is_trusted(user=user, token=remembered.device.secret_hash[:43], now=now) is None


def test_a_device_is_trusted_by_its_own_account_alone(
    make_user: Callable[..., Any], client_facts: Client, remember: Remember
) -> None:
    jane, joe = make_user("jane"), make_user("joe")
    with transaction.atomic():
        token = devices.trust(device=remember(jane).device, client=client_facts, now=timezone.now())
    assert devices.is_trusted(user=joe, token=token, now=timezone.now()) is None


def test_a_known_device_is_found_under_an_older_key(
    user: Any, client_facts: Client, remember: Remember, settings: Any
) -> None:
    token = remember(user).token
    ring = settings.GATEHOUSE["HASH_KEYS"]
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": ("n" * 43, *ring)}
    assert devices.recognise(user=user, client=client_facts, token=token).device is not None


def test_trust_is_withdrawn_from_one_or_from_all(
    user: Any, client_facts: Client, remember: Remember, events: list[SecurityEvent]
) -> None:
    kept = [remember(user).device for _ in range(3)]
    with transaction.atomic():
        for device in kept:
            devices.trust(device=device, client=client_facts, now=timezone.now())
        assert devices.forget(user=user, client=client_facts, device=kept[0]) == 1
        assert devices.forget(user=user, client=client_facts) == 2
        assert devices.forget(user=user, client=client_facts) == 0
    assert [event.details()["devices"] for event in events if event.action == "authn_device_forgotten"] == [1, 2]
    assert Device.objects.count() == 3
