"""Members of staff at the API: signed in by a token, without the steps of a sign-in, which have tests of their own."""

from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.roles import STAFF_ROLES, Role
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Door, Session, Transport
from tests.factories import Api, UserFactory

HERE = Client(ip="192.0.2.7", user_agent="Firefox/142", device_name="Firefox 142 on Windows 11")


def open_session(user: Any, *factors: str, door: Door = Door.API) -> Session:
    """Open a session as a sign-in does; of staff it proved an app."""
    proved = list(factors) or ["password", "totp" if user.role in STAFF_ROLES else "email"]
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=door, transport=Transport.BEARER, factors=proved)


class Signed(Api):
    """A client of the API with the token of somebody."""

    def __init__(self, user: Any, *factors: str) -> None:
        super().__init__()
        self.user: User = user
        self.session = open_session(user, *factors)
        self.token = tokens.access_for(self.session)

    def send(self, method: str, path: str, data: Any = None, *given: Any, **headers: str) -> Any:
        return super().send(method, path, data, *given, **{"authorization": f"Bearer {self.token}"} | headers)

    def patch(self, path: str, data: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, data, **headers)

    def delete(self, path: str, data: Any = None, **headers: str) -> Any:
        return self.send("DELETE", path, data, **headers)


def signed(role: Role = Role.ADMIN, **facts: Any) -> Signed:
    """Return somebody of *role* at the API. No hash is computed: nobody signs in with the password."""
    return Signed(person(role, **facts))


def person(role: Role = Role.USER, **facts: Any) -> Any:
    """Return an account, without the cost of a hash."""
    return UserFactory(role=role, **{"password": "!"} | facts)
