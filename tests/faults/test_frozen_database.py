"""A database that goes silent while it is in use: refused within 5 seconds at every door, and served again after."""

import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.factories import EMAIL, PASSWORD
from tests.faults.frozen import Wire
from tests.http import Answer, Visitor
from tests.live import LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

WITHIN = 5.0  # seconds
WRONG = "not the password at all"


@pytest.fixture(scope="module", params=["on", "off"])
def wired(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Visitor, Wire]]:
    """A site that has served people, with PostgreSQL's pool and without, and the wire to its database."""
    folder = tmp_path_factory.mktemp("wired")
    site = LiveSite(folder, WEB_WORKERS="1", LOG_LEVEL="WARNING", LIMITS_SCALE="1000", DB_POOL=request.param)
    if site.database.engine != "postgresql" and (site.database.engine == "sqlite3" or request.param == "off"):
        site.mails.stop()
        pytest.skip("SQLite has no server, and only PostgreSQL has a pool")
    wire = Wire(site.database.url)
    site.env["DATABASE_URL"] = wire.url
    try:
        visitor = Visitor(site.start())
        visitor.sign_up(EMAIL, "192.0.2.1")
        yield visitor, wire
    finally:
        wire.close()
        site.stop()


@pytest.fixture
def frozen(wired: tuple[Visitor, Wire]) -> Iterator[tuple[Visitor, Wire]]:
    """The same, with several connections open, and left as it was found."""
    visitor, wire = wired
    every = visitor.all([lambda: visitor.login("nobody@example.com", "192.0.2.2")] * 6)
    assert {one.status for one in every} == {401}
    yield visitor, wire
    wire.thaw()
    recovered(visitor)


def recovered(visitor: Visitor) -> None:
    """Wait until the site serves again, without a restart."""
    end = time.monotonic() + 15
    while (answer := visitor.login(EMAIL, "192.0.2.9", PASSWORD)).status == 503:
        assert time.monotonic() < end, answer
        time.sleep(0.2)
    assert answer.status == 200
    assert visitor.get("/health/ready").status == 200


def timed(call: Callable[[], Answer]) -> tuple[float, Answer]:
    started = time.monotonic()
    answer = call()
    return time.monotonic() - started, answer


def refused(call: Callable[[], Answer]) -> None:
    """Hold *call* to a refusal in time that says when to come again and nothing of what is behind."""
    took, answer = timed(call)
    assert took < WITHIN, took
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "service_unavailable", "5")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "timeout" not in str(answer.body).lower()


def page(site: LiveSite, path: str) -> tuple[float, int, str, dict[str, str]]:
    started = time.monotonic()
    with closing(http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)) as link:
        link.request("GET", path, headers={"Cookie": f"session={'x' * 32}", "Accept": "text/html"})
        answer = link.getresponse()
        text = answer.read().decode()
    return time.monotonic() - started, answer.status, text, dict(answer.getheaders())


def test_l02_a_database_that_goes_silent_is_503_within_five_seconds(frozen: tuple[Visitor, Wire]) -> None:
    visitor, wire = frozen
    wire.freeze()
    for _turn in range(2):  # once with the connections that were in use, once with none
        refused(lambda: visitor.login(EMAIL, "192.0.2.1"))
        refused(lambda: visitor.post("/auth/otp/verify", {"challenge_id": "x", "code": "123456"}))
    took, status, text, headers = page(visitor.site, "/account/security")
    assert took < WITHIN and (status, headers["Retry-After"]) == (503, "5")
    assert headers["Content-Type"].startswith("text/html") and "Traceback" not in text
    took, ready = timed(lambda: visitor.get("/health/ready"))
    assert took < WITHIN and ready.status == 503 and ready.body["checks"]["database"]["status"] == "fail"
    took, live = timed(lambda: visitor.get("/health/live"))
    assert took < 1 and live.status == 200


def test_l02_many_at_once_are_refused_in_time_too(frozen: tuple[Visitor, Wire]) -> None:
    visitor, wire = frozen
    wire.freeze()
    calls = [lambda n=n: visitor.login(f"{n}@example.com", f"192.0.2.{n}") for n in range(8)]
    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(refused, calls))
    wire.thaw()
    recovered(visitor)


# What a statement names or, where it was prepared before, is given.
@pytest.mark.parametrize("word", ["gatehouse_counter", "axes_accessattempt", EMAIL, "authn_login_fail"])
def test_l02_a_database_that_goes_silent_in_the_middle_of_a_request(frozen: tuple[Visitor, Wire], word: str) -> None:
    visitor, wire = frozen
    wire.freeze_at = word.encode()
    refused(lambda: visitor.login(EMAIL, "192.0.2.1", WRONG))
    assert wire.is_frozen


def test_l03_a_web_process_waits_less_than_a_command(frozen: tuple[Visitor, Wire]) -> None:
    """What nobody waits for may take longer than a request may."""
    visitor, _wire = frozen
    sleep = "SELECT SLEEP(6)" if visitor.site.database.engine == "mysql" else "SELECT 1 FROM pg_sleep(6)"
    took = time.monotonic()
    script = f"from django.db import connection; connection.cursor().execute({sleep!r})"
    visitor.site.manage("shell", "--verbosity=0", "-c", script)
    assert time.monotonic() - took > 6
