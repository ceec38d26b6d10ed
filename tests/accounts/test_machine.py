"""Any order of what happens to accounts, held against a plain model; ``--long`` runs it at depth.

A failure prints the steps that lead there.
"""

import re
from base64 import b32decode
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.db import transaction
from django.test import override_settings
from django_otp.oath import TOTP
from hypothesis import HealthCheck, assume
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

from accounts import outbox
from accounts.models import Challenge, Consent, Link, Mail, MailState, RecoveryCode, Status, TotpDevice, User
from accounts.services import address_links, lifecycle, lockouts
from audit.models import Event
from gatehouse import cleaning, limits
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app.models import Session
from tests.accounts.life import SETUP, Life
from tests.accounts.model import ACCESS, CHALLENGE, CODE, TRIES, Account, Expected, Half, Letter, Sitting
from tests.factories import Api, UserFactory, mark

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HERE, ROOT = Client.local("test"), Actor.command("root")
ADDRESSES = st.sampled_from(["ann@example.com", "bob@example.com", "cat@example.com"])
PASSWORDS = st.sampled_from(["correct horse battery", "staple under the stairs"])
NETWORKS = st.sampled_from(["192.0.2.7", "192.0.2.7", "192.0.2.7", "198.51.100.9"])
STEPS = [timedelta(seconds=n) for n in (1, 30, 60, 301, 901, 3600)] + [timedelta(days=n) for n in (1, 7, 14, 31)]
AROUND = [timedelta(seconds=n) for n in (-1, 0, 1)]
ANY, DRIFTS = st.integers(0, 40), st.sampled_from([-2, -1, 0, 0, 1, 1, 2])
BESIDE = ("session_", "authn_device", "device_", "authz_fail", "authn_token")  # the sessions' own: held by their rows
_TOKEN = re.compile(r"^http://testserver/account/[\w/]+/([\w-]{43})$", re.MULTILINE)
_CODE = re.compile(r"^(\d{6})\b", re.MULTILINE)


