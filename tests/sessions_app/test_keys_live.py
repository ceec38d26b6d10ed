"""A change of the signing key while two processes serve: nobody is signed out, and the old key can go."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from sessions_app import keyring, keys
from tests.http import Visitor
from tests.live import ROOT, LiveSite

pytestmark = [pytest.mark.flow, pytest.mark.every_engine, pytest.mark.timeout(300)]

SLACK = 5.0  # seconds that a busy machine may take besides


@pytest.fixture
def visitors(make_site: Callable[..., LiveSite]) -> list[Visitor]:
    """Two web processes of their own on one database, behind one address."""
    first = make_site(LIMITS_SCALE="1000", TRUSTED_PROXIES="1", LOG_LEVEL="WARNING").start()
    shared = {name: first.env[name] for name in ("VAR_DIR", "DATABASE_URL", "LIMITS_SCALE", "TRUSTED_PROXIES")}
    second = make_site(BASE_URL=first.url, LOG_LEVEL="WARNING", **shared)
    second.start_web()
    return [Visitor(first), Visitor(second)]


def kid_of(raw: str) -> str:
    return str(jwt.get_unverified_header(raw)["kid"])


def look(visitor: Visitor, access: str) -> str:
    return visitor.get("/auth/session", authorization=f"Bearer {access}").code


def renewed(visitor: Visitor, refresh: str) -> dict[str, Any]:
    answer = visitor.post("/auth/refresh", {"refresh_token": refresh})
    assert answer.status == 200, answer
    return answer.body


def soon(happened: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds + SLACK
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_f26_a_change_of_keys_signs_nobody_out(visitors: list[Visitor]) -> None:
    site = visitors[0].site
    visitors[0].sign_up("jane@example.com", "203.0.113.1")
    first_of_all = held = visitors[0].sign_in("jane@example.com", "203.0.113.1")
    for algorithm in ("EdDSA", "RS256", "HS256"):
        held, kid = change(visitors, held, algorithm)
        assert jwt.get_unverified_header(held["access_token"]) == {"alg": algorithm, "kid": kid, "typ": "at+jwt"}
        assert [look(visitor, first_of_all["access_token"]) for visitor in visitors] == ["200", "200"]

    said = site.manage("keys", "list").stdout
    assert [line.split()[3] for line in said.splitlines()[1:]] == ["verifies", "verifies", "verifies", "signs"]
    old = kid_of(first_of_all["access_token"])
    time.sleep(keys.SETTLING.total_seconds())
    site.manage("keys", "retire", old)
    for visitor in visitors:
        soon(lambda by=visitor: look(by, first_of_all["access_token"]) == "access_invalid", keyring.LIFE)
        assert look(visitor, held["access_token"]) == "200"
        held = renewed(visitor, held["refresh_token"])
    recorded = site.query("SELECT action FROM audit_event WHERE action LIKE 'sys_signing%' ORDER BY id")
    assert [action for (action,) in recorded] == [
        *["sys_signing_key_generated", "sys_signing_key_activated"] * 3,
        "sys_signing_key_retired",
    ]


def change(visitors: list[Visitor], held: dict[str, Any], algorithm: str) -> tuple[dict[str, Any], str]:
    """Change the key by a command while a client goes on; return what that holds in the end, and the new kid."""
    words = ["manage.py", "keys", "generate", "--algorithm", algorithm, "--activate"]
    before = held["access_token"]
    command = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=visitors[0].site.env, stdout=subprocess.PIPE, text=True
    )
    turn = 0
    while turn == 0 or command.poll() is None:
        used, held = held["refresh_token"], renewed(visitors[turn % 2], held["refresh_token"])
        assert [look(visitor, held["access_token"]) for visitor in visitors] == ["200", "200"]
        turn += 1
    kid = command.communicate()[0].split()[0]
    for visitor in visitors:
        soon(lambda by=visitor: kid_of(again(by, used, held)) == kid, keyring.LIFE)
        access = again(visitor, used, held)
        assert [look(other, access) for other in visitors] == ["200", "200"]  # also where nobody knew of the key
        assert [look(other, before) for other in visitors] == ["200", "200"]
    held = renewed(visitors[1], held["refresh_token"])
    assert kid_of(held["refresh_token"]) == kid
    return held, kid


def again(visitor: Visitor, used: str, held: dict[str, Any]) -> str:
    """Ask with *used* once more, as after a lost answer; return the fresh access token."""
    body = renewed(visitor, used)
    assert body["refresh_token"] == held["refresh_token"]
    return str(body["access_token"])
