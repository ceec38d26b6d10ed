"""What the life of accounts should be, in plain Python: what test_machine.py holds the real thing against.

Each act says which answer it expects, which events and which mails, and changes the model as the act should change the
world. Written from docs/flows.md and docs/api.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIVES = {
    "verify": DAY,
    "reset": HOUR,
    "unlock": HOUR,
    "address": DAY,
    "address_undo": 7 * DAY,
    "undo_deletion": 14 * DAY,
}
TRIES = 4  # wrong passwords for an address in an hour, as the test sets it
ACCESS = timedelta(minutes=15)
CODE, CHALLENGE, PAUSE = timedelta(minutes=10), timedelta(minutes=30), timedelta(minutes=1)
IDLE, ABSOLUTE = 7 * DAY, 30 * DAY
ANSWERS, SENDS = 5, 5

Event = tuple[str, str | None]


@dataclass(eq=False)
class Account:
    """One account, until it is erased or removed."""

    email: str
    password: str
    touched: datetime
    pk: Any = None
    status: str = "inactive"
    proved: bool = False
    entered: bool = False
    app: str | None = None  # the id of the one in force
    last_step: int = 0
    pending: tuple[str, datetime] | None = None  # the id of one that waits for its first code
    codes: set[str] = field(default_factory=set)
    erase_at: datetime | None = None
    networks: set[str] = field(default_factory=set)
    answers: dict[str, tuple[str, bool]] = field(default_factory=dict)
    gone: bool = False


@dataclass(eq=False)
class Letter:
    """One link; ``token`` is read from the mail that carries it."""

    purpose: str
    owner: Account
    email: str
    made_at: datetime
    ends_at: datetime
    token: str = ""
    state: str = "open"  # open, used or closed


@dataclass(eq=False)
class Half:
    """A sign-in that waits for a code; ``code`` is read from the mail."""

    owner: Account
    made_at: datetime
    sent_at: datetime
    by_app: bool
    pk: str = ""
    code: str = ""
    answers: int = 0
    sends: int = 1
    consumed: bool = False
    cancelled: bool = False


@dataclass(eq=False)
class Sitting:
    """One session, and the tokens that its owner has."""

    owner: Account
    opened_at: datetime
    proved_at: datetime
    renewed_at: datetime
    strong: bool
    sid: str = ""
    access: str = ""
    refresh: str = ""
    ended: bool = False


Carried = Letter | Half | None
Mailed = tuple[str, str, Carried]


@dataclass
class Expected:
    """An answer, and the events and mails that come with it."""

    verdict: str
    events: list[Event] = field(default_factory=list)
    mails: list[Mailed] = field(default_factory=list)


class World:
    """Accounts and what hangs on them, and the clock on the wall."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.accounts: list[Account] = []
        self.letters: list[Letter] = []
        self.halves: list[Half] = []
        self.sittings: list[Sitting] = []
        self.counted: dict[str, tuple[datetime, int]] = {}  # by address: when the window ends, and how many
        self.failed: set[tuple[str, str]] = set()  # address and network of wrong passwords on record

    # -- what these share --

    def holder(self, email: str) -> Account | None:
        return next((one for one in self.accounts if one.email == email), None)

    def is_held(self, email: str, asking: Account | None = None) -> bool:
        """Whether nobody has the address, but another account left it and may take it back."""
        if self.holder(email) is not None:
            return False
        left = [one for one in self.letters if (one.purpose, one.email, one.state) == ("address_undo", email, "open")]
        return any(self.now < one.ends_at and not one.owner.gone and one.owner is not asking for one in left)

    def live(self, owner: Account | None = None) -> list[Sitting]:
        return [one for one in self.sittings if self.lives(one) and owner in (None, one.owner)]

    def lives(self, one: Sitting) -> bool:
        return not one.ended and self.now < min(one.renewed_at + IDLE, one.opened_at + ABSOLUTE)

    def issue(self, owner: Account, purpose: str, email: str = "") -> Letter:
        """Make a link, which closes the one of its kind that was open; of addresses that were left each has its own."""
        about = email or owner.email
        self.close(owner, only=purpose, email=about if purpose == "address_undo" else "")
        self.letters.append(Letter(purpose, owner, about, self.now, self.now + LIVES[purpose]))
        return self.letters[-1]

    def undo_letter(self, owner: Account) -> Letter:
        """The link that keeps the address in force, or brings it back: the one that is open goes on."""
        for one in self.open_letters(owner):
            if (one.purpose, one.email) == ("address_undo", owner.email) and self.now < one.ends_at:
                one.ends_at = self.now + LIVES["address_undo"]
                return one
        return self.issue(owner, "address_undo")

    def open_letters(self, owner: Account) -> list[Letter]:
        return [one for one in self.letters if one.owner is owner and one.state == "open"]

    def close(self, owner: Account, *, only: str = "", but: tuple[str, ...] = (), email: str = "") -> None:
        for one in self.open_letters(owner):
            if one.purpose not in but and only in ("", one.purpose) and email in ("", one.email):
                one.state = "closed"

    def waits(self, owner: Account) -> bool:
        """Whether a change of the address waits for its proof."""
        return any(one.purpose == "address" and self.now < one.ends_at for one in self.open_letters(owner))

    def end(self, sittings: Iterable[Sitting]) -> None:
        for one in sittings:
            one.ended = True

    def cancel_halves(self, owner: Account) -> None:
        for one in self.halves:
            one.cancelled |= one.owner is owner

    def refusal(self, letter: Letter, action: str) -> Expected | None:
        """What a link that is not open is answered with."""
        if letter.owner.gone:
            return Expected("token_invalid", [(action, "token_invalid")])
        if letter.state == "used":
            return Expected("token_used", [(action, "token_used")])
        if self.now >= letter.ends_at:
            return Expected("token_expired", [(action, "token_expired")])
        if letter.state == "closed":
            return Expected("token_invalid", [(action, "token_superseded")])
        return None

    def remove(self, owner: Account) -> None:
        """Nothing is left of it, and its address is free."""
        owner.gone = True
        self.accounts.remove(owner)
        self.end(self.live(owner))
        self.letters = [one for one in self.letters if one.owner is not owner or one.token]

    # -- signing up --

    def register(self, email: str, password: str) -> Expected:
        owner = self.holder(email)
        if owner is not None and owner.status != "inactive":
            mails: list[Mailed] = [] if owner.status == "deleted" else [("already_registered", email, None)]
            return Expected("verification_required", [("user_registered", "already_registered")], mails)
        if self.is_held(email):
            told: list[Mailed] = [("address_held", email, None)]
            return Expected("verification_required", [("user_registered", "address_held")], told)
        if owner is None:
            owner = Account(email, password, self.now)
            self.accounts.append(owner)
        owner.password, owner.touched, owner.answers["terms"] = password, self.now, ("1", True)
        letter = self.issue(owner, "verify")
        return Expected("verification_required", [("user_registered", None)], [("verify", email, letter)])

    def verify(self, letter: Letter) -> Expected:
        if refused := self.refusal(letter, "user_email_verified"):
            return refused
        letter.state = "used"
        letter.owner.proved, letter.owner.status, letter.owner.touched = True, "active", self.now
        return Expected("verified", [("user_email_verified", None)])

    def resend(self, email: str) -> Expected:
        owner = self.holder(email)
        expected = Expected("accepted", [("user_verification_requested", None)])
        if owner is not None and owner.status == "inactive":
            expected.mails = [("verify", email, self.issue(owner, "verify"))]
        elif owner is not None and owner.status == "active":
            expected.mails = [("already_verified", email, None)]
        return expected

    # -- signing in --

    def sign_in(self, email: str, password: str, network: str) -> Expected:
        owner = self.holder(email)
        ends, hits = self.counted.get(email, (self.now, 0))
        ends, hits = (self.now + HOUR, 0) if ends <= self.now else (ends, hits)
        self.counted[email] = (ends, min(hits, TRIES) + 1)
        if hits > TRIES:
            return Expected("account_locked", [("authn_login_lock", "locked")])
        if hits == TRIES:
            told = Expected("account_locked", [("authn_login_fail_max", "locked"), ("authn_login_lock_told", None)])
            if owner is not None and owner.status == "active":
                told.mails = [("locked", email, self.issue(owner, "unlock"))]
            return told
        if owner is None or owner.status == "deleted" or owner.password != password:
            why = "unknown_account" if owner is None else "bad_credentials"
            why = "deleted" if owner is not None and owner.status == "deleted" else why
            self.failed.add((email, network))
            return Expected("invalid_credentials", [("authn_login_fail", why)])
        self.counted[email] = (ends, hits)
        return self._entry(owner)

    def _entry(self, owner: Account) -> Expected:
        """What somebody who knew the password is asked for next."""
        if owner.status == "disabled":
            return Expected("account_disabled", [("authn_login_fail", "disabled")])
        if owner.status == "inactive":
            mails: list[Mailed] = [("verify", owner.email, self.issue(owner, "verify"))]
            return Expected("email_unverified", [("authn_login_fail", "unverified")], mails)
        half = Half(owner, self.now, self.now, by_app=owner.app is not None)
        self.halves.append(half)
        asked: list[Mailed] = [] if half.by_app else [("code", owner.email, half)]
        return Expected("otp_required", [("authn_password_accepted", None)], asked)

    def unlock(self, letter: Letter) -> Expected:
        """The link of the mail about a lockout lets one browser past it."""
        action = "authn_login_unlocked"
        if refused := self.refusal(letter, action):
            return refused
        letter.state = "used"
        return Expected("done", [(action, None)])

    def is_open(self, half: Half) -> bool:
        """Whether a half-done sign-in takes an answer."""
        over = half.consumed or half.cancelled or half.answers >= ANSWERS or self.now >= half.made_at + CHALLENGE
        return not over and not half.owner.gone and half.owner.status == "active"

    def send_again(self, half: Half) -> Expected:
        action = "authn_code_sent"
        if not self.is_open(half):
            return Expected("challenge_expired", [(action, "challenge_expired")])
        if half.by_app:
            return Expected("accepted")
        if self.now < half.sent_at + PAUSE or half.sends >= SENDS:
            return Expected("rate_limited", [(action, "rate_limited")])
        half.sends, half.sent_at = half.sends + 1, self.now
        return Expected("accepted", [(action, None)], [("code", half.owner.email, half)])

    def answer(self, half: Half, network: str, *, right: bool, step: int = 0, recovery: str = "") -> Expected:
        """*step* is the time step of a code of the app, *recovery* a recovery code; else it is a mailed one."""
        if not self.is_open(half):
            why = "code_replayed" if half.consumed and not half.owner.gone else "challenge_expired"
            return Expected("challenge_expired", [("authn_code_fail", why)])
        owner = half.owner
        half.answers += 1
        if right and not half.by_app and self.now >= half.sent_at + CODE:
            return Expected("otp_expired", [("authn_code_fail", "code_expired")])
        used = self.use_code(owner, step, recovery) if half.by_app and right else Expected("done")
        if not right or used is None:
            spent: list[Event] = [("authn_code_fail_max", "code_exhausted")] if half.answers == ANSWERS else []
            return Expected("otp_invalid", [("authn_code_fail", "code_wrong"), *spent])
        half.consumed = True
        self.failed.discard((owner.email, network))
        if network not in owner.networks and (owner.entered or owner.networks):
            used.mails.append(("new_device", owner.email, None))
        owner.networks.add(network)
        owner.entered = True
        self.sittings.append(Sitting(owner, self.now, self.now, self.now, strong=half.by_app))
        return Expected("authenticated", [*used.events, ("authn_login_success", None)], used.mails)

    def use_code(self, owner: Account, step: int, recovery: str) -> Expected | None:
        """Use up a code of the app, or a recovery code; None where it is not good."""
        if recovery:
            if recovery not in owner.codes:
                return None
            owner.codes.discard(recovery)
            told: list[Mailed] = [("recovery_code_used", owner.email, None)]
            return Expected("done", [("authn_recovery_code_used", None)], told)
        if abs(step - int(self.now.timestamp()) // 30) > 1 or step <= owner.last_step:
            return None
        owner.last_step = step
        return Expected("done")
