"""The cache of live sessions: it never says more than the database would, and nothing is lost without it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.db import connection, transaction
from django.utils import timezone

from gatehouse.client import Client
from sessions_app import lookup, principal, state_cache, tokens
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.reasons import RevokeReason
from tests.redisserver import OwnRedis

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_engine]
Race = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def redis_server(own_redis: OwnRedis, settings: Any) -> Iterator[OwnRedis]:
    patience = timedelta(seconds=5)  # a busy machine is no slow Redis
    settings.SESSIONS = settings.SESSIONS | {"CACHE_URL": own_redis.url, "CACHE_PATIENCE": patience}
    state_cache.forget_failures()
    yield own_redis
    state_cache.forget_failures()
    state_cache._client.cache_clear()


@pytest.fixture
def revoke(client_facts: Client) -> Callable[[Session], bool]:
    def end(session: Session) -> bool:
        with transaction.atomic(durable=True):
            return sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts)

    return end


def now() -> Any:
    return timezone.now()


def seen(session: Session) -> Session:
    found = principal.current(session.pk, now())
    assert found is not None
    return found


def kept(server: OwnRedis, session: Session) -> bytes | None:
    value: bytes | None = server.client.get(state_cache._key(session.pk))
    return value


def is_cached(server: OwnRedis, session: Session) -> bool:
    return (kept(server, session) or b"").startswith(b"s")


def is_live(session: Session) -> bool:
    return principal.end_of(seen(session), now()) is None


def test_the_second_look_asks_the_database_for_nothing(session: Session, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        first = seen(session)
    with django_assert_num_queries(0):
        second = seen(session)
        assert (second, second.user) == (first, first.user)
        left_out = first.get_deferred_fields() | {"user"}
        for name in {field.attname for field in Session._meta.concrete_fields} - left_out:
            assert getattr(second, name) == getattr(first, name)
        for field in first.user._meta.concrete_fields:
            if field.attname not in first.user.get_deferred_fields():
                assert getattr(second.user, field.attname) == getattr(first.user, field.attname)


def test_a_request_with_a_token_asks_for_nothing(client: Any, session: Session, django_assert_num_queries: Any) -> None:
    headers = {"Authorization": f"Bearer {tokens.access_for(session)}"}
    first = client.get("/api/v1/auth/session", headers=headers)
    assert first.status_code == 200
    with django_assert_num_queries(0):
        again = client.get("/api/v1/auth/session", headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())


def test_nothing_secret_lies_in_redis(session: Session, redis_server: OwnRedis) -> None:
    session.user.set_password("correct horse battery staple")
    session.user.save()
    seen(session)
    value = kept(redis_server, session)
    assert value is not None and value.startswith(b"s")
    session.refresh_from_db()
    assert session.user.password.encode() not in value and b"argon2" not in value
    assert session.refresh_id.hex.encode() not in value and str(session.refresh_id).encode() not in value
    assert seen(session).user.password == session.user.password  # who asks for it gets it, from the database


def test_a_state_lives_five_seconds_from_the_question_on_at_most(session: Session, redis_server: OwnRedis) -> None:
    seen(session)
    life = redis_server.client.pttl(state_cache._key(session.pk))
    assert 0 < life <= state_cache.STATE
    assert state_cache.STATE + state_cache.LEASE <= 5_000 and state_cache.TOMBSTONE > state_cache.LEASE


def test_a_session_that_ended_is_not_kept(session: Session, redis_server: OwnRedis, revoke: Any) -> None:
    revoke(session)
    redis_server.client.flushall()
    assert not is_live(session) and not is_cached(redis_server, session)


@pytest.mark.parametrize("change", ["revoke", "revoke_all", "touch", "prove", "rotate", "account"])
def test_every_change_is_seen_at_the_next_request(
    session: Session, redis_server: OwnRedis, client_facts: Client, change: str
) -> None:
    raw = tokens.issue(session).refresh_token
    seen(session)
    assert is_cached(redis_server, session)
    later = now() + timedelta(minutes=2)
    with transaction.atomic():
        match change:
            case "revoke":
                sessions.revoke(session, reason=RevokeReason.STAFF, client=client_facts)
            case "revoke_all":
                sessions.revoke_all(user=session.user, reason=RevokeReason.STAFF, client=client_facts)
            case "prove":
                sessions.reauthenticated(session, ["totp"], later)
            case "account":
                session.user.set_role("admin")
                session.user.save()
                sessions.forget_state(user=session.user)
            case "touch":
                sessions.touch(session, client_facts, later)
    if change == "rotate":
        sessions.rotate(raw_refresh=raw, client=client_facts)
    assert kept(redis_server, session) == b"t"
    row, known = principal.find(session.pk), seen(session)
    for name in ("revoked_at", "last_used_at", "authenticated_at", "factors", "idle_expires_at"):
        assert getattr(known, name) == getattr(row, name), name
    assert known.user.role == row.user.role
    assert kept(redis_server, session) == b"t"  # no reader writes over it


def test_a_slow_reader_never_puts_a_revoked_session_back(
    session: Session, redis_server: OwnRedis, revoke: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader stands between its look into the database and its store while the session is revoked."""
    ask = lookup.ask

    def slow(sid: Any, columns: Any) -> Any:
        values = ask(sid, columns)
        monkeypatch.undo()
        assert revoke(session)
        return values

    monkeypatch.setattr(lookup, "ask", slow)
    assert principal.end_of(seen(session), now()) is None  # it was asked before the end, and may answer so once
    assert kept(redis_server, session) == b"t"
    assert not is_live(session)


