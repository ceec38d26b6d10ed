"""E13: what somebody writes into Redis by himself is no session: nothing there is believed without our seal."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import lookup, principal, state_cache
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from tests.redisserver import OwnRedis

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def redis_server(own_redis: OwnRedis, settings: Any) -> Iterator[OwnRedis]:
    settings.SESSIONS = settings.SESSIONS | {"CACHE_URL": own_redis.url, "CACHE_PATIENCE": timedelta(seconds=2)}
    state_cache.forget_failures()
    yield own_redis
    state_cache.forget_failures()
    state_cache._client.cache_clear()


@pytest.fixture
def session(user: Any, open_session: Any) -> Session:
    found: Session = open_session(user)
    return found


@pytest.fixture
def revoke(client_facts: Client) -> Callable[[Session], None]:
    def call(session: Session) -> None:
        with transaction.atomic():
            assert sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts)

    return call


def seen(session: Session) -> Session:
    found = principal.current(session.pk, timezone.now())
    assert found is not None
    return found


def put(server: OwnRedis, session: Session, value: bytes) -> None:
    server.client.set(state_cache._key(session.pk), value)


def kept(server: OwnRedis, session: Session) -> bytes:
    seen(session)
    value: bytes = server.client.get(state_cache._key(session.pk))
    assert value[:1] == b"s"
    return value


def test_e13_a_state_of_another_s_account_makes_nobody_of_him(
    session: Session, make_user: Callable[..., Any], redis_server: OwnRedis
) -> None:
    boss, columns = make_user("boss"), lookup.usual()
    told = dict(zip(columns.names, lookup.ask(session.pk, columns) or [], strict=True))
    told |= {f"user__{field.attname}": getattr(boss, field.attname) for field in columns.user}
    forged = lookup.pack(columns, list((told | {"user_id": boss.pk}).values()))
    for value in (forged, b"\0" * 32 + b"\xff" * 8 + forged, kept(redis_server, session)[1:41] + forged):
        put(redis_server, session, b"s" + value)
        assert seen(session).user.pk == session.user_id


@pytest.mark.parametrize("junk", [b"s", b"sx", b"s" + b"\0" * 40, b"s" + b"\xff" * 100, b"", b"\x80\x04N."])
def test_e13_junk_is_nothing(session: Session, redis_server: OwnRedis, junk: bytes) -> None:
    put(redis_server, session, junk)
    assert seen(session).user.pk == session.user_id


def test_e13_the_state_of_one_session_is_none_of_another(
    user: Any, open_session: Any, session: Session, redis_server: OwnRedis, revoke: Any
) -> None:
    other = open_session(user)
    value = kept(redis_server, other)
    revoke(session)
    put(redis_server, session, value)
    assert seen(session).is_revoked


def test_e13_a_state_that_somebody_keeps_ends_all_the_same(
    session: Session, redis_server: OwnRedis, revoke: Any
) -> None:
    value = kept(redis_server, session)
    revoke(session)
    with time_machine.travel(timezone.now() + timedelta(milliseconds=state_cache.STATE + 1), tick=False):
        put(redis_server, session, value)
        assert seen(session).is_revoked


def test_a_state_is_read_under_every_key_of_the_ring(
    session: Session, redis_server: OwnRedis, settings: Any, django_assert_num_queries: Any
) -> None:
    kept(redis_server, session)
    ring = settings.GATEHOUSE["HASH_KEYS"]
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": ("n" * 43, *ring)}
    with django_assert_num_queries(0):
        seen(session)
