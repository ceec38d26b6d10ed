"""Members of staff at their door, through Django's test client."""

import re
from typing import Any

from django.test import Client as Browser

from accounts.models import User
from accounts.roles import Role
from audit.models import Event
from tests.factories import PASSWORD, UserFactory, code_of

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"


class Staff:
    """Somebody with a role, an app and a browser."""

    def __init__(self, role: Role = Role.ADMIN, **facts: Any) -> None:
        self.user: User = UserFactory(role=role, app=True, **facts)
        self.browser = Browser(headers={"user-agent": FIREFOX})

    def give_password(self, password: str = PASSWORD, query: str = "") -> Any:
        return self.post(f"login/{query}", {"email": self.user.email, "password": password})

    def give_code(self, code: str = "", query: str = "") -> Any:
        return self.post(f"login/code/{query}", {"code": code or code_of(self.user)})

    def sign_in(self) -> "Staff":
        self.give_password()
        answer = self.give_code()
        assert (answer.status_code, answer["Location"]) == (303, "/admin/"), answer.content.decode()
        return self

    def get(self, path: str = "", **query: str) -> Any:
        return self.browser.get(f"/admin/{path}", query)

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
        return self.browser.post(f"/admin/{path}", data or {}, **more)

    def choose(self, name: str, *rows: Any, back: str = "/admin/accounts/user/") -> Any:
        """Choose rows for an action, as the buttons of a list do."""
        return self.post(f"act/{name}/", {"start": "1", "selected": [str(row.pk) for row in rows], "back": back})

    def act(self, name: str, *rows: Any, reason: str = "They asked for it") -> Any:
        """Do something to rows, and return the page it ends on."""
        assert self.choose(name, *rows).status_code == 303
        return self.post(f"act/{name}/", {"reason": reason}, follow=True)

    def prove_again(self, steps: int = 1) -> Any:
        data = {"password": PASSWORD, "code": code_of(self.user, steps), "next": "/admin/act/disable/"}
        return self.post("reauthenticate/", data)


def text_of(answer: Any) -> str:
    """Return the words of a page, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode().replace("<wbr>", "")).split())


def notices(answer: Any) -> list[str]:
    """Return what the messages of a page say."""
    return [str(message) for message in answer.context["messages"]]


def rows_of(action: str) -> list[dict[str, Any]]:
    """Return what the trail holds of *action*, oldest first."""
    names = ("event_type", "user_id", "actor_type", "actor_id", "success", "failure_reason", "details", "resource")
    rows = Event.objects.filter(action=action).order_by("pk")
    return [{name: getattr(row, name) for name in names} for row in rows]
