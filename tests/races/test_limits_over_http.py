"""Ten times each limit, in parallel, at a real server: exactly the limit gets through.

The larger limits are tried at a tenth of their numbers, and at the full ones with ``--long``.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from gatehouse.limits import LIMITS
from tests.http import Answer, Visitor
from tests.live import LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

WRONG = "not the password at all"
_A_MINUTE_AGO = (
    "from datetime import timedelta; from django.utils import timezone; from accounts.models import Challenge; "
    "Challenge.objects.filter(pk='{}').update(last_sent_at=timezone.now() - timedelta(minutes=1))"
)
_SENDS = "SELECT sends FROM accounts_challenge WHERE CAST(id AS CHAR(36)) IN ('{}', '{}')"
LARGE = 30  # limits above this take a while at their full number
# Reached through the staff area, by a mailed link, or by a page alone: tried there.
ELSEWHERE = {"staff_ip", "login_unlocked", "disavow_account", "export_account"}
ELSEWHERE |= {name for name in LIMITS if name.startswith("role_")}  # tests/accounts/api/test_role_limits.py
ELSEWHERE |= {"service_key", "wide_service_ip"}  # tests/audit/api/test_writing.py
Call = Callable[[int], Answer]
_addresses = itertools.count(1)


def new_ip() -> str:
    """Return an address that nobody has come from."""
    number = next(_addresses)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


def _start(folder: Any, **env: str) -> Visitor:
    site = LiveSite(folder, TRUSTED_PROXIES="1", WEB_THREADS="12", DB_POOL_MAX="12", LOG_LEVEL="WARNING", **env)
    return Visitor(site.start())


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A site with every limit as in the table, served by two processes."""
    visitor = _start(tmp_path_factory.mktemp("full"), WEB_WORKERS="2")
    yield visitor
    visitor.site.stop()


@pytest.fixture(scope="module")
def tenth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A site with every limit at a tenth; one process, since what memory counts is counted by each."""
    visitor = _start(tmp_path_factory.mktemp("tenth"), LIMITS_SCALE="0.1", WEB_WORKERS="1")
    yield visitor
    visitor.site.stop()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A site without a pause between two codes, served by two processes; what is scaled is out of the way."""
    folder = tmp_path_factory.mktemp("hasty")
    visitor = _start(folder, WEB_WORKERS="2", OTP_RESEND_AFTER="0s", OTP_SENDS="4", LIMITS_SCALE="1000")
    yield visitor
    visitor.site.stop()


