"""Refreshes beside every way to end sessions, over the network: what has ended when its end returns opens nothing.

Two hundred at once on PostgreSQL, fewer on the others.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from tests.http import Answer, Visitor
from tests.live import LiveSite
from tests.mailsink import text_of

pytestmark = [pytest.mark.flow, pytest.mark.every_engine, pytest.mark.timeout(300)]

WAYS = 200 if connection.vendor == "postgresql" else 24
IP = "203.0.113.9"
NEW = "a long and quiet river"
PATIENCE = 60.0
BUSY = 503  # SQLite has one writer, and says so to whom it let wait for seconds
_LINK = re.compile(r"/account/password/reset/([\w-]{43})\r?$", re.MULTILINE)

_OPEN = """
import json
from django.db import transaction
from accounts.models import User
from gatehouse.client import Client
from sessions_app import services as sessions, tokens
from sessions_app.models import Door, Transport
user = User.objects.get(email='{email}')
for _ in range({number}):
    with transaction.atomic():
        one = sessions.open(user=user, client=Client.local('test'), door=Door.API, transport=Transport.BEARER,
                            factors=['password'])
    given = tokens.issue(one)
    print(json.dumps({{'refresh': given.refresh_token, 'access': given.access_token}}))
"""
_DISABLE = """
from accounts.models import User
from accounts.roles import Role
from accounts.services import lifecycle
from gatehouse.client import Client
boss = User.objects.get(email='{boss}')
boss.set_role(Role.SUPER_ADMIN)
boss.save()
lifecycle.disable(target=User.objects.get(email='{email}'), by=boss, reason='a race', client=Client.local('test'))
"""


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    env = {"WEB_WORKERS": "2", "WEB_THREADS": "12", "DB_POOL_MAX": "12", "LIMITS_SCALE": "1000"}
    site = LiveSite(tmp_path_factory.mktemp("ends"), TRUSTED_PROXIES="1", LOG_LEVEL="WARNING", **env)
    yield Visitor(site.start())
    site.stop()


@dataclass
class Chain:
    """A client that refreshes again and again, until it is refused."""

    visitor: Visitor
    refresh: str
    access: str
    answers: list[tuple[float, Answer]] = field(default_factory=list)  # with when each was asked for

    def run(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            asked = time.monotonic()
            answer = self.visitor.post("/auth/refresh", {"refresh_token": self.refresh}, IP)
            self.answers.append((asked, answer))
            if answer.status == BUSY:
                continue
            if answer.status != 200:
                return
            self.refresh, self.access = answer.body["refresh_token"], answer.body["access_token"]

    @property
    def seen(self) -> list[str]:
        """What the last tokens it was given open once all is over."""
        refreshed = self.visitor.post("/auth/refresh", {"refresh_token": self.refresh}, IP)
        used = self.visitor.get("/auth/session", IP, Authorization=f"Bearer {self.access}")
        return [refreshed.code, used.code]


@dataclass
class Race:
    """An account with many sessions, each of which a client goes on refreshing."""

    visitor: Visitor
    email: str
    chains: list[Chain]

    def run(self, end: Callable[[], Any]) -> float:
        """Let all go, *end* in the middle of them; return when it was through."""
        barrier = threading.Barrier(len(self.chains) + 1)

        def go(chain: Chain) -> None:
            barrier.wait(PATIENCE)
            chain.run()

        with ThreadPoolExecutor(len(self.chains)) as pool:
            going = [pool.submit(go, chain) for chain in self.chains]
            barrier.wait(PATIENCE)
            end()
            through = time.monotonic()
            for one in going:
                one.result()
        return through


@pytest.fixture
def crowd(visitor: Visitor) -> Race:
    email = f"{uuid4().hex}@example.com"
    visitor.sign_up(email, IP)
    return Race(visitor, email, [Chain(visitor, **given) for given in opened(visitor, email, WAYS)])


def opened(visitor: Visitor, email: str, number: int) -> list[dict[str, str]]:
    done = visitor.site.manage("shell", "--verbosity=0", "-c", _OPEN.format(email=email, number=number))
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def live(visitor: Visitor, email: str) -> int:
    (found,) = visitor.site.query(
        "SELECT COUNT(*) FROM sessions_app_session s JOIN accounts_user u ON u.id = s.user_id "
        f"WHERE s.revoked_at IS NULL AND u.email = '{email}'"
    )
    return int(found[0])


def by_its_owner(crowd: Race) -> Callable[[], Any]:
    access = opened(crowd.visitor, crowd.email, 1)[0]["access"]
    asked = {"include_current": True}

    def end() -> None:
        answer = crowd.visitor.post("/sessions/revoke-all", asked, IP, Authorization=f"Bearer {access}")
        assert (answer.status, answer.body) == (200, {"revoked": WAYS + 1})

    return end


def by_an_operator(crowd: Race) -> Callable[[], Any]:
    return lambda: crowd.visitor.site.manage("sessions", "revoke", "--user", crowd.email, "--reason", "a race")


def by_the_end_of_the_account(crowd: Race) -> Callable[[], Any]:
    boss = f"{uuid4().hex}@example.com"
    crowd.visitor.sign_up(boss, IP)
    script = _DISABLE.format(boss=boss, email=crowd.email)
    return lambda: crowd.visitor.site.manage("shell", "--verbosity=0", "-c", script)


def by_a_new_password(crowd: Race) -> Callable[[], Any]:
    assert crowd.visitor.post("/auth/password/forgot", {"email": crowd.email}, IP).status == 202
    found = _LINK.search(text_of(crowd.visitor.site.mails.wait_for(crowd.email, 2)))
    assert found
    token = found[1]

    def end() -> None:
        answer = crowd.visitor.post("/auth/password/reset", {"token": token, "new_password": NEW}, IP)
        assert answer.status == 200, answer

    return end


@pytest.mark.parametrize("by", [by_its_owner, by_an_operator, by_the_end_of_the_account, by_a_new_password])
def test_e08_no_session_survives_its_end_beside_refreshes(crowd: Race, by: Callable[[Race], Callable[[], Any]]) -> None:
    through = crowd.run(by(crowd))
    answers = [one for chain in crowd.chains for one in chain.answers]
    seen = Counter(answer.code for _, answer in answers if connection.vendor != "sqlite" or answer.status != BUSY)
    assert set(seen) <= {"200", "session_revoked"}, seen
    assert any(answer.status == 200 for _, answer in answers)
    assert not [answer for asked, answer in answers if asked > through and answer.status == 200]
    assert live(crowd.visitor, crowd.email) == 0
    after = crowd.visitor.all([lambda chain=chain: chain.seen for chain in crowd.chains])
    assert Counter(code for codes in after for code in codes) == {"session_revoked": 2 * WAYS}


def test_e08_no_session_survives_signing_out_beside_a_refresh(visitor: Visitor) -> None:
    """A hundred pairs at once, each a refresh and a sign-out by one token: Keycloak 51312."""
    email = f"{uuid4().hex}@example.com"
    visitor.sign_up(email, IP)
    given = opened(visitor, email, WAYS // 2)
    asked = [(path, {"refresh_token": one["refresh"]}) for one in given for path in ("/auth/refresh", "/auth/logout")]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda call: visitor.post(call[0], call[1], IP), asked))
    refreshed, left = answers[::2], answers[1::2]
    assert {answer.status for answer in left} == {204}
    assert {answer.code for answer in refreshed} <= {"200", "session_revoked"}
    assert live(visitor, email) == 0
    chains = [Chain(visitor, one["refresh"], one["access"]) for one in given]
    chains += [Chain(visitor, a.body["refresh_token"], a.body["access_token"]) for a in refreshed if a.status == 200]
    seen = visitor.all([lambda chain=chain: chain.seen for chain in chains])
    assert {code for codes in seen for code in codes} == {"session_revoked"}


def test_e02_fifty_refreshes_of_one_token_over_two_processes_give_one_successor(visitor: Visitor) -> None:
    email = f"{uuid4().hex}@example.com"
    visitor.sign_up(email, IP)
    (given,) = opened(visitor, email, 1)
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda _: visitor.post("/auth/refresh", {"refresh_token": given["refresh"]}, IP), range(50))
        )
    assert {answer.status for answer in answers} == {200}
    (successor,) = {answer.body["refresh_token"] for answer in answers}
    assert len({answer.body["access_token"] for answer in answers}) == 50
    (rotation,) = visitor.site.query(
        f"SELECT rotation FROM sessions_app_session s JOIN accounts_user u ON u.id = s.user_id WHERE email = '{email}'"
    )
    assert rotation[0] == 1
    assert visitor.post("/auth/refresh", {"refresh_token": successor}, IP).status == 200


def test_e09_signing_in_beside_the_end_of_all_over_the_network(visitor: Visitor) -> None:
    """Whatever was opened before the cut is dead; what was opened after it lives; nobody waits in a ring."""
    email = f"{uuid4().hex}@example.com"
    visitor.sign_up(email, IP)
    trusted = visitor.sign_in(email, IP, trust_device=True)
    headers = {"Authorization": f"Bearer {trusted['access_token']}"}

    def enter() -> Answer:
        return visitor.login(email, IP, trust_token=trusted["trust_token"])

    def cut() -> Answer:
        return visitor.post("/sessions/revoke-all", {"include_current": True}, IP, **headers)

    with ThreadPoolExecutor(21) as pool:
        going = [pool.submit(enter) for _ in range(10)]
        ended = pool.submit(cut)
        going += [pool.submit(enter) for _ in range(10)]
        answers = [one.result() for one in going]
    assert ended.result().status == 200
    assert {answer.status for answer in answers} == {200}
    entered = [answer.body["session"]["id"] for answer in answers if answer.body["status"] == "authenticated"]
    rows = visitor.site.query(
        "SELECT s.created_at, s.revoked_at FROM sessions_app_session s JOIN accounts_user u ON u.id = s.user_id "
        f"WHERE u.email = '{email}'"
    )
    assert len(rows) == len(entered) + 1
    moments = {revoked for _, revoked in rows if revoked}  # all others at once, then the one at hand
    assert 1 <= len(moments) <= 2
    assert all(created >= max(moments) for created, revoked in rows if not revoked)
    assert all(created <= min(moments) for created, revoked in rows if revoked)
