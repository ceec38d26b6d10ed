"""People who use the pages through Django's test client."""

import re
from typing import Any

from django.core import mail
from django.test import Client

from accounts import outbox

EMAIL = "jane@example.com"
PASSWORD = "correct horse battery staple"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"
_LINK = re.compile(
    r"^http://testserver(/account/(?:verify|password/reset|email/confirm|email/undo)/\S+)$", re.MULTILINE
)
_CODE = re.compile(r"^(\d{6}) is your", re.MULTILINE)


class Person:
    """Somebody with a browser and a mailbox."""

    def __init__(self, email: str = EMAIL) -> None:
        self.email = email
        self.browser = Client(headers={"user-agent": BROWSER})

    def get(self, path: str, **query: str) -> Any:
        return self.browser.get(f"/account/{path}", query)

    def post(self, path: str, data: dict[str, str] | None = None, query: str = "") -> Any:
        return self.browser.post(f"/account/{path}{query}", data or {})

    def mail(self) -> str:
        """Let the worker send what is due, and return the text of the newest mail."""
        for _turn in range(2):  # a request for a mail becomes that mail first
            outbox.send_due()
        return str([m for m in mail.outbox if m.to == [self.email]][-1].body)

    def link(self) -> str:
        found = _LINK.search(self.mail())
        assert found
        return found[1]

    def code(self) -> str:
        found = _CODE.search(self.mail())
        assert found
        return found[1]

    def sign_up(self) -> Any:
        return self.post("signup", {"email": self.email, "password": PASSWORD, "terms": "on"})

    def confirm(self) -> Any:
        self.browser.get(self.link())
        return self.post("verify/confirm")

    def give_password(self, password: str = PASSWORD, query: str = "", **more: str) -> Any:
        return self.post("login", {"email": self.email, "password": password, **more}, query)

    def sign_in(self, **more: str) -> Any:
        self.give_password(**more)
        return self.post("otp", {"code": self.code()})


def text_of(response: Any) -> str:
    return response.content.decode()