class Accounts(RuleBasedStateMachine):
    """Every act is done twice, in the model and for real, and what came of it compared."""

    def __init__(self) -> None:
        super().__init__()
        self.around = ExitStack()
        self.clock: Any = None
        self.world: Life
        self.secrets: dict[str, bytes] = {}  # of apps, by their ids
        self.spent: list[str] = []  # recovery codes that were good once

    @initialize(grown=st.integers(0, 3))
    def begin(self, grown: int) -> None:
        kept = transaction.atomic()
        kept._from_testcase = True  # lets durable transactions run inside
        self.around.enter_context(kept)
        self.around.callback(transaction.set_rollback, True)
        self.clock = self.around.enter_context(time_machine.travel(START, tick=False))
        # Lockouts come soon, and no other limit comes at all: those have tests of their own.
        wide = {name: replace(limit, number=10**6) for name, limit in limits.LIMITS.items()}
        wide["login_address"] = replace(wide["login_address"], number=TRIES)
        self.around.enter_context(patch.dict(limits.LIMITS, wide))
        asked = settings.ACCOUNTS | {"OPTIONAL_CONSENTS": (("news-1", "News by mail"),)}
        self.around.enter_context(override_settings(ACCOUNTS=asked))
        self.world, self.api = Life(START), Api()
        self.staff = UserFactory(email="staff@example.com", staff=True)
        mail.outbox = []
        self.seen = mark()
        if grown:
            self._grow("ann@example.com", with_app=grown == 3)

    def teardown(self) -> None:
        self.around.close()

    # -- signing up and in --

    @rule(email=ADDRESSES, password=PASSWORDS)
    def register(self, email: str, password: str) -> None:
        expected = self.world.register(email, password)
        self._compare(self._said(self.api.register(email, password)), expected)
        for one in self.world.accounts:
            one.pk = one.pk or User.objects.get(email=one.email).pk

    @rule(email=ADDRESSES)
    def resend(self, email: str) -> None:
        expected = self.world.resend(email)
        self._compare(self._post("/auth/verify-email/resend", {"email": email}), expected)

    @precondition(lambda self: self.letters("verify"))
    @rule(which=ANY)
    def verify(self, which: int) -> None:
        letter = self._letter("verify", which)
        expected = self.world.verify(letter)
        self._compare(self._post("/auth/verify-email", {"token": letter.token}), expected)

    @rule(email=ADDRESSES, password=PASSWORDS, network=NETWORKS)
    def sign_in(self, email: str, password: str, network: str) -> None:
        expected = self.world.sign_in(email, password, network)
        said = self.api.login(email, password, ip=network)
        self._compare(self._said(said), expected)
        if expected.verdict == "otp_required":
            self.world.halves[-1].pk = said.json()["challenge"]["id"]

    @precondition(lambda self: self.halves)
    @rule(which=ANY)
    def send_again(self, which: int) -> None:
        half = self.halves[which % len(self.halves)]
        expected = self.world.send_again(half)
        self._compare(self._post("/auth/otp/send", {"challenge_id": half.pk}), expected)

    @precondition(lambda self: self.halves)
    @rule(which=st.integers(0, 2), right=st.sampled_from([True, True, False]), network=NETWORKS, drift=DRIFTS)
    def answer(self, which: int, right: bool, network: str, drift: int) -> None:
        half = self.halves[-1 - which % len(self.halves)]
        if half.by_app:
            step, code = self._app_code(half.owner, drift)
            self._answer(half, code, network, right=True, step=step)
        else:
            wrong = f"{(int(half.code) + 1) % 10**6:06d}"
            self._answer(half, half.code if right else wrong, network, right=right)

    @precondition(lambda self: any(half.by_app for half in self.halves) and self.spent)
    @rule(which=ANY, network=NETWORKS)
    def answer_by_recovery_code(self, which: int, network: str) -> None:
        half = [half for half in self.halves if half.by_app][-1]
        code = self._recovery_code(half.owner, which)
        self._answer(half, code, network, right=True, recovery=code)

    @precondition(lambda self: self.letters("unlock"))
    @rule(which=ANY)
    def unlock(self, which: int) -> None:
        letter = self._letter("unlock", which)
        expected = self.world.unlock(letter)
        self._compare(self._done(lambda: lockouts.unlock_browser(token=letter.token, client=HERE)), expected)

    # -- what somebody signed in does --

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, password=PASSWORDS, drift=DRIFTS, by_app=st.booleans())
    def reauthenticate(self, which: int, password: str, drift: int, by_app: bool) -> None:
        one = self._sitting(which)
        self._prove(one, password, drift if by_app and one.owner.app else None)

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, current=PASSWORDS, new=PASSWORDS)
    def change_password(self, which: int, current: str, new: str) -> None:
        one = self._sitting(which)
        given = {"current_password": current, "new_password": new}
        self._own(one, "POST", "/me/password", self.world.change_password(one, current, new), given)

    @precondition(lambda self: any(not one.owner.app for one in self.world.live()))
    @rule(which=ANY)
    def begin_app(self, which: int) -> None:
        one = self._sitting(which, [one for one in self.world.live() if not one.owner.app])
        body = self._own(one, "POST", "/me/factors/totp", self.world.begin_app(one), {"name": "Phone"})
        if "secret" in body:
            one.owner.pending = body["id"], self.world.now
            self.secrets[body["id"]] = b32decode(body["secret"] + "=" * (-len(body["secret"]) % 8))

    @precondition(lambda self: any(one.owner.pending for one in self.world.live()))
    @rule(which=ANY, drift=DRIFTS)
    def confirm_app(self, which: int, drift: int) -> None:
        one = self._sitting(which, [one for one in self.world.live() if one.owner.pending])
        app = one.owner.pending[0] if one.owner.pending else ""
        step, code = self._app_code(one.owner, drift, app)
        expected = self.world.confirm_app(one, app, step)
        body = self._own(one, "POST", f"/me/factors/totp/{app}/confirm", expected, {"code": code})
        self._take_codes(one.owner, body.get("recovery_codes", []))

    @precondition(lambda self: self.secrets and self.world.live())
    @rule(which=ANY, app=ANY, prove=st.booleans())
    def remove_app(self, which: int, app: int, prove: bool) -> None:
        one = self._sitting(which, prove=prove)
        wanted = one.owner.app or [*self.secrets][app % len(self.secrets)]
        self._own(one, "DELETE", f"/me/factors/{wanted}", self.world.remove_app(one, wanted))

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, prove=st.booleans())
    def renew_codes(self, which: int, prove: bool) -> None:
        one = self._sitting(which, prove=prove)
        body = self._own(one, "POST", "/me/recovery-codes", self.world.renew_codes(one))
        self._take_codes(one.owner, body.get("codes", []))

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, version=st.sampled_from(["1", "news-1"]), granted=st.booleans())
    def consent(self, which: int, version: str, granted: bool) -> None:
        one = self._sitting(which)
        expected = self.world.consent(one, version, granted=granted)
        self._own(one, "POST", "/me/consents", expected, {"version": version, "granted": granted})

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, email=ADDRESSES, prove=st.booleans())
    def ask_address(self, which: int, email: str, prove: bool) -> None:
        one = self._sitting(which, prove=prove)
        self._own(one, "POST", "/me/email", self.world.ask_address(one, email), {"new_email": email})

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, prove=st.booleans())
    def cancel_address(self, which: int, prove: bool) -> None:
        one = self._sitting(which, prove=prove)
        self._own(one, "DELETE", "/me/email/pending", self.world.cancel_address(one))

    @precondition(lambda self: self.world.live())
    @rule(which=ANY, prove=st.booleans())
    def ask_deletion(self, which: int, prove: bool) -> None:
        one = self._sitting(which, prove=prove)
        self._own(one, "POST", "/me/deletion", self.world.ask_deletion(one))

    @precondition(lambda self: any(one.owner.erase_at for one in self.world.live()))
    @rule(which=ANY, prove=st.booleans())
    def keep_account(self, which: int, prove: bool) -> None:
        one = self._sitting(which, [one for one in self.world.live() if one.owner.erase_at], prove=prove)
        self._own(one, "DELETE", "/me/deletion", self.world.keep_account(one))

    @precondition(lambda self: self.world.sittings)
    @rule(which=ANY)
    def use_any_session(self, which: int) -> None:
        one = self.world.sittings[which % len(self.world.sittings)]
        answer = self.api.get("/me", authorization=f"Bearer {one.access}")
        lives = self.world.lives(one) and self.world.now < one.renewed_at + ACCESS
        assert (answer.status_code == 200) == lives, answer.content

    # -- the links of mails --

    @precondition(lambda self: self.letters("address"))
    @rule(which=ANY)
    def confirm_address(self, which: int) -> None:
        letter = self._letter("address", which)
        expected = self.world.confirm_address(letter)
        self._compare(self._post("/me/email/confirm", {"token": letter.token}), expected)

    @precondition(lambda self: self.letters("address_undo"))
    @rule(which=ANY)
    def undo_address(self, which: int) -> None:
        letter = self._letter("address_undo", which)
        assume(not letter.owner.app)  # what becomes of factors has tests of its own
        expected = self.world.undo_address(letter)
        self._compare(self._done(lambda: address_links.undo(token=letter.token, client=HERE)), expected)

    @rule(email=ADDRESSES)
    def forgot(self, email: str) -> None:
        expected = self.world.forgot(email)
        self._compare(self._post("/auth/password/forgot", {"email": email}), expected)

    @precondition(lambda self: self.letters("reset"))
    @rule(which=ANY, new=PASSWORDS, drift=DRIFTS, by=st.sampled_from(["nothing", "app", "app", "recovery"]))
    def reset(self, which: int, new: str, drift: int, by: str) -> None:
        letter = self._letter("reset", which)
        given, known = {"token": letter.token, "new_password": new}, {}
        if letter.owner.app and by == "app":
            known["step"], given["code"] = self._app_code(letter.owner, drift)
        elif letter.owner.app and by == "recovery" and self.spent:
            known["recovery"] = given["code"] = self._recovery_code(letter.owner, which)
            given["method"] = "recovery"
        self._compare(self._post("/auth/password/reset", given), self.world.reset(letter, new, **known))

    @precondition(lambda self: self.letters("undo_deletion"))
    @rule(which=ANY)
    def undo_deletion(self, which: int) -> None:
        letter = self._letter("undo_deletion", which)
        expected = self.world.undo_deletion(letter)
        self._compare(self._post("/auth/deletion/undo", {"token": letter.token}), expected)

    # -- staff, the clean-up, the clock --

    @precondition(lambda self: self.world.accounts)
    @rule(which=ANY, act=st.sampled_from(["disable", "enable", "enable", "unlock", "unlock", "delete"]))
    def staff_act(self, which: int, act: str) -> None:
        owner = self.world.accounts[which % len(self.world.accounts)]
        name = "unlock_by_staff" if act == "unlock" else act
        given: dict[str, Any] = {"target": User.objects.get(pk=owner.pk), "by": self.staff, "reason": "a test"}
        expected = getattr(self.world, name)(owner)
        self._compare(self._done(lambda: getattr(lifecycle, act)(client=HERE, **given)), expected)

    @rule(chore=st.sampled_from(["erasures", "unverified"]))
    def clean_up(self, chore: str) -> None:
        expected = self.world.erase_due() if chore == "erasures" else self.world.remove_unproved()
        sweep = cleaning.Sweep([cleaning.chores()[chore]], actor=ROOT)
        self._compare(self._done(lambda: [*sweep.steps()]), expected)

    @rule(step=st.sampled_from(STEPS))
    def wait(self, step: timedelta) -> None:
        self._go_to(self.world.now + step)

    @rule(which=ANY, around=st.sampled_from(AROUND))
    def go_to_an_end(self, which: int, around: timedelta) -> None:
        world = self.world
        ends = [one.ends_at for one in world.letters] + [end for end, _hits in world.counted.values()]
        ends += [one.erase_at for one in world.accounts if one.erase_at]
        ends += [one.pending[1] + SETUP for one in world.accounts if one.pending]
        ends += [half.sent_at + CODE for half in world.halves] + [half.made_at + CHALLENGE for half in world.halves]
        to_come = sorted({end + around for end in ends if end + around > world.now})
        if to_come:
            self._go_to(to_come[which % len(to_come)])

    # -- what holds after every step --

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        if self.clock is None:
            return
        rows = {row.pk: row for row in User.objects.filter(erased_at=None).exclude(pk=self.staff.pk)}
        assert rows.keys() == {one.pk for one in self.world.accounts}
        for one in self.world.accounts:
            row = rows[one.pk]
            held = (row.email, row.status, row.email_verified, row.erase_at)
            assert held == (one.email, one.status, one.proved, one.erase_at)
            assert row.is_active == (row.status == Status.ACTIVE) and not row.is_staff
            assert row.check_password(one.password)
            assert TotpDevice.objects.filter(user=row, confirmed=True).exists() == (one.app is not None)
            assert RecoveryCode.objects.filter(user=row, used_at=None).count() == len(one.codes)
            assert row.terms_version == (one.answers["terms"][0] if one.answers["terms"][1] else "")
        assert len({one.email for one in self.world.accounts}) == len(rows)

    @invariant()
    def what_opens_something_is_what_the_model_says(self) -> None:
        if self.clock is None:
            return
        live = Session.objects.live(datetime.now(UTC)).values_list("pk", flat=True)
        assert {str(pk) for pk in live} == {one.sid for one in self.world.live()}
        links = Link.objects.exclude(purpose="disavow").filter(open_key__isnull=False, used_at=None)
        standing = Counter(links.values_list("user_id", "purpose", "email", "expires_at"))
        letters = [one for account in self.world.accounts for one in self.world.open_letters(account)]
        assert standing == Counter((one.owner.pk, one.purpose, one.email, one.ends_at) for one in letters)

    @invariant()
    def of_the_erased_nothing_is_left(self) -> None:
        if self.clock is None:
            return
        for row in User.objects.exclude(erased_at=None):
            assert (row.status, row.display_name, row.terms_version, row.erase_at) == (Status.DELETED, "", "", None)
            assert row.email.endswith("@erased.invalid") and not row.has_usable_password()
            for owned in (Link, Challenge, RecoveryCode, TotpDevice, Consent, Mail, Session):
                assert not owned._base_manager.filter(user=row).exists(), owned

    # -- how it is done --

    def _grow(self, email: str, *, with_app: bool) -> None:
        """Begin with somebody who is signed in, so that few steps lead far."""
        password, network = "correct horse battery", "192.0.2.7"
        self.register(email, password)
        self.verify(0)
        self.sign_in(email, password, network)
        self.answer(0, right=True, network=network, drift=0)
        if with_app:
            self.begin_app(0)
            self.confirm_app(0, drift=0)

    def letters(self, purpose: str) -> list[Letter]:
        return [one for one in self.world.letters if one.purpose == purpose and one.token]

    @property
    def halves(self) -> list[Half]:
        return [half for half in self.world.halves if half.code or half.by_app]

    def _letter(self, purpose: str, which: int) -> Letter:
        """Any link that was mailed, the newest ones more often."""
        return (found := self.letters(purpose))[-1 - (which // 2) % len(found)]

    def _sitting(self, which: int, among: list[Sitting] | None = None, *, prove: bool = False) -> Sitting:
        """A live session, with a token that is not too old and, where asked, with a fresh proof."""
        found = among or self.world.live()
        one = found[which % len(found)]
        if self.world.now >= one.renewed_at + ACCESS:
            self._take_tokens(one, self.api.post("/auth/refresh", {"refresh_token": one.refresh}).json())
            one.renewed_at = self.world.now
        if prove:
            self._prove(one, one.owner.password, 1 if one.owner.app else None)
        return one

    def _prove(self, one: Sitting, password: str, drift: int | None) -> None:
        given, step = {"password": password}, 0
        if drift is not None:
            step, given["code"] = self._app_code(one.owner, drift)
        body = self._own(one, "POST", "/auth/reauthenticate", self.world.reauthenticate(one, password, step), given)
        one.access = body.get("access_token", one.access)

    def _app_code(self, owner: Account, drift: int, app: str = "") -> tuple[int, str]:
        """What the app shows so many steps away, and which step that is."""
        step = int(self.world.now.timestamp()) // 30 + drift
        reader = TOTP(self.secrets[app or owner.app or next(iter(self.secrets))], step=30, digits=6)
        shown = {}
        for turn in (step, *range(step - drift - 1, step - drift + 2)):
            reader.time = turn * 30.0
            shown[turn] = f"{reader.token():06d}"
        assume(len(set(shown.values())) == len(shown))  # one in a million is the code of two steps
        return step, shown[step]

    def _recovery_code(self, owner: Account, which: int) -> str:
        """A good one, or now and then one that was good once."""
        return sorted(owner.codes)[0] if owner.codes and which % 4 else self.spent[which % len(self.spent)]

    def _take_codes(self, owner: Account, codes: list[str]) -> None:
        if codes:
            owner.codes = set(codes)
            self.spent += codes[:2]

    def _take_tokens(self, one: Sitting, body: dict[str, Any]) -> None:
        one.access, one.refresh = body["access_token"], body["refresh_token"]

    def _answer(self, half: Half, code: str, network: str, **known: Any) -> None:
        expected = self.world.answer(half, network, **known)
        method = {"method": "recovery"} if known.get("recovery") else {}
        answer = self.api.post("/auth/otp/verify", {"challenge_id": half.pk, "code": code, **method}, ip=network)
        if expected.verdict == "authenticated" and answer.status_code == 200:
            one = self.world.sittings[-1]
            one.sid = answer.json()["session"]["id"]
            self._take_tokens(one, answer.json())
        self._compare(self._said(answer), expected)

    def _own(self, one: Sitting, method: str, path: str, expected: Expected, given: Any = None) -> dict[str, Any]:
        """Do what is the owner's to do, and return the body of the answer."""
        answer = self.api.send(method, path, given, authorization=f"Bearer {one.access}")
        self._compare(self._said(answer), expected)
        return dict(answer.json()) if answer.content else {}

    def _post(self, path: str, data: dict[str, str]) -> str:
        return self._said(self.api.post(path, data))

    def _said(self, answer: Any) -> str:
        body = answer.json() if answer.content else {}
        return str(body["code"] if answer.status_code >= 400 else body.get("status", "done"))

    def _done(self, act: Callable[[], Any]) -> str:
        try:
            act()
        except Problem as problem:
            return problem.code
        return "done"

    def _go_to(self, moment: datetime) -> None:
        self.world.now = moment
        self.clock.move_to(moment, tick=False)

    def _compare(self, said: str, expected: Expected) -> None:
        """Hold the answer, the trail and the mails to what the model says."""
        mailed = self._mailed()
        rows = Event.objects.filter(pk__gt=self.seen).order_by("pk").values_list("action", "success", "failure_reason")
        told = [(action, None if good else why) for action, good, why in rows if not action.startswith(BESIDE)]
        self.seen = mark()
        assert said == expected.verdict, (said, expected, told)
        assert Counter(told) == Counter(expected.events)
        assert Counter(one[:2] for one in mailed) == Counter(one[:2] for one in expected.mails)
        for template, to, carried in expected.mails:
            text = next(one[2] for one in mailed if one[:2] == (template, to))
            if isinstance(carried, Half):
                carried.code = _CODE.findall(text)[0]
            elif carried is not None:
                token = _TOKEN.findall(text)[0]
                assert carried.token in ("", token)  # a link that goes on is the same one
                carried.token = token

    def _mailed(self) -> list[tuple[str, str, str]]:
        """Let the worker send what is due; return each mail's template, address and text."""
        told = []
        for _turn in range(2):  # a request for a mail becomes that mail first
            waiting = [*Mail.objects.filter(state=MailState.QUEUED).values_list("pk", "template", "to")]
            outbox.send_due(limit=100)
            told += [one for one in waiting if not one[1].endswith("_request")]
        texts = {str(one.extra_headers["Message-ID"])[1:37]: str(one.body) for one in mail.outbox}  # type: ignore[attr-defined]
        mail.outbox.clear()
        assert texts.keys() == {str(pk) for pk, _template, _to in told}
        return [(template, to, texts[str(pk)]) for pk, template, to in told]


@pytest.mark.parametrize(("examples", "steps"), [
    (5, 25),
    pytest.param(2_000, 50, marks=[pytest.mark.long, pytest.mark.timeout(14_400)]),
])  # fmt: skip
def test_no_order_of_acts_makes_accounts_differ_from_the_model(db: None, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Accounts,
        settings=depth(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=examples < 100,
            suppress_health_check=list(HealthCheck),
        ),
    )