@pytest.mark.parametrize("lost", ["lease", "tombstone", "everything"])
def test_nor_does_it_where_redis_forgot_meanwhile(
    session: Session, redis_server: OwnRedis, revoke: Any, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """L07: its lease ran out before the end, the tombstone ran out before its store, or Redis was emptied."""
    ask, key = lookup.ask, state_cache._key(session.pk)

    def slow(sid: Any, columns: Any) -> Any:
        values = ask(sid, columns)
        monkeypatch.undo()
        if lost == "lease":
            redis_server.client.delete(key)
        revoke(session)
        if lost == "tombstone":
            redis_server.client.delete(key)
            redis_server.client.set(key, b"l another reader's", px=1000)
        if lost == "everything":
            redis_server.client.flushall()
        return values

    monkeypatch.setattr(lookup, "ask", slow)
    seen(session)
    assert not is_cached(redis_server, session)
    assert not is_live(session)


@pytest.mark.race
def test_of_two_hundred_that_read_and_revoke_at_once_none_leaves_a_live_state(
    user: Any, open_session: Any, redis_server: OwnRedis, revoke: Any, race: Race
) -> None:
    for turn in range(25):
        session = open_session(user)
        readers: list[Callable[[], Any]] = [lambda s=session: seen(s).pk for _ in range(7)]
        readers.insert(turn % 8, lambda s=session: revoke(s))
        results = race(readers)
        assert not [one for one in results if isinstance(one, Exception)], results
        assert not is_live(session)
        assert not is_cached(redis_server, session)


def test_l07_an_emptied_redis_revives_nobody_and_loses_nobody(
    user: Any, open_session: Any, redis_server: OwnRedis, revoke: Any
) -> None:
    ended, going_on = open_session(user), open_session(user)
    assert is_live(ended) and is_live(going_on)
    revoke(ended)
    redis_server.client.flushall()
    assert (is_live(ended), is_live(going_on)) == (False, True)


def test_a_dead_redis_is_noticed_by_nobody(session: Session, redis_server: OwnRedis, revoke: Any) -> None:
    """L06: the database answers; the end stands, and that Redis did not hear of it is logged and counted."""
    assert is_live(session) and is_cached(redis_server, session)
    redis_server.kill()
    assert is_live(session)
    with structlog.testing.capture_logs() as lines:
        assert revoke(session)
    said = [line["event"] for line in lines if line["event"] != "audit event"]
    assert said == ["session_cache_unavailable", "session_tombstone_lost"]
    assert not is_live(session)
    assert state_cache.lost(now()) == 1
    redis_server.start()
    assert not is_live(session)


def test_a_tombstone_is_tried_while_reads_rest(session: Session, redis_server: OwnRedis, revoke: Any) -> None:
    seen(session)
    state_cache._rest("read", OSError())
    revoke(session)
    assert kept(redis_server, session) == b"t"
    assert state_cache.lost(now()) == 0


def test_l08_a_slow_redis_costs_its_patience_once(
    session: Session, redis_server: OwnRedis, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.SESSIONS = settings.SESSIONS | {"CACHE_PATIENCE": timedelta(milliseconds=50)}
    state_cache._client.cache_clear()
    redis_server.client.execute_command("CLIENT", "PAUSE", "3000")
    with structlog.testing.capture_logs() as lines:
        for _turn in range(20):
            assert is_live(session)
    assert [line["event"] for line in lines] == ["session_cache_unavailable"]


def test_a_refusal_is_always_the_databases_own(session: Session, redis_server: OwnRedis) -> None:
    """A host moved the end with an UPDATE of its own: the state is past its clock, the row is not."""
    Session.objects.filter(pk=session.pk).update(idle_expires_at=now() + timedelta(seconds=1))
    seen(session)
    assert is_cached(redis_server, session)
    Session.objects.filter(pk=session.pk).update(idle_expires_at=now() + timedelta(days=1))
    found = principal.current(session.pk, now() + timedelta(seconds=2))
    assert found is not None and principal.end_of(found, now() + timedelta(seconds=2)) is None


def test_inside_a_transaction_the_database_is_asked(session: Session, redis_server: OwnRedis) -> None:
    with transaction.atomic():
        seen(session)
    assert kept(redis_server, session) is None
    seen(session)
    with transaction.atomic():
        Session.objects.filter(pk=session.pk).update(revoked_at=now(), revoked_reason=RevokeReason.STAFF)
        assert not is_live(session)


def test_a_state_of_other_columns_is_not_read(session: Session, redis_server: OwnRedis) -> None:
    """Another release may know other columns; its states mean nothing here."""
    seen(session)
    value = lookup.pack(lookup.usual(), [None] * len(lookup.usual().names))
    strange = b"\0" * 8 + value[8:]
    redis_server.client.set(state_cache._key(session.pk), b"s" + state_cache._sealed(session.pk, strange))
    assert state_cache.look(session.pk).state == strange
    assert is_live(session)


def test_without_the_setting_redis_hears_nothing(
    session: Session, redis_server: OwnRedis, settings: Any, revoke: Any
) -> None:
    settings.SESSIONS = settings.SESSIONS | {"CACHE_URL": ""}
    assert is_live(session)
    revoke(session)
    assert redis_server.client.dbsize() == 0 and connection.vendor
