"""Whom the bench of large tables asks for, and by which calls."""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils import timezone

from bench import schemas
from gatehouse.client import Client
from gatehouse.cursors import DEFAULT_LIMIT
from sessions_app import paging, principal, tokens
from sessions_app import services as sessions
from sessions_app.models import Door, Session

A_ROUND = {"look-up": 200, "rotation": 100, "list": 100}
CLIENT = Client(ip="192.0.2.7", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
LASTS = timedelta(hours=12)  # whoever is asked for lives longer than the bench runs


@dataclass
class Asked:
    """Whom one copy of the tables is asked for: drawn evenly from all that live, before anything is measured."""

    copy: schemas.Copy
    sids: deque[UUID]
    refreshes: deque[str]
    people: deque[tuple[Any, UUID]]

    @classmethod
    def draw(cls, copy: schemas.Copy, rounds: int) -> "Asked":
        """Draw enough for *rounds*, each once where there are so many; a scan leaves the server's memory as it was."""
        copy.use()
        live = Session.objects.live(timezone.now() + LASTS).order_by("?")
        sids = live.values_list("pk", flat=True)[: rounds * A_ROUND["look-up"]]
        people = live.values_list("user_id", "pk")[: rounds * A_ROUND["list"]]
        rotated = live.filter(door=Door.API)[: rounds * A_ROUND["rotation"]]
        person = get_user_model()
        refreshes = []
        for session in rotated:
            session.user = person(pk=session.user_id)  # the token says nothing else of the account
            refreshes.append(tokens.issue(session).refresh_token)
        return cls(copy, deque(sids), deque(refreshes), deque((person(pk=owner), pk) for owner, pk in people))

    def look_up(self) -> None:
        """Find a session as every request does."""
        sid, now = self.sids[0], timezone.now()
        session = principal.current(sid, now)
        assert session is not None
        principal.admit(session, now)
        self.sids.rotate(-1)

    def rotate(self) -> None:
        """Exchange a refresh token; its successor waits for its turn behind all others."""
        renewed = sessions.rotate(raw_refresh=self.refreshes.popleft(), client=CLIENT)
        self.refreshes.append(renewed.refresh_token)

    def list_sessions(self) -> None:
        """Read the first page of somebody's sessions."""
        person, sid = self.people[0]
        page = paging.page_of(user=person, current_id=sid, now=timezone.now(), limit=DEFAULT_LIMIT)
        assert page.rows[0].pk == sid
        self.people.rotate(-1)

    @property
    def calls(self) -> dict[str, Callable[[], None]]:
        """What is measured, by name."""
        return {"look-up": self.look_up, "rotation": self.rotate, "list": self.list_sessions}

    def round(self) -> dict[str, list[float]]:
        """Make the calls of a round, the kinds mixed; return what each took, in milliseconds."""
        self.copy.use()
        order = [name for name, number in A_ROUND.items() for _ in range(number)]
        random.shuffle(order)
        calls = self.calls
        took: dict[str, list[float]] = {name: [] for name in calls}
        for name in order:
            started = time.perf_counter()
            calls[name]()
            took[name].append((time.perf_counter() - started) * 1000)
        return took
