"""Any order of sign-ins, refreshes, replays, ends, key changes and clock steps, held against a plain model.

``--long`` runs it at depth. A failure prints the steps that lead there.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as depth
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Mail
from accounts.services import lifecycle
from audit.models import Event
from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app import keyring, keys, principal, tokens
from sessions_app import services as sessions
from sessions_app.authentication import caller
from sessions_app.middleware import PageSessionMiddleware
from sessions_app.models import Door, Session, Transport
from sessions_app.reasons import RevokeReason
from sessions_app.store import SessionStore
from tests.factories import UserFactory
from tests.sessions_app.conftest import KEYS
from tests.sessions_app.model import ACCESS_TTL, GRACE, LIVES, Expected, Sitting, Token, World, as_counted, at

START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
HERE = Client.local("test")
ROOT = Actor.command("root")
REQUESTS = RequestFactory()
WATCHED = {
    "session_created", "session_renewed", "session_revoked", "session_logout", "session_expired",
    "session_use_after_expire", "authn_token_invalid", "authn_token_reuse", "authz_fail",
}  # fmt: skip
A_WHILE = [timedelta(seconds=n) for n in (0.25, 1, 9.75, 10, 10.25, 59, 60, 300, 900)]
LONG = [timedelta(days=n) for n in (1, 2, 6, 7, 12, 30, 31)]
BACK = [timedelta(seconds=-n) for n in (0.25, 1, 9, 30, 61)]
AROUND = [timedelta(seconds=n) for n in (-1, -0.25, 0, 0.25)]
ANY = st.integers(0, 40)


class Sessions(RuleBasedStateMachine):
    """Every act is done twice, in the model and for real, and what came of it compared."""

    def __init__(self) -> None:
        super().__init__()
        self.around = ExitStack()
        self.clock: Any = None
        self.world: World
        self.all: list[Sitting] = []  # those that were removed, too: their tokens are still about

    @initialize(limit=st.sampled_from([0, 0, 2, 3]))
    def begin(self, limit: int) -> None:
        kept = transaction.atomic()
        kept._from_testcase = True  # lets durable transactions run inside
        self.around.enter_context(kept)
        self.around.callback(transaction.set_rollback, True)
        self.clock = self.around.enter_context(time_machine.travel(START, tick=False))
        page = {"PAGE_IDLE": LIVES[Door.PAGE][0], "PAGE_ABSOLUTE": LIVES[Door.PAGE][1]}
        given = {"SIGNING_KEYS": KEYS, "CLAIMS": "", "SESSION_LIMIT": limit, **page}
        ground = settings.GATEHOUSE | {"LIMITS_SCALE": 10_000}
        self.around.enter_context(override_settings(SESSIONS=given, GATEHOUSE=ground))
        self.world = World(START, [keyring.from_secret(secret).kid for secret in KEYS], limit)
        self.users = [UserFactory(email=f"person{number}@example.com") for number in range(2)]
        self.staff = UserFactory(email="staff@example.com", staff=True)
        self.seen = self._newest()

    def teardown(self) -> None:
        self.around.close()
        keyring.forget()

    # -- signing in --

    @rule(owner=st.integers(0, 1), door=st.sampled_from([Door.API, Door.API, Door.API, Door.PAGE]))
    def sign_in(self, owner: int, door: Door) -> None:
        def act() -> str:
            with transaction.atomic():
                session = sessions.open(
                    user=self.users[owner], client=HERE, door=door, transport=Transport.BEARER, factors=["password"]
                )
            opened.append(session)
            return "done"

        opened: list[Session] = []
        said = self._done(act)
        if not self.world.active[owner]:
            self._compare(said, Expected("account_disabled"))
            return
        self._compare(said, self.world.sign_in(opened[0].pk, owner, door))
        one = self.world.sittings[-1]
        self.all.append(one)
        if door == Door.API:
            self._take(one, tokens.issue(opened[0]), grace=False)

    # -- using what one was given --

    @precondition(lambda self: self.api)
    @rule(which=ANY)
    def refresh(self, which: int) -> None:
        one = self.api[which % len(self.api)]
        self._refresh(one, one.refreshes[-1])

    @precondition(lambda self: self.api)
    @rule(which=ANY, older=ANY)
    def replay(self, which: int, older: int) -> None:
        one = self.api[which % len(self.api)]
        self._refresh(one, one.refreshes[older % len(one.refreshes)])

    @precondition(lambda self: self.rotated)
    @rule(which=ANY, wait=st.sampled_from([None, *AROUND]))
    def replay_the_predecessor(self, which: int, wait: timedelta | None) -> None:
        one = self.rotated[which % len(self.rotated)]
        if wait is not None:
            self._go_to(max(self.world.now, one.rotated_at + GRACE + wait))
        self._refresh(one, one.refreshes[-2])

    @precondition(lambda self: self.api)
    @rule(which=ANY)
    def refresh_twice(self, which: int) -> None:
        one = self.api[which % len(self.api)]
        token = one.refreshes[-1]
        self._refresh(one, token)
        self._refresh(one, token)

    @precondition(lambda self: self.api)
    @rule(which=ANY, place=st.sampled_from([0.2, 0.5, 0.9]))
    def forge(self, which: int, place: float) -> None:
        raw = self.api[which % len(self.api)].refreshes[-1].raw
        spot = int(len(raw) * place)
        forged = raw[:spot] + ("A" if raw[spot] != "A" else "B") + raw[spot + 1 :]
        said = self._done(lambda: sessions.rotate(raw_refresh=forged, client=HERE))
        self._compare(said, Expected("refresh_invalid", (("authn_token_invalid", None),)))

    @precondition(lambda self: self.api)
    @rule(which=ANY, older=ANY)
    def use_access(self, which: int, older: int) -> None:
        one = self.api[which % len(self.api)]
        token = one.accesses[-1 - older % len(one.accesses)]
        said = self._said(lambda: caller(REQUESTS.get("/api/v1/me"), token.raw) and "let in")
        self._compare(said, self.world.use_access(one, token))

    @precondition(lambda self: self.pages)
    @rule(which=ANY)
    def use_page(self, which: int) -> None:
        one = self.pages[which % len(self.pages)]
        request = REQUESTS.get("/account")
        request.session = SessionStore()
        request.session["sid"] = str(one.sid)
        PageSessionMiddleware(lambda _: HttpResponse())(request)
        reason = request.session_end_reason
        expected = self.world.use_page(one)
        if expected.verdict in ("session_expired", "session_revoked"):
            assert reason == self.world.end_of(one)
            said = principal.problem_of(reason).code
        else:
            said = "let in" if request.principal else "nobody"
        self._compare(said, expected)

    @precondition(lambda self: self.current)
    @rule(which=ANY)
    def stay(self, which: int) -> None:
        one, row = self._current(which)
        self._compare(self._done(lambda: sessions.stay(row, HERE, timezone.now())), self.world.stay(one))

    @precondition(lambda self: self.all)
    @rule(which=ANY)
    def prove(self, which: int) -> None:
        one = self.all[which % len(self.all)]
        row = Session.objects.filter(pk=one.sid).first()
        if row is None:
            return

        def act() -> None:
            with transaction.atomic():
                sessions.reauthenticated(row, ["password"], timezone.now())

        self._compare(self._done(act), self.world.prove(one))

    # -- ending --

    @precondition(lambda self: self.current)
    @rule(which=ANY, wanted=ANY)
    def end_own(self, which: int, wanted: int) -> None:
        (one, row), other = self._current(which), self.all[wanted % len(self.all)]
        said = self._done(lambda: sessions.end_own(user=row.user, session_id=other.sid, current=row, client=HERE))
        self._compare(said, self.world.end_own(one, other))

    @precondition(lambda self: self.current)
    @rule(which=ANY)
    def end_others(self, which: int) -> None:
        one, row = self._current(which)
        self._compare(self._said(lambda: sessions.end_others(current=row, client=HERE)), self.world.end_others(one))

    @precondition(lambda self: self.current)
    @rule(which=ANY)
    def end_every(self, which: int) -> None:
        one, row = self._current(which)
        self._compare(self._said(lambda: sessions.end_every(current=row, client=HERE)), self.world.end_every(one))

    @precondition(lambda self: self.api)
    @rule(which=ANY, older=ANY, by_access=st.booleans())
    def leave(self, which: int, older: int, by_access: bool) -> None:
        one = self.api[which % len(self.api)]
        held = one.accesses if by_access else one.refreshes
        token = held[older % len(held)]
        if by_access:
            ended = sessions.end_by_access(raw_access=token.raw, client=HERE)
        else:
            ended = sessions.end_by_refresh(raw_refresh=token.raw, client=HERE)
        self._compare("done" if ended else "nothing", self.world.leave(one, token))

    @precondition(lambda self: self.world.sittings)
    @rule(which=ANY)
    def end_one_by_staff(self, which: int) -> None:
        one = self.world.sittings[which % len(self.world.sittings)]
        self._end_by_staff(one.owner, one)

    @rule(owner=st.integers(0, 1))
    def end_all_by_staff(self, owner: int) -> None:
        self._end_by_staff(owner, None)

    @precondition(lambda self: self.current)
    @rule(which=ANY)
    def change_password(self, which: int) -> None:
        one, row = self._current(which)

        def act() -> int:
            with transaction.atomic():
                return sessions.revoke_all(user=row.user, reason=RevokeReason.PASSWORD_CHANGED, client=HERE, keep=row)

        expected = self.world.end_all(one.owner, RevokeReason.PASSWORD_CHANGED, but=one)
        self._compare(self._said(act), expected)

    @rule(owner=st.integers(0, 1))
    def disable_or_enable(self, owner: int) -> None:
        target: dict[str, Any] = {"target": self.users[owner], "by": self.staff, "reason": "a test", "client": HERE}
        before = self.world.active[owner]
        self._done(lambda: (lifecycle.disable if before else lifecycle.enable)(**target))
        self.world.active[owner] = not before
        if before:
            expected = self.world.end_all(owner, RevokeReason.DISABLED)
            self._compare(expected.verdict, expected)

    # -- the clean-up, the clock, the keys --

    @rule()
    def clean_up(self) -> None:
        todo = [cleaning.chores()[name] for name in ("expired", "sessions")]
        self._compare(self._done(lambda: [*cleaning.Sweep(todo, actor=ROOT).steps()]), self.world.sweep())

    @rule(step=st.sampled_from(A_WHILE))
    def wait(self, step: timedelta) -> None:
        self._go_to(self.world.now + step)

    @rule(step=st.sampled_from(LONG))
    def wait_long(self, step: timedelta) -> None:
        self._go_to(self.world.now + step)

    @rule(step=st.sampled_from(BACK))
    def put_the_clock_back(self, step: timedelta) -> None:
        self._go_to(self.world.now + step)

    @precondition(lambda self: self.all)
    @rule(which=ANY, end=st.sampled_from(["idle_end", "absolute_end", "access"]), offset=st.sampled_from(AROUND))
    def go_to_an_end(self, which: int, end: str, offset: timedelta) -> None:
        one = self.all[which % len(self.all)]
        moment = one.accesses[-1].expires_at if end == "access" and one.accesses else getattr(one, end, one.idle_end)
        if moment + offset > self.world.now:
            self._go_to(moment + offset)

    @rule(activate=st.booleans(), algorithm=st.sampled_from(["HS256", "EdDSA"]))
    def generate_key(self, activate: bool, algorithm: str) -> None:
        kid = keys.generate(algorithm=algorithm, activate=activate, client=HERE, actor=ROOT)
        self.world.generate(kid, activate=activate)

    @rule(which=ANY)
    def activate_key(self, which: int) -> None:
        kid = self._kid(which)
        said = self._done(lambda: keys.activate(kid=kid, client=HERE, actor=ROOT))
        self._compare(said, self.world.activate(kid))

    @rule(which=ANY, end_sessions=st.booleans())
    def retire_key(self, which: int, end_sessions: bool) -> None:
        kid = self._kid(which)
        expected = self.world.retire(kid, end_sessions=end_sessions)
        said = self._done(lambda: keys.retire(kid=kid, end_sessions=end_sessions, client=HERE, actor=ROOT))
        self._compare(said, expected)

    # -- what holds after every step --

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        if self.clock is None:
            return
        rows = {row.pk: row for row in Session.objects.all()}
        assert rows.keys() == {one.sid for one in self.world.sittings}
        for one in self.world.sittings:
            row = rows[one.sid]
            held = (row.authenticated_at, row.last_used_at, row.idle_expires_at, row.absolute_expires_at)
            assert held == (one.authenticated_at, one.last_used_at, one.idle_end, one.absolute_end)
            assert (row.revoked_reason or None, row.revoked_at) == (one.ended, one.ended_at)
            if one.refreshes:
                current, *before = one.refreshes[::-1]
                assert (row.refresh_id, row.refresh_kid) == (current.jti, current.kid)
                assert row.previous_refresh_id == (before[0].jti if before else None)
                assert (row.rotated_at, row.rotation) == (one.rotated_at, len(before))

    @invariant()
    def those_that_live_are_those_of_the_model(self) -> None:
        if self.clock is None:
            return
        live = list(Session.objects.live(timezone.now()).select_related("user"))
        assert {row.pk for row in live} == {one.sid for one in self.world.live()}
        assert all(row.user.is_active for row in live)
        assert not self.world.limit or all(len(self.world.live(owner)) <= self.world.limit for owner in (0, 1))

    @invariant()
    def every_reuse_was_mailed_once(self) -> None:
        if self.clock is not None:
            assert Mail.objects.filter(template="refresh_reused").count() == self.world.reuses

    # -- how it is done --

    @property
    def api(self) -> list[Sitting]:
        return [one for one in self.all if one.door == Door.API]

    @property
    def rotated(self) -> list[Sitting]:
        return [one for one in self.api if one.rotated_at]

    @property
    def pages(self) -> list[Sitting]:
        return [one for one in self.all if one.door == Door.PAGE]

    @property
    def current(self) -> list[Sitting]:
        return self.world.live()

    def _current(self, which: int) -> tuple[Sitting, Session]:
        """A live session and its row, as a request that comes from there has it in hand."""
        one = self.current[which % len(self.current)]
        row = principal.current(one.sid, timezone.now())
        assert row is not None
        return one, row

    def _refresh(self, one: Sitting, token: Token) -> None:
        given: list[tokens.Tokens] = []

        def act() -> str:
            given.append(sessions.rotate(raw_refresh=token.raw, client=HERE))
            return "again" if given[0].refresh_token == one.refreshes[-1].raw else "rotated"

        said = self._said(act)
        expected = self.world.refresh(one, token)
        self._compare(said, expected)
        if given:
            self._take(one, given[0], grace=expected.verdict == "again")

    def _end_by_staff(self, owner: int, one: Sitting | None) -> None:
        only = Session.objects.get(pk=one.sid) if one else None

        def act() -> int:
            return lifecycle.end_sessions(
                target=self.users[owner], by=self.staff, reason="a test", client=HERE, only=only
            )

        said, why = self._said(act), RevokeReason.STAFF
        self._compare(said, self.world.end_one(one, why) if one else self.world.end_all(owner, why))

    def _take(self, one: Sitting, given: tokens.Tokens, *, grace: bool) -> None:
        """Hold new tokens to what they should say, and keep them."""
        access, refresh = _read(given.access_token), _read(given.refresh_token)
        assert (access.kid, access.issued_at) == (self.world.signing, self.world.second)
        assert access.expires_at == self.world.second + ACCESS_TTL
        one.accesses.append(access)
        if not grace:
            assert (refresh.kid, refresh.issued_at) == (self.world.signing, self.world.second)
            assert refresh.expires_at == one.idle_end
            assert refresh.jti not in {token.jti for token in one.refreshes}
            one.refreshes.append(refresh)

    def _kid(self, which: int) -> str:
        known = [*self.world.named_keys, *self.world.activated, "made-up"]
        return known[which % len(known)]

    def _go_to(self, moment: datetime) -> None:
        self.world.now = moment
        self.clock.move_to(moment, tick=False)

    def _said(self, act: Callable[[], Any]) -> str:
        try:
            return str(act())
        except Problem as problem:
            return problem.code

    def _done(self, act: Callable[[], Any]) -> str:
        """As _said(), where it does not matter what *act* returns."""
        return self._said(lambda: (act(), "done")[1])

    def _compare(self, said: str, expected: Expected) -> None:
        told = self._told()
        assert said == expected.verdict, (said, expected)
        assert as_counted(told) == as_counted(expected.events)

    def _told(self) -> Iterator[tuple[str, str | None]]:
        """The events about sessions since the last look."""
        rows = Event.objects.filter(pk__gt=self.seen, action__in=WATCHED).order_by("pk")
        told = list(rows.values_list("action", "session_id"))
        self.seen = self._newest()
        yield from told

    def _newest(self) -> int:
        newest: int = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        return newest


def _read(raw: str) -> Token:
    claims = jwt.decode(raw, options={"verify_signature": False})
    return Token(
        raw, tokens.UUID(claims["jti"]), jwt.get_unverified_header(raw)["kid"], at(claims["iat"]), at(claims["exp"])
    )


@pytest.mark.parametrize(("examples", "steps"), [
    (8, 30),
    pytest.param(2_000, 50, marks=[pytest.mark.long, pytest.mark.timeout(7_200)]),
])  # fmt: skip
def test_no_order_of_acts_makes_sessions_differ_from_the_model(db: None, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Sessions,
        settings=depth(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
