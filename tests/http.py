"""A client that speaks to a site's process over the network, and many of it at once."""

import http.client
import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.factories import PASSWORD
from tests.live import LiveSite
from tests.mailsink import text_of

_THREADS = 8
_TIMEOUT = 30
_CODE = re.compile(r"^(\d{6})\b", re.MULTILINE)
_TOKEN = re.compile(r"^http\S+/account/verify/([\w-]{43})\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """The code of a problem, else the status."""
        return str(self.body.get("code", self.status))


class Visitor:
    """Speaks to *site*; every call may come from another address, as a trusted proxy would tell."""

    def __init__(self, site: LiveSite) -> None:
        self.site = site
        self._host = urlsplit(site.url).netloc

    def post(self, path: str, body: Any = None, ip: str = "203.0.113.1", **headers: str) -> Answer:
        return self.send("POST", path, json.dumps(body or {}), ip, headers)

    def get(self, path: str, ip: str = "203.0.113.1", **headers: str) -> Answer:
        return self.send("GET", path, None, ip, headers)

    def send(self, method: str, path: str, body: str | None, ip: str, headers: dict[str, str]) -> Answer:
        """Send one request over a connection of its own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"X-Forwarded-For": ip, "Content-Type": "application/json", "User-Agent": "curl/8.5"}
        with closing(http.client.HTTPConnection(self._host, timeout=_TIMEOUT)) as link:
            link.request(method, path if path.startswith("/health") else f"/api/v1{path}", body, named)
            answer = link.getresponse()
            text = answer.read()
        return Answer(answer.status, json.loads(text) if text else {}, dict(answer.getheaders()))

    def all(self, calls: Iterable[Callable[[], Answer]]) -> list[Answer]:
        """Make many calls, as many at once as there are threads."""
        with ThreadPoolExecutor(_THREADS) as pool:
            return [one.result() for one in [pool.submit(call) for call in calls]]

    def sign_up(self, email: str, ip: str) -> None:
        """Make an account and prove its address."""
        asked = {"email": email, "password": PASSWORD, "accept_terms": True}
        assert self.post("/auth/register", asked, ip).status == 202
        found = _TOKEN.search(text_of(self.site.mails.wait_for(email)))
        assert found
        assert self.post("/auth/verify-email", {"token": found[1]}, ip).status == 200

    def login(self, email: str, ip: str, password: str = PASSWORD, **more: Any) -> Answer:
        return self.post("/auth/login", {"email": email, "password": password} | more, ip)

    def challenge(self, email: str, ip: str) -> str:
        answer = self.login(email, ip)
        assert answer.status == 200, answer
        return str(answer.body["challenge"]["id"])

    def code(self, email: str, number: int = 2) -> str:
        """Return the code in the mail with that number for *email*; the first mail is the link."""
        found = _CODE.search(text_of(self.site.mails.wait_for(email, number)))
        assert found
        return found[1]

    def sign_in(self, email: str, ip: str, number: int = 2, **more: Any) -> dict[str, Any]:
        """Sign in with the mailed code; *number* is which mail of the address it is."""
        challenge = self.challenge(email, ip)
        asked = {"challenge_id": challenge, "code": self.code(email, number)} | more
        answer = self.post("/auth/otp/verify", asked, ip)
        assert answer.status == 200, answer
        return answer.body
