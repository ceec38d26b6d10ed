from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from accounts.roles import Role
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Door, Transport
from tests.factories import Api, UserFactory


class Reader:
    """Somebody with a role who reads the trail by a bearer token."""

    def __init__(self, role: Role, factors: tuple[str, ...] = ("password", "totp")) -> None:
        self.user: User = UserFactory(role=role, password="!")
        client = Client(ip="192.0.2.7")
        with transaction.atomic():
            self.session = sessions.open(
                user=self.user, client=client, door=Door.API, transport=Transport.BEARER, factors=list(factors)
            )
        self.headers = {"authorization": f"Bearer {tokens.access_for(self.session)}"}
        self.api = Api()

    def get(self, path: str) -> Any:
        return self.api.get(f"/audit/{path}", **self.headers)

    def ids(self, query: str = "") -> list[int]:
        """Return the ids of the first page of events."""
        answer = self.get(f"events?{query}")
        assert answer.status_code == 200, answer.content
        return [event["id"] for event in answer.json()["results"]]


@pytest.fixture
def reader(db: None) -> Callable[..., Reader]:
    return Reader


@pytest.fixture
def admin(db: None) -> Reader:
    return Reader(Role.ADMIN)
