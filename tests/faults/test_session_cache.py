"""The cache of sessions at a real server of two processes: ends hold at the next request, whatever Redis does."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.factories import EMAIL
from tests.http import Visitor
from tests.live import LiveSite
from tests.redisserver import OwnRedis

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

_LOST = "SELECT hits FROM gatehouse_counter WHERE {} = 'lost:session-tombstones'"


@pytest.fixture
def visitor(make_site: Callable[..., LiveSite], own_redis: OwnRedis) -> Visitor:
    cache = {"REDIS_URL": own_redis.url, "SESSION_CACHE": "true", "SESSION_CACHE_PATIENCE": "5s"}  # a busy machine
    site = make_site(WEB_WORKERS="2", LIMITS_SCALE="1000", TRUSTED_PROXIES="1", **cache)
    visitor = Visitor(site.start())
    visitor.sign_up(EMAIL, "192.0.2.1")
    return visitor


def ask(visitor: Visitor, bearer: dict[str, str], times: int = 16) -> Counter[int]:
    """Ask as often as it takes for both processes to have answered, and count the answers."""
    return Counter(one.status for one in visitor.all([lambda: visitor.get("/auth/session", **bearer)] * times))


def test_an_end_holds_at_the_next_request_of_every_process(visitor: Visitor, own_redis: OwnRedis) -> None:
    for turn in range(3):
        body = visitor.sign_in(EMAIL, "192.0.2.1", number=turn + 2)
        bearer = {"authorization": f"Bearer {body['access_token']}"}
        assert ask(visitor, bearer) == {200: 16}
        assert [key for key in own_redis.client.keys("gatehouse-session:*") if own_redis.client.get(key)[:1] == b"s"]
        assert visitor.post("/auth/logout", {"refresh_token": body["refresh_token"]}).status == 204
        assert ask(visitor, bearer) == {401: 16}


def test_a_redis_that_dies_in_the_middle_changes_no_answer(visitor: Visitor, own_redis: OwnRedis) -> None:
    """L06, L07: answers while Redis dies, is away and comes back are those that the database gives."""
    ended = visitor.sign_in(EMAIL, "192.0.2.1", number=2)
    kept = visitor.sign_in(EMAIL, "192.0.2.1", number=3)
    first, second = ({"authorization": f"Bearer {body['access_token']}"} for body in (ended, kept))
    answers: list[int] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(visitor.get("/auth/session", **second).status)

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert ask(visitor, first) == {200: 16}
        own_redis.kill()
        assert ask(visitor, first) == {200: 16}
        assert visitor.post("/auth/logout", {"refresh_token": ended["refresh_token"]}).status == 204
        assert ask(visitor, first) == {401: 16}
        own_redis.start()
        time.sleep(6)  # what a process leaves alone after a failure, it asks again
        assert ask(visitor, first) == {401: 16}
        assert ask(visitor, second) == {200: 16}
        assert own_redis.client.keys("gatehouse-session:*")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {200} and len(answers) > 10
    quoted = "`key`" if visitor.site.database.engine == "mysql" else '"key"'
    assert visitor.site.query(_LOST.format(quoted)) == [(1,)]
    assert "session_tombstone_lost" in visitor.site.log
