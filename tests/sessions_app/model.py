"""What sessions should do, in plain Python: what test_machine.py holds the real thing against.

Each act says which verdict it expects and which events, and changes the model as the act should change the world.
The order of verdicts is that of docs/flows.md, Refresh.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sessions_app.models import Door
from sessions_app.reasons import EXPIRY, RevokeReason

ACCESS_TTL = timedelta(minutes=15)
GRACE = timedelta(seconds=10)
TOUCH_EVERY = timedelta(seconds=60)
EARLY = timedelta(seconds=60)  # how far back a clock may be put before its own tokens are of the future
SETTLING = timedelta(seconds=10)
LIVES = {Door.API: (timedelta(days=7), timedelta(days=30)), Door.PAGE: (timedelta(days=2), timedelta(days=12))}
ENDS = {RevokeReason.SIGNED_OUT: "session_logout", RevokeReason.IDLE: "session_expired"}
ENDS[RevokeReason.ABSOLUTE] = "session_expired"

Event = tuple[str, str | None]


@dataclass(frozen=True)
class Expected:
    """A verdict, and the events that come with it: the action, and the session it names."""

    verdict: str
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Token:
    """A token that somebody was given."""

    raw: str
    jti: UUID
    kid: str
    issued_at: datetime
    expires_at: datetime


@dataclass(eq=False)
class Sitting:
    """One session."""

    sid: UUID
    owner: int
    door: Door
    authenticated_at: datetime
    last_used_at: datetime
    idle_end: datetime
    absolute_end: datetime
    refreshes: list[Token] = field(default_factory=list)  # the last is the current one
    accesses: list[Token] = field(default_factory=list)
    rotated_at: datetime | None = None
    ended: RevokeReason | None = None
    ended_at: datetime | None = None

    def end(self, now: datetime) -> RevokeReason | None:
        """Why it is over: what was written down first, else the clock."""
        if self.ended is not None:
            return self.ended
        if self.absolute_end <= now:
            return RevokeReason.ABSOLUTE
        return RevokeReason.IDLE if self.idle_end <= now else None


class World:
    """Accounts, sessions and keys, and the clock on the wall."""

    def __init__(self, now: datetime, kids: list[str], limit: int) -> None:
        self.now, self.limit = now, limit
        self.active = [True, True]
        self.sittings: list[Sitting] = []
        self.named_keys = kids  # of the settings, the first signs
        self.activated: dict[str, datetime | None] = {}  # of the table
        self.retired: set[str] = set()
        self.reuses = 0

    # -- the clock and the keys --

    @property
    def second(self) -> datetime:
        """This second's beginning."""
        return self.now.replace(microsecond=0)

    @property
    def signing(self) -> str:
        """Which key signs: the last activated, else the first of the settings."""
        standing = {kid: at for kid, at in self.activated.items() if at and kid not in self.retired}
        if standing:
            return max(standing, key=lambda kid: (standing[kid], kid))
        return next(kid for kid in self.named_keys if kid not in self.retired)

    def generate(self, kid: str, *, activate: bool) -> None:
        self.activated[kid] = None
        if activate:
            self._activate(kid)

    def activate(self, kid: str) -> Expected:
        if kid not in self.activated and (kid not in self.named_keys or kid in self.retired):
            return Expected("conflict" if kid in self.retired else "not_found")
        if kid in self.retired or kid in self.named_keys:
            return Expected("conflict")
        self._activate(kid)
        return Expected("done")

    def _activate(self, kid: str) -> None:
        latest = [at + timedelta(microseconds=1) for at in self.activated.values() if at]
        self.activated[kid] = max([self.now, *latest])

    def retire(self, kid: str, *, end_sessions: bool) -> Expected:
        if kid not in self.activated and kid not in self.named_keys:
            return Expected("not_found")
        changed = max((at for at in self.activated.values() if at), default=None)
        if kid in self.retired or kid == self.signing or (changed and abs(self.now - changed) < SETTLING):
            return Expected("conflict")
        hanging = [one for one in self.live() if one.refreshes and one.refreshes[-1].kid == kid]
        if hanging and not end_sessions:
            return Expected("conflict")
        self.retired.add(kid)
        return Expected("done", self._mark(hanging, RevokeReason.KEYS_RETIRED))

    # -- sessions --

    def live(self, owner: int | None = None) -> list[Sitting]:
        """Those that neither an act nor the clock has ended, of one account or all."""
        return [one for one in self.sittings if one.end(self.now) is None and owner in (None, one.owner)]

    def end_of(self, one: Sitting) -> RevokeReason | None:
        """Why *one* opens nothing: an act, then the account, then the clock."""
        reason = one.end(self.now)
        if (reason is None or reason in EXPIRY) and not self.active[one.owner]:
            return RevokeReason.DISABLED
        return reason

    def sign_in(self, sid: UUID, owner: int, door: Door) -> Expected:
        """The session of *owner* that was opened as *sid*, and what had to go for it."""
        idle, absolute = LIVES[door]
        others = sorted(self.live(owner), key=lambda one: (one.last_used_at, one.sid), reverse=True)
        self.sittings.append(
            Sitting(sid, owner, door, self.now, self.now, self.second + idle, self.second + absolute),
        )
        created = ("session_created", str(sid))
        if not self.limit:
            return Expected("done", (created,))
        told = self._mark_over(one for one in self.sittings if one.owner == owner)
        return Expected("done", (created, *told, *self._mark(others[self.limit - 1 :], RevokeReason.LIMIT)))

    def refresh(self, one: Sitting, token: Token) -> Expected:
        if self._is_unbelievable(token):
            return Expected("refresh_invalid", (("authn_token_invalid", None),))
        if one not in self.sittings:
            return Expected("refresh_invalid", (("authn_token_invalid", str(one.sid)),))
        if self.end_of(one) is not None:
            return self._shown_after_end(one)
        if token == one.refreshes[-1]:
            one.idle_end = min(self.second + LIVES[one.door][0], one.absolute_end)
            one.rotated_at = one.last_used_at = self.now
            return Expected("rotated", (("session_renewed", str(one.sid)),))
        if token == one.refreshes[-2] and one.rotated_at and self.now - one.rotated_at <= GRACE:
            return Expected("again", (("session_renewed", str(one.sid)),))
        self.reuses += 1
        told = self._mark([one], RevokeReason.REFRESH_REUSED)
        return Expected("refresh_reused", (*told, ("authn_token_reuse", str(one.sid))))

    def use_access(self, one: Sitting, token: Token) -> Expected:
        if self._is_unbelievable(token):
            return Expected("access_invalid", (("authn_token_invalid", None),))
        if token.expires_at <= self.now:
            return Expected("access_expired", (("authn_token_invalid", None),))
        if one not in self.sittings:
            return Expected("access_invalid", (("authn_token_invalid", str(one.sid)),))
        return self._use(one)

    def use_page(self, one: Sitting) -> Expected:
        return self._use(one) if one in self.sittings else Expected("nobody")

    def stay(self, one: Sitting) -> Expected:
        if one.end(self.now) is None:
            if one.last_used_at <= self.now - TOUCH_EVERY:
                self._used(one)
            if one.door != Door.API:
                one.idle_end = min(self.second + LIVES[one.door][0], one.absolute_end)
        return Expected("done")

    def prove(self, one: Sitting) -> Expected:
        if one.end(self.now) is not None:
            return Expected("session_revoked")
        one.authenticated_at = self.now
        return Expected("done")

    def leave(self, one: Sitting, token: Token) -> Expected:
        """Sign out by a token, however old."""
        if self._is_unbelievable(token) or one not in self.sittings or one.end(self.now) is not None:
            return Expected("nothing")
        return Expected("done", self._mark([one], RevokeReason.SIGNED_OUT))

    def end_own(self, current: Sitting, one: Sitting) -> Expected:
        if one not in self.sittings:
            return Expected("not_found")
        if one.owner != current.owner:
            return Expected("not_found", (("authz_fail", str(current.sid)),))
        reason = RevokeReason.SIGNED_OUT if one is current else RevokeReason.SIGNED_OUT_ELSEWHERE
        return Expected("done", self._mark([one], reason))

    def end_others(self, current: Sitting) -> Expected:
        return self.end_all(current.owner, RevokeReason.SIGNED_OUT_ELSEWHERE, but=current)

    def end_every(self, current: Sitting) -> Expected:
        others = self.end_others(current)
        mine = self._mark([current], RevokeReason.SIGNED_OUT)
        return Expected(str(int(others.verdict) + len(mine)), (*others.events, *mine))

    def end_all(self, owner: int, reason: RevokeReason, but: Sitting | None = None) -> Expected:
        """An end by staff, by the account's own end, by a new password; what the clock has ended is marked beside."""
        mine = [one for one in self.sittings if one.owner == owner and one is not but]
        beside = self._mark_over(mine)
        told = self._mark(mine, reason)
        return Expected(str(len(told)), told + beside)

    def end_one(self, one: Sitting, reason: RevokeReason) -> Expected:
        told = self._mark([one], reason)
        return Expected(str(len(told)), told)

    def sweep(self) -> Expected:
        """The clean-up marks what the clock has ended, and takes away what is thirty days over."""
        told: tuple[Event, ...] = ()
        for one in self.sittings:
            reason = one.end(self.now)
            if one.ended is None and reason is not None:
                told += self._write(one, reason)
        before = self.now - timedelta(days=30)
        for one in [*self.sittings]:
            ended = one.ended_at and (one.ended_at < before or one.idle_end < before or one.absolute_end < before)
            if ended:
                self.sittings.remove(one)
        return Expected("done", told)

    # -- what these share --

    def _is_unbelievable(self, token: Token) -> bool:
        return token.kid in self.retired or token.issued_at > self.now + EARLY

    def _shown_after_end(self, one: Sitting) -> Expected:
        reason = self.end_of(one)
        if reason in EXPIRY and one.ended is None:
            return Expected("session_expired", self._write(one, reason))
        verdict = "session_expired" if reason in EXPIRY else "session_revoked"
        return Expected(verdict, (("session_use_after_expire", str(one.sid)),))

    def _use(self, one: Sitting) -> Expected:
        if self.end_of(one) is not None:
            return self._shown_after_end(one)
        if one.last_used_at <= self.now - TOUCH_EVERY:
            self._used(one)
        return Expected("let in")

    def _used(self, one: Sitting) -> None:
        one.last_used_at = self.now
        if one.door != Door.API:
            one.idle_end = min(self.second + LIVES[one.door][0], one.absolute_end)

    def _mark(self, ending: Iterable[Sitting], reason: RevokeReason) -> tuple[Event, ...]:
        """End those of *ending* that live; the first cause stands."""
        return tuple(event for one in ending if one.end(self.now) is None for event in self._write(one, reason))

    def _mark_over(self, mine: Iterable[Sitting]) -> tuple[Event, ...]:
        """Mark those of *mine* that the clock has ended, so that none comes back with it."""
        over = [(one, why) for one in mine if one.ended is None and (why := one.end(self.now)) is not None]
        return tuple(event for one, why in over for event in self._write(one, why))

    def _write(self, one: Sitting, reason: RevokeReason) -> tuple[Event, ...]:
        one.ended, one.ended_at = reason, self.now
        return ((ENDS.get(reason, "session_revoked"), str(one.sid)),)


def as_counted(events: Iterable[Event]) -> Counter[Event]:
    """Events without their order, each as often as it came."""
    return Counter(events)


def at(moment: int) -> datetime:
    """Read a time of a token."""
    return datetime.fromtimestamp(moment, tz=UTC)
