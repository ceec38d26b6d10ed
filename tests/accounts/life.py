"""The other half of model.py: what owners who are signed in, readers of mail, staff and the clock do to accounts."""

from datetime import timedelta

from tests.accounts.model import DAY, Account, Event, Expected, Letter, Mailed, Sitting, World

LASTING = ("address_undo", "undo_deletion")  # no new password and no new address closes them
SETUP, FRESH = timedelta(minutes=30), timedelta(minutes=5)
GRACE, UNPROVED = 14 * DAY, 30 * DAY
OFFERED = {"1": "terms", "news-1": "news"}


class Life(World):
    """The whole of it."""

    # -- what somebody signed in does --

    def owes(self, one: Sitting, *, strongly: bool = True) -> Expected | None:
        """What is asked of whoever did not prove themselves lately, or not by the app."""
        if self.now >= one.proved_at + FRESH:
            return Expected("reauthentication_required")
        if strongly and one.owner.app and not one.strong:
            return Expected("factor_required")
        return None

    def reauthenticate(self, one: Sitting, password: str, step: int = 0) -> Expected:
        action = "authn_reauthentication"
        if password != one.owner.password:
            return Expected("invalid_credentials", [(action, "bad_credentials")])
        if step and (not one.owner.app or self.use_code(one.owner, step, "") is None):
            return Expected("otp_invalid", [(action, "code_wrong")])
        one.proved_at, one.strong = self.now, bool(step)
        return Expected("done", [(action, None)])

    def change_password(self, one: Sitting, current: str, new: str) -> Expected:
        owner = one.owner
        if current != owner.password:
            return Expected("invalid_credentials", [("authn_reauthentication", "bad_credentials")])
        if new == current:
            return Expected("validation_failed", [("authn_password_change", "reused_password")])
        self._replace_password(owner, new)
        self.end(other for other in self.live(owner) if other is not one)
        return Expected("done", [("authn_password_change", None)], [("password_changed", owner.email, None)])

    def begin_app(self, one: Sitting) -> Expected:
        return self.owes(one) or Expected("done", [("authn_factor_change", None)])

    def confirm_app(self, one: Sitting, app: str, step: int) -> Expected:
        if owed := self.owes(one):
            return owed
        owner, action = one.owner, "authn_factor_change"
        if owner.pending is None or owner.pending[0] != app or self.now >= owner.pending[1] + SETUP:
            return Expected("not_found", [(action, "not_permitted")])
        if abs(step - int(self.now.timestamp()) // 30) > 1:
            return Expected("otp_invalid", [(action, "code_wrong")])
        owner.app, owner.pending, owner.last_step = app, None, step
        self._factors_changed(one)
        return Expected("done", [(action, None), (action, None)], [("factor_added", owner.email, None)])

    def remove_app(self, one: Sitting, app: str) -> Expected:
        if owed := self.owes(one):
            return owed
        if one.owner.app != app:
            return Expected("not_found", [("authn_factor_change", "not_permitted")])
        one.owner.app, one.owner.codes = None, set()
        self._factors_changed(one)
        return Expected("done", [("authn_factor_change", None)], [("factor_removed", one.owner.email, None)])

    def renew_codes(self, one: Sitting) -> Expected:
        if owed := self.owes(one):
            return owed
        if one.owner.app is None:
            return Expected("conflict", [("authn_factor_change", "conflict")])
        self._factors_changed(one)
        return Expected("done", [("authn_factor_change", None)], [("recovery_codes_made", one.owner.email, None)])

    def consent(self, one: Sitting, version: str, *, granted: bool) -> Expected:
        if one.owner.answers.get(OFFERED[version]) == (version, granted):
            return Expected("done")
        one.owner.answers[OFFERED[version]] = (version, granted)
        one.owner.touched = self.now if version == "1" else one.owner.touched
        return Expected("done", [("user_consent_given" if granted else "user_consent_withdrawn", None)])

    # -- another address --

    def ask_address(self, one: Sitting, email: str) -> Expected:
        if owed := self.owes(one):
            return owed
        owner, holder = one.owner, self.holder(email)
        if holder is owner:
            return Expected("validation_failed")
        letter = self.issue(owner, "address", email)
        mails: list[Mailed] = [("address_asked", owner.email, self.undo_letter(owner))]
        if self.is_held(email, owner):
            mails.append(("address_held", email, None))
        elif holder is None or self._makes_way(holder):
            mails.append(("address_confirm", email, letter))
        elif holder.status != "deleted":
            mails.append(("address_taken", email, None))
        return Expected(
            "accepted", [("user_email_change_requested", None), ("user_email_change_answered", None)], mails
        )

    def cancel_address(self, one: Sitting) -> Expected:
        if owed := self.owes(one, strongly=False):
            return owed
        if not self.waits(one.owner):
            return Expected("done")
        self.close(one.owner, only="address")
        self.close(one.owner, only="address_undo", email=one.owner.email)
        return Expected("done", [("user_email_change_cancelled", None)])

    def confirm_address(self, letter: Letter) -> Expected:
        action = "user_email_changed"
        if refused := self.refusal(letter, action):
            return refused
        owner, before = letter.owner, letter.owner.email
        if self._is_taken(letter):
            return Expected("conflict", [(action, "conflict")])
        letter.state = "used"
        undo = self.undo_letter(owner)
        told = self._move(owner, letter.email)
        mails: list[Mailed] = [("address_changed", owner.email, None), ("address_left", before, undo)]
        return Expected("done", [*told, (action, None)], mails)

    def undo_address(self, letter: Letter) -> Expected:
        action, owner = "user_email_change_undone", letter.owner
        if refused := self.refusal(letter, action):
            return refused
        if owner.status != "active" or (owner.email == letter.email and not self.waits(owner)):
            return Expected("token_invalid", [(action, "not_permitted")])
        if owner.email == letter.email:
            letter.state = "used"
            self.close(owner, only="address")
            return Expected("done", [("user_email_change_cancelled", None)])
        if self._is_taken(letter):
            return Expected("conflict", [(action, "conflict")])
        letter.state = "used"
        before, told = owner.email, self._move(owner, letter.email)
        owner.networks = set()
        for one in self.open_letters(owner):
            if one.purpose == "address_undo" and one.made_at >= letter.made_at:
                one.state = "closed"
        kept = self._keep(owner) if owner.erase_at else Expected("done")
        restored: list[Mailed] = [("address_restored", to, None) for to in (before, owner.email)]
        reset: Mailed = ("password_reset", owner.email, self.issue(owner, "reset"))
        return Expected("done", [*told, *kept.events, (action, None)], [*kept.mails, *restored, reset])

    # -- a forgotten password --

    def forgot(self, email: str) -> Expected:
        owner = self.holder(email)
        expected = Expected(
            "accepted", [("authn_password_reset_requested", None), ("authn_password_reset_answered", None)]
        )
        if owner is None:
            expected.mails = [("no_account", email, None)]
        elif owner.status in ("active", "inactive"):
            expected.mails = [("password_reset", email, self.issue(owner, "reset"))]
        return expected

    def reset(self, letter: Letter, new: str, step: int = 0, recovery: str = "") -> Expected:
        action, owner = "authn_password_reset", letter.owner
        if refused := self.refusal(letter, action):
            return refused
        used: Expected | None = Expected("done")
        if owner.app and owner.proved:
            if not (step or recovery):
                return Expected("factor_required", [(action, "factor_missing")])
            held = owner.last_step, set(owner.codes)
            used = self.use_code(owner, step, recovery)
            if used is None:
                return Expected("otp_invalid", [(action, "code_wrong")])
            if new == owner.password:
                owner.last_step, owner.codes = held
        if new == owner.password:
            return Expected("validation_failed", [(action, "reused_password")])
        letter.state = "used"
        proof: list[Event] = [] if owner.proved else [("user_email_verified", None)]
        owner.proved, owner.status = True, "active"
        self._replace_password(owner, new)
        self.end(self.live(owner))
        self.lift(owner.email)
        told: list[Mailed] = [("password_changed", owner.email, None)]
        return Expected("done", [*used.events, *proof, (action, None)], [*used.mails, *told])

    # -- giving the account up --

    def ask_deletion(self, one: Sitting) -> Expected:
        if owed := self.owes(one):
            return owed
        if one.owner.erase_at is not None:
            return Expected("done")
        one.owner.erase_at = self.now + GRACE
        letter = self.issue(one.owner, "undo_deletion")
        return Expected("done", [("user_deletion_requested", None)], [("deletion_requested", one.owner.email, letter)])

    def keep_account(self, one: Sitting) -> Expected:
        if owed := self.owes(one, strongly=False):
            return owed
        if one.owner.erase_at is None:
            return Expected("done")
        if one.owner.erase_at <= self.now:
            return Expected("conflict", [("user_deletion_undone", "conflict")])
        return self._keep(one.owner)

    def undo_deletion(self, letter: Letter) -> Expected:
        if refused := self.refusal(letter, "user_deletion_undone"):
            return refused
        letter.state = "used"
        return self._keep(letter.owner)

    def erase_due(self) -> Expected:
        going = [one for one in self.accounts if one.erase_at is not None and one.erase_at <= self.now]
        for one in going:
            mine = [letter for letter in self.letters if letter.owner is one]
            proved = {letter.email for letter in mine if letter.purpose != "address" or letter.state == "used"}
            for email in {one.email, *proved}:
                if self.holder(email) in (None, one):  # of those before, what nobody else has by now
                    self.lift(email)
            self.remove(one)
        mails: list[Mailed] = [("account_erased", one.email, None) for one in going if one.proved]
        return Expected("done", [("user_erased", None) for _one in going], mails)

    def remove_unproved(self) -> Expected:
        """Those of a month ago that no open link can prove any more."""
        before = self.now - UNPROVED
        old = [one for one in self.accounts if one.status == "inactive" and one.touched < before]
        going = [one for one in old if not any(self.now < letter.ends_at for letter in self.open_letters(one))]
        for one in going:
            self.remove(one)
        return Expected("done", [("user_registration_expired", None) for _one in going])

    # -- what staff do --

    def disable(self, owner: Account) -> Expected:
        if owner.status in ("disabled", "deleted"):
            return Expected("conflict", [("user_disabled", "conflict")])
        owner.status, owner.touched = "disabled", self.now
        self._shut_out(owner, but=("undo_deletion",))
        return Expected("done", [("user_disabled", None)], [("account_disabled", owner.email, None)])

    def enable(self, owner: Account) -> Expected:
        if owner.status != "disabled":
            return Expected("conflict", [("user_enabled", "conflict")])
        owner.status, owner.touched = "active" if owner.proved else "inactive", self.now
        return Expected("done", [("user_enabled", None)], [("account_enabled", owner.email, None)])

    def delete(self, owner: Account) -> Expected:
        if owner.status == "deleted":
            return Expected("conflict", [("user_deleted", "conflict")])
        owner.status = "deleted"
        owner.erase_at = min(self.now + GRACE, owner.erase_at or self.now + GRACE)
        self._shut_out(owner)
        mails: list[Mailed] = [("account_deleted", owner.email, None)] if owner.proved else []
        return Expected("done", [("user_deleted", None)], mails)

    def unlock_by_staff(self, owner: Account) -> Expected:
        if owner.status == "deleted" or not self.lift(owner.email):
            return Expected("conflict", [("user_unlocked", "conflict")])
        mails: list[Mailed] = [("account_unlocked", owner.email, None)] if owner.status == "active" else []
        return Expected("done", [("user_unlocked", None)], mails)

    def lift(self, email: str) -> bool:
        """Forget what was counted against an address; tell whether something was."""
        ends, hits = self.counted.pop(email, (self.now, 0))
        records = {one for one in self.failed if one[0] == email}
        self.failed -= records
        return bool(records) or (hits > 0 and self.now < ends)

    # -- what these share --

    def _replace_password(self, owner: Account, new: str) -> None:
        owner.password, owner.touched = new, self.now
        self.close(owner, but=LASTING)
        self.cancel_halves(owner)

    def _factors_changed(self, one: Sitting) -> None:
        self.end(other for other in self.live(one.owner) if other is not one)
        self.cancel_halves(one.owner)
        self.close(one.owner, only="address")

    def _shut_out(self, owner: Account, but: tuple[str, ...] = ()) -> None:
        self.end(self.live(owner))
        self.close(owner, but=but)
        self.cancel_halves(owner)

    def _makes_way(self, holder: Account) -> bool:
        return holder.status == "inactive" and not holder.proved and not holder.entered

    def _is_taken(self, letter: Letter) -> bool:
        holder = self.holder(letter.email)
        if holder is None:
            return self.is_held(letter.email, letter.owner)
        return holder is not letter.owner and not self._makes_way(holder)

    def _move(self, owner: Account, email: str) -> list[Event]:
        """Put *email* in force; whoever never proved it makes way."""
        holder, told = self.holder(email), list[Event]()
        if holder is not None and holder is not owner:
            self.remove(holder)
            told = [("user_registration_expired", None)]
        owner.email, owner.proved, owner.touched = email, True, self.now
        self.end(self.live(owner))
        self.close(owner, but=LASTING)
        self.close(owner, only="address_undo", email=email)
        self.cancel_halves(owner)
        return told

    def _keep(self, owner: Account) -> Expected:
        owner.erase_at = None
        self.close(owner, only="undo_deletion")
        return Expected("done", [("user_deletion_undone", None)], [("deletion_undone", owner.email, None)])
