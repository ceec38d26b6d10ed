"""J10, C12, C13: no password, code, token or cookie in any log line, row, mail's row or event."""

import base64
import http.cookiejar
import itertools
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.http import Visitor
from tests.live import LiveSite
from tests.mailsink import text_of

pytestmark = [pytest.mark.flow, pytest.mark.every_engine]

EMAIL = "canary@example.com"
PASSWORD = "kanarien-vogel-7R!xq-91"
WRONG = "kanarien-vogel-wrong-55"
NEW, NEWER = "grauer-papagei-4K!wz-17", "blauer-papagei-8M!tf-32"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"


class Browser:
    """Forms and cookies, without scripts."""

    def __init__(self, site: LiveSite) -> None:
        self.site = site
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self._opener.addheaders = [("User-Agent", AGENT)]

    def get(self, path: str) -> str:
        return self._read(urllib.request.Request(self.site.url + path))

    def post(self, path: str, **fields: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path))
        assert found, path
        data = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": found[1]}).encode()
        return self._read(urllib.request.Request(self.site.url + path, data, {"Origin": self.site.url}))

    def _read(self, request: urllib.request.Request) -> str:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refused:  # a form that was refused is a page, too
            with refused:
                return str(refused.read().decode())


def spellings(secret: str) -> list[str]:
    """Return *secret* in the forms in which it might have been written down."""
    plain = secret.encode()
    return [secret, urllib.parse.quote(secret), plain.hex(), base64.b64encode(plain).decode().rstrip("=")]


def test_no_secret_is_written_down(make_site: Callable[..., LiveSite]) -> None:
    site = make_site(LOG_LEVEL="DEBUG", OTP_RESEND_AFTER="0s", LIMITS_SCALE="100").start()
    visitor = Visitor(site)
    asked = {"email": EMAIL, "password": PASSWORD, "accept_terms": True}
    assert visitor.post("/auth/register", asked).status == 202
    token = re.search(r"/account/verify/([\w-]{43})", text_of(site.mails.wait_for(EMAIL)))
    assert token
    assert visitor.post("/auth/verify-email", {"token": token[1]}).status == 200
    assert visitor.post("/auth/verify-email", {"token": token[1]}).code == "token_used"
    assert visitor.login(EMAIL, "192.0.2.1", WRONG).status == 401
    challenge = visitor.login(EMAIL, "192.0.2.1", PASSWORD).body["challenge"]["id"]
    answer = {"challenge_id": challenge, "code": visitor.code(EMAIL), "trust_device": True}
    first = visitor.post("/auth/otp/verify", answer).body
    bearer = {"authorization": f"Bearer {first['access_token']}"}
    second = visitor.post("/auth/refresh", {"refresh_token": first["refresh_token"]}).body
    assert visitor.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer).status == 200
    assert visitor.post("/auth/logout", {"refresh_token": second["refresh_token"]}).status == 204
    assert visitor.get("/auth/session", **bearer).status == 401

    browser = Browser(site)
    browser.get(f"/account/verify/{token[1]}")
    browser.post("/account/login", email=EMAIL, password=WRONG)
    browser.post("/account/login", email=EMAIL, password=PASSWORD)
    codes = [visitor.code(EMAIL, 2), visitor.code(EMAIL, 3)]
    assert "Your security" in browser.post("/account/otp", code=codes[1])
    assert visitor.post("/auth/password/forgot", {"email": EMAIL}).status == 202
    reset = _mailed(site, r"/account/password/reset/([\w-]{43})")
    browser.get(f"/account/password/reset/{reset}")
    for code, new in (("validation_failed", "short-kanarien"), ("200", NEW), ("token_used", NEWER)):
        assert visitor.post("/auth/password/reset", {"token": reset, "new_password": new}).code == code
    before = len(site.mails.to(EMAIL))
    challenge = visitor.login(EMAIL, "192.0.2.1", NEW).body["challenge"]["id"]
    codes.append(_mailed(site, r"^(\d{6}) is your", before))
    third = visitor.post("/auth/otp/verify", {"challenge_id": challenge, "code": codes[-1]}).body
    bearer = {"authorization": f"Bearer {third['access_token']}"}
    for code, current in (("invalid_credentials", WRONG), ("200", NEW)):
        asked = {"current_password": current, "new_password": NEWER}
        assert visitor.post("/me/password", asked, **bearer).code == code
    secrets = {
        "password": PASSWORD,
        "new password": NEW,
        "newer password": NEWER,
        "token of the link that resets": reset,
        "wrong password": WRONG,
        "token of the link": token[1],
        "access token": first["access_token"],
        "refresh token": first["refresh_token"],
        "second refresh token": second["refresh_token"],
        "trust token": first["trust_token"],
        **{f"cookie {cookie.name}": str(cookie.value) for cookie in browser.jar if cookie.name != "csrftoken"},
    }
    assert {"cookie session", "cookie device"} <= set(secrets)
    site.kill_web()
    site.kill_worker()
    places = {"log": site.log, "database": site.manage("dumpdata", "--all").stdout}
    places |= {f"file {path.name}": path.read_text(errors="replace") for path in _files(site.folder)}
    assert EMAIL in places["database"] and "request_id" in places["log"]
    for place, text in places.items():
        for name, secret in secrets.items():
            assert not [form for form in spellings(secret) if form in text], f"the {name} is in the {place}"
        for code in codes:
            assert not re.search(rf"(?<![\d.\-]){code}(?![\d.\-])", text), f"a code is in the {place}"


def _mailed(site: LiveSite, pattern: str, after: int = 0) -> str:
    """Wait for the mail, *after* so many others, in which *pattern* is, and return what it holds."""
    for number in itertools.count(after + 1):
        found = re.search(pattern, text_of(site.mails.wait_for(EMAIL, number)))
        if found:
            return found[1]
    raise AssertionError


def _files(folder: Path) -> list[Path]:
    """Return what else the site left in its folder; its keys and the database file are looked at otherwise."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".sqlite3",)]