class Tries:
    """For each limit a maker of the call that is counted by it, and by no stricter one."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor

    def member(self, **more: Any) -> tuple[str, dict[str, Any]]:
        email, ip = new_email(), new_ip()
        self.visitor.sign_up(email, ip)
        return email, self.visitor.sign_in(email, ip, **more)

    def register_ip(self) -> Call:
        ip = new_ip()
        asked = {"password": "a fine long password", "accept_terms": True}
        return lambda n: self.visitor.post("/auth/register", asked | {"email": new_email()}, ip)

    def register_address(self) -> Call:
        asked = {"email": new_email(), "password": "a fine long password", "accept_terms": True}
        return lambda n: self.visitor.post("/auth/register", asked, new_ip())

    def login_ip(self) -> Call:
        ip = new_ip()
        return lambda n: self.visitor.login(new_email(), ip, WRONG)

    def login_address_ip(self) -> Call:
        email, ip = new_email(), new_ip()
        return lambda n: self.visitor.login(email, ip, WRONG)

    def login_address(self) -> Call:
        email = new_email()
        return lambda n: self.visitor.login(email, new_ip(), WRONG)

    def login_device(self) -> Call:
        email, body = self.member(trust_device=True)
        return lambda n: self.visitor.login(email, new_ip(), WRONG, trust_token=body["trust_token"])

    def code_send_ip(self) -> Call:
        ip = new_ip()
        return lambda n: self.visitor.post("/auth/otp/send", {"challenge_id": str(uuid4())}, ip)

    def code_send_account(self) -> Call:
        email = new_email()
        self.visitor.sign_up(email, new_ip())
        return lambda n: self.visitor.login(email, new_ip())

    def code_verify_ip(self) -> Call:
        ip = new_ip()
        return lambda n: self.visitor.post("/auth/otp/verify", {"challenge_id": str(uuid4()), "code": "1"}, ip)

    def code_account(self) -> Call:
        email = new_email()
        self.visitor.sign_up(email, new_ip())
        challenges = [self.visitor.challenge(email, new_ip()) for _turn in range(LIMITS["code_send_account"].number)]

        def answer(number: int) -> Answer:
            asked = {"challenge_id": challenges[number % len(challenges)], "code": "x"}
            return self.visitor.post("/auth/otp/verify", asked, new_ip())

        return answer

    def resend_ip(self) -> Call:
        ip = new_ip()
        return lambda n: self.visitor.post("/auth/verify-email/resend", {"email": new_email()}, ip)

    def resend_address(self) -> Call:
        email = new_email()
        return lambda n: self.visitor.post("/auth/verify-email/resend", {"email": email}, new_ip())

    def link_ip(self) -> Call:
        ip = new_ip()
        return lambda n: self.visitor.post("/auth/verify-email", {"token": "x" * 43}, ip)

    def refresh_ip(self) -> Call:
        ip = new_ip()
        return lambda n: self.visitor.post("/auth/refresh", {"refresh_token": "x"}, ip)

    def reauth_account(self) -> Call:
        bearer = {"authorization": f"Bearer {self.member()[1]['access_token']}"}
        return lambda n: self.visitor.post("/auth/reauthenticate", {"password": WRONG}, new_ip(), **bearer)

    def address_account(self) -> Call:
        bearer = {"authorization": f"Bearer {self.member()[1]['access_token']}"}
        return lambda n: self.visitor.post("/me/email", {"new_email": new_email()}, new_ip(), **bearer)

    def acts_account(self) -> Call:
        bearer = {"authorization": f"Bearer {self.member()[1]['access_token']}"}
        device = self.visitor.get("/me/devices", **bearer).body["results"][0]["id"]
        return lambda n: self.visitor.send("PATCH", f"/me/devices/{device}", f'{{"name": "n{n}"}}', new_ip(), bearer)


def fire(visitor: Visitor, name: str, number: int) -> None:
    """Fire ten times *number* of what limit *name* counts, and hold the answers to it."""
    limit = LIMITS[name]
    call = getattr(Tries(visitor), name)()
    answers = visitor.all([partial(call, n) for n in range(number * 10)])
    through = [one for one in answers if one.status != 429 and (name != "code_account" or one.code == "otp_invalid")]
    refused = [one for one in answers if one.status == 429]
    assert len(through) == number, (len(through), {one.code for one in answers})
    assert not [one for one in answers if one.status >= 500]
    assert limit.answer in {one.code for one in refused}
    assert {one.code for one in refused} <= {limit.answer, "rate_limited"}  # the wide limit may be reached, too
    assert all(0 < int(one.headers["Retry-After"]) <= 86_400 for one in refused)


QUIET = {name for name, limit in LIMITS.items() if limit.quiet}  # nobody is told 429: their own test counts the mails
LOUD = {name: limit for name, limit in LIMITS.items() if not limit.quiet}
HERE = {name: limit for name, limit in LOUD.items() if name not in ELSEWHERE}
SMALL = [name for name, limit in HERE.items() if limit.number <= LARGE and limit.store == "database"]
APART = {"wide_ip", "invalid_token_ip", "challenge_pause", "challenge_sends"}  # each with a test of its own below
REST = [name for name in HERE if name not in {*SMALL, *APART}]


def test_every_limit_is_tried() -> None:
    tried = {name for name in vars(Tries) if not name.startswith("_") and name != "member"}
    assert tried | ELSEWHERE | APART | QUIET == set(LIMITS)


@pytest.mark.parametrize("name", SMALL)
def test_exactly_the_limit_gets_through(full: Visitor, name: str) -> None:
    fire(full, name, LIMITS[name].number)


@pytest.mark.parametrize("name", REST)
def test_exactly_a_tenth_gets_through_where_limits_are_scaled(tenth: Visitor, name: str) -> None:
    fire(tenth, name, LIMITS[name].number // 10)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in REST if LIMITS[name].store == "database"])
def test_exactly_the_whole_limit_gets_through(full: Visitor, name: str) -> None:
    fire(full, name, LIMITS[name].number)


def test_exactly_the_wide_limit_gets_through(tenth: Visitor) -> None:
    number = LIMITS["wide_ip"].number // 10
    for _turn in range(20):  # a window of its own for each address: take one that does not end meanwhile
        ip = new_ip()
        first = tenth.get("/config", ip)
        if int(first.headers["RateLimit"].rpartition(";t=")[2]) > 20:
            break
    answers = tenth.all([partial(tenth.get, "/config", ip)] * (number * 10 - 1))
    assert [one.status for one in answers].count(200) == number - 1
    assert {one.code for one in answers} == {"200", "rate_limited"}


def test_d17_exactly_so_many_resets_of_one_address_are_mailed_and_all_answer_alike(full: Visitor) -> None:
    email = new_email()
    calls = [partial(full.post, "/auth/password/forgot", {"email": email}, new_ip()) for _turn in range(30)]
    assert {(one.status, str(one.body)) for one in full.all(calls)} == {(202, "{'status': 'accepted'}")}
    asked = "SELECT count(*) FROM accounts_mail WHERE template = 'reset_request'"  # nobody else here asks
    assert full.site.query(asked) == [(LIMITS["reset_address"].number,)]
    full.site.mails.wait_for(email)
    waiting = "SELECT count(*) FROM accounts_mail WHERE state IN ('queued', 'sending')"
    while full.site.query(waiting) != [(0,)]:
        time.sleep(0.2)
    assert len(full.site.mails.to(email)) == LIMITS["no_account_address"].number
    assert {"reset_address", "no_account_address"} <= QUIET


def half_done(visitor: Visitor) -> tuple[str, Call]:
    """Return a challenge that has sent its first code, and the call that asks for another."""
    email = new_email()
    visitor.sign_up(email, new_ip())
    challenge = visitor.challenge(email, new_ip())
    return challenge, lambda n: visitor.post("/auth/otp/send", {"challenge_id": challenge}, new_ip())


def test_exactly_one_code_gets_through_after_the_pause(full: Visitor) -> None:
    challenge, send = half_done(full)
    too_soon = full.all([partial(send, n) for n in range(10)])
    assert {one.code for one in too_soon} == {"rate_limited"}
    assert all(0 < int(one.headers["Retry-After"]) <= LIMITS["challenge_pause"].seconds for one in too_soon)
    full.site.manage("shell", "-c", _A_MINUTE_AGO.format(challenge))
    answers = full.all([partial(send, n) for n in range(10)])
    assert sorted(one.status for one in answers) == [202] + [429] * 9
    refused = [one for one in answers if one.status == 429]
    assert {one.code for one in refused} == {LIMITS["challenge_pause"].answer}
    assert all(0 < int(one.headers["Retry-After"]) <= LIMITS["challenge_pause"].seconds for one in refused)
    counted = full.site.query(_SENDS.format(UUID(challenge).hex, challenge))
    assert counted == [(2,)]


def test_exactly_the_codes_of_one_challenge_get_through_whatever_the_scale(hasty: Visitor) -> None:
    """Each that wins the row makes at most the seven beside it lose: of forty, no fewer than the limit can win."""
    _challenge, send = half_done(hasty)
    answers = hasty.all([partial(send, n) for n in range(40)])
    assert [one.status for one in answers].count(202) == 4 - 1  # the sign-in sent the first
    assert {one.code for one in answers} == {"202", LIMITS["challenge_sends"].answer}
    last = send(0)
    assert last.status == 429 and 60 < int(last.headers["Retry-After"]) <= LIMITS["challenge_sends"].seconds


def test_a_flood_of_forged_tokens_does_not_flood_the_trail(tenth: Visitor) -> None:
    before = _recorded(tenth)
    for ip in (new_ip(), new_ip()):
        forged = partial(tenth.get, "/auth/session", ip, authorization="Bearer forged")
        answers = tenth.all([forged] * 50)
        assert {one.code for one in answers} == {"access_invalid"}
    assert _recorded(tenth) - before == 2 * LIMITS["invalid_token_ip"].number // 10


def _recorded(visitor: Visitor) -> int:
    return int(visitor.site.query("SELECT count(*) FROM audit_event WHERE action = 'authn_token_invalid'")[0][0])
