"""Redis or the database away, the trail not writable, too many passwords at once."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from accounts import passwords
from accounts.models import User
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, problem
from tests.faults.trail import no_new_events
from tests.http import Visitor
from tests.live import LiveSite
from tests.mailsink import free_port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield listener.getsockname()[1]


@pytest.mark.flow
@pytest.mark.parametrize(
    ("server", "silent", "pool"),
    [
        ("postgresql", False, "on"),
        ("postgresql", True, "off"),
        ("mysql", False, "on"),
        ("mysql", True, "on"),
        pytest.param("postgresql", True, "on", marks=pytest.mark.long),
        pytest.param("postgresql", False, "off", marks=pytest.mark.long),
    ],
)
def test_l02_without_a_database_the_answer_is_503_within_five_seconds(
    make_site: Callable[..., LiveSite], silent_port: int, server: str, silent: bool, pool: str
) -> None:
    port = silent_port if silent else free_port()
    site = make_site(DATABASE_URL=f"{server}://nobody@127.0.0.1:{port}/nothing", DB_POOL=pool)
    site.start_web()
    visitor = Visitor(site)
    assert visitor.get("/config").status == 200  # it needs none
    assert visitor.get("/health/live").status == 200
    for path, body in (
        ("/auth/login", {"email": EMAIL, "password": PASSWORD}),
        ("/auth/otp/verify", {"challenge_id": "x", "code": "123456"}),
    ):
        started = time.monotonic()
        answer = visitor.post(path, body)
        assert time.monotonic() - started < 5
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "service_unavailable", "5")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert server not in str(answer.body) and str(port) not in str(answer.body)
    started = time.monotonic()
    ready = visitor.get("/health/ready")
    assert time.monotonic() - started < 5
    assert ready.status == 503 and ready.body["checks"]["database"]["status"] == "fail"
    assert PASSWORD not in site.log


@pytest.mark.flow
@pytest.mark.every_engine
def test_l06_without_redis_all_works_and_no_limit_is_open(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", WEB_WORKERS="1").start()
    visitor = Visitor(site)
    visitor.sign_up(EMAIL, "192.0.2.1")
    body = visitor.sign_in(EMAIL, "192.0.2.1")
    bearer = {"authorization": f"Bearer {body['access_token']}"}
    assert visitor.get("/auth/session", **bearer).status == 200
    wrong = [visitor.login(EMAIL, "192.0.2.1", "not the password").status for _turn in range(11)]
    assert wrong == [401] * 10 + [429]
    checks = visitor.get("/health").body["checks"]
    assert {name for name, check in checks.items() if check["status"] != "ok"} == {"cache"}


def rows() -> dict[str, list[Any]]:
    """Return every row but the counters of limits and what staff see of failures."""
    left_out = {"gatehouse_counter", "axes_accessattempt"}
    models = [model for model in apps.get_models() if model._meta.db_table not in left_out]
    return {model._meta.db_table: list(model._base_manager.order_by("pk").values()) for model in models}


@pytest.fixture
def broken_trail(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Return what makes the database refuse every further row of the trail."""
    with ExitStack() as until_the_end:
        yield lambda: until_the_end.enter_context(no_new_events())


@pytest.mark.integration
class TestTrailNotWritable:
    """J08: nothing happens that cannot be recorded."""

    def test_nobody_signs_up(self, broken_trail: Callable[[], None]) -> None:
        broken_trail()
        problem("internal_error", 500, Api().register())
        assert not User.objects.exists()

    @pytest.mark.parametrize("step", ["verify", "login", "wrong", "answer", "resend", "send", "logout", "refresh"])
    def test_no_step_is_taken(self, broken_trail: Callable[[], None], step: str) -> None:
        api = Api()
        mailbox = api.mailbox
        UserFactory(email=EMAIL)
        api.register("new@example.com")
        token = mailbox.token("new@example.com")
        challenge = api.challenge()
        code = mailbox.code()
        body = api.sign_in()
        broken_trail()
        before = rows()
        steps: dict[str, Callable[[], Any]] = {
            "verify": lambda: api.post("/auth/verify-email", {"token": token}),
            "login": api.login,
            "wrong": lambda: api.login(password="not the password"),
            "answer": lambda: api.answer(challenge, code),
            "resend": lambda: api.post("/auth/verify-email/resend", {"email": EMAIL}),
            "send": lambda: api.answer(challenge, "000000"),
            "logout": lambda: api.post("/auth/logout", {"refresh_token": body["refresh_token"]}),
            "refresh": lambda: api.post("/auth/refresh", {"refresh_token": body["refresh_token"]}),
        }
        problem("internal_error", 500, steps[step]())
        after = rows()
        attempts = {row["id"]: row.pop("attempts") for row in [*before["accounts_challenge"]]}
        assert all(row.pop("attempts") - attempts[row["id"]] in (0, 1) for row in after["accounts_challenge"])
        assert after == before  # an attempt at a code is taken first and stays taken


@pytest.mark.race
@pytest.mark.integration
def test_a11_a_flood_of_sign_ins_hashes_no_more_than_it_may_at_once(
    transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, race: Any
) -> None:
    settings.ACCOUNTS = {"HASH_CONCURRENCY": 2, "ARGON2_MEMORY": 4096}
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}
    UserFactory(email=EMAIL)
    number = 64 if connection.vendor == "sqlite" else 40  # a server takes a hundred connections in all
    most, now, lock = [0], [0], threading.Lock()

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            try:
                return work(*args, **kwargs)
            finally:
                with lock:
                    now[0] -= 1

        return count

    for name in ("make_password", "verify_password"):
        monkeypatch.setattr(passwords.hashers, name, counted(getattr(passwords.hashers, name)))
    people = [(EMAIL, PASSWORD), (EMAIL, "wrong wrong wrong"), ("nobody@example.com", PASSWORD)]
    calls = [lambda n=n: Api().login(*people[n % 3], ip=f"198.51.100.{n}") for n in range(number)]
    statuses = Counter(one.status_code for one in race(calls))
    assert set(statuses) <= {200, 401, 429, 503}, statuses
    assert 1 <= most[0] <= 2
    assert statuses[200] + statuses[401] > 0


@pytest.mark.integration
def test_a11_whoever_waits_too_long_for_a_hash_is_told_to_come_again(api: Api, settings: Any, mailbox: Mailbox) -> None:
    settings.ACCOUNTS = {"HASH_CONCURRENCY": 1, "HASH_WAIT": passwords.app_settings().HASH_WAIT / 100}
    UserFactory(email=EMAIL)
    with passwords._hashing_slot():
        for answer in (api.login(), api.login("nobody@example.com"), api.register("new@example.com")):
            problem("service_unavailable", 503, answer)
            assert answer["Retry-After"] == "1"
    assert api.login().json()["status"] == "otp_required"
    assert not User.objects.filter(email="new@example.com").exists() and mailbox.subjects()
