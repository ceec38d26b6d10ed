"""Changes of address beside each other, beside sign-ups, cancellations and their own undoing."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.imports.formats import Row
from accounts.models import Link, LinkPurpose, Mail, Status, User
from accounts.services import address_links, registration
from accounts.services.importing import Import
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app.models import Session
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer, trail

NEW, OTHER = "new@example.org", "other@example.com"
HERE = Client.local("test")


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


def signed_in(api: Api, email: str = EMAIL) -> dict[str, Any]:
    UserFactory(email=email)
    return api.sign_in(email)


def asked(api: Api, body: dict[str, Any], email: str = NEW) -> str:
    assert api.post("/me/email", {"new_email": email}, **bearer(body)).status_code == 202
    return api.mailbox.token(email)


def confirm(token: str) -> Any:
    return Api().post("/me/email/confirm", {"token": token})


def undo(token: str) -> Any:
    try:
        return address_links.undo(token=token, client=HERE)
    except Problem as problem:
        return problem.code


def seen(answers: list[Any]) -> Counter[Any]:
    return Counter(one.json().get("code", one.status_code) for one in answers)


@pytest.mark.parametrize("turn", range(4))
def test_of_accounts_that_race_for_one_address_one_gets_it(api: Api, race: Any, turn: int) -> None:
    """The others keep their own, with their sessions, and are told so; nothing of them is half written."""
    people = [f"person{number}@example.com" for number in range(4)]
    spellings = [NEW, NEW.upper(), "New@Example.org", "ｎｅｗ@example.org"]
    pairs = list(zip(people, spellings, strict=True))
    tokens = [asked(api, signed_in(api, person), spelling) for person, spelling in pairs]
    api.mailbox.all()
    answers = race([lambda token=token: confirm(token) for token in tokens])
    assert seen(answers) == {200: 1, "conflict": 3}
    winner = people[[one.status_code for one in answers].index(200)]
    assert User.objects.filter(email_key=NEW).count() == 1
    assert set(User.objects.exclude(email_key=NEW).values_list("email", flat=True)) == set(people) - {winner}
    assert Session.objects.live(timezone.now()).count() == 3
    assert Counter(trail())[("user_email_changed",)] == Mail.objects.filter(template="address_left").count() == 1
    assert Counter(trail())[("user_email_changed", "conflict")] == 3
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS).open().count() == 3


def test_d02_many_uses_of_one_link_are_one_change(api: Api, race: Any) -> None:
    token = asked(api, signed_in(api))
    answers = race([lambda: confirm(token)] * 20)
    assert seen(answers) == {200: 1, "token_used": 19}
    assert Counter(trail())[("user_email_changed",)] == 1
    assert Mail.objects.filter(template="address_changed").count() == 1


@pytest.mark.parametrize("turn", range(4))
def test_the_proof_beside_a_sign_up_gets_the_address_and_one_account_has_it(api: Api, race: Any, turn: int) -> None:
    """Nobody has proved what he signs up with; whoever follows the link has."""
    token = asked(api, signed_in(api))

    def sign_up() -> Any:
        return registration.register(email=NEW, password="a stranger's password", accept_terms=True, client=HERE)

    calls: list[Any] = [sign_up, sign_up, sign_up]
    calls.insert(turn, lambda: confirm(token))
    results = race(calls)
    assert results.pop(turn).status_code == 200
    assert results == [None] * 3
    assert list(User.objects.values_list("email", "status")) == [(NEW, Status.ACTIVE)]
    assert api.login(NEW).json()["status"] == "otp_required"


@pytest.mark.parametrize("turn", range(3))
def test_the_proof_beside_that_of_a_sign_up_is_settled_by_who_comes_first(api: Api, race: Any, turn: int) -> None:
    token = asked(api, signed_in(api))
    Api().register(NEW, "a stranger's password")
    verifying = api.mailbox.token(NEW)
    first, second = race([lambda: confirm(token), lambda: Api().post("/auth/verify-email", {"token": verifying})])
    assert (first.status_code, second.status_code) in {(200, 400), (409, 200)}
    assert User.objects.filter(email_key=NEW, status=Status.ACTIVE).count() == 1
    assert User.objects.count() == (1 if first.status_code == 200 else 2)


@pytest.mark.parametrize("turn", range(4))
def test_the_proof_beside_a_cancellation_is_one_or_the_other(api: Api, race: Any, turn: int) -> None:
    body = signed_in(api)
    token = asked(api, body)
    calls = [lambda: confirm(token), lambda: Api().send("DELETE", "/me/email/pending", **bearer(body))]
    answers = race(calls if turn % 2 else calls[::-1])
    confirmed, cancelled = answers if turn % 2 else answers[::-1]
    changed = User.objects.get().email == NEW
    assert confirmed.status_code == (200 if changed else 400)
    assert cancelled.status_code in ({204, 401} if changed else {204})
    assert Event.objects.filter(action="user_email_changed", success=True).count() == changed
    assert Event.objects.filter(action="user_email_change_cancelled", success=True).count() == (not changed)


@pytest.mark.parametrize("turn", range(4))
def test_the_proof_beside_its_undoing_leaves_the_old_address(api: Api, race: Any, turn: int) -> None:
    """Whichever comes first: what waits is withdrawn, or what took effect is put back."""
    token = asked(api, signed_in(api))
    undoing = api.mailbox.token(EMAIL)
    results = race([lambda: confirm(token), lambda: undo(undoing)])
    assert results[1] in (True, False)
    assert results[0].status_code == (200 if results[1] else 400)
    assert User.objects.get().email == EMAIL
    assert Session.objects.live(timezone.now()).count() == (0 if results[1] else 1)
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).open().exists()


def test_many_uses_of_the_way_back_are_one(api: Api, race: Any) -> None:
    confirm(asked(api, signed_in(api)))
    undoing = api.mailbox.token(EMAIL)
    results = race([lambda: undo(undoing)] * 8)
    assert Counter(results) == {True: 1, "token_used": 7}
    api.mailbox.all()
    assert Mail.objects.filter(template="password_reset").count() == 1


def test_many_requests_leave_one_change_that_waits(api: Api, race: Any) -> None:
    body = signed_in(api)
    wanted = [f"n{number}@example.org" for number in range(6)]
    calls = [lambda email=email: Api().post("/me/email", {"new_email": email}, **bearer(body)) for email in wanted]
    assert seen(race(calls)) == {202: 6}
    [waits] = Link.objects.filter(purpose=LinkPurpose.ADDRESS).open()
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS_UNDO).open().count() == 1
    answers = [confirm(api.mailbox.token(email)) for email in wanted if email == waits.email]
    assert [one.status_code for one in answers] == [200]
    assert User.objects.get().email == waits.email


@pytest.mark.parametrize("turn", range(4))
def test_no_sign_in_by_the_old_address_survives_the_change(api: Api, race: Any, turn: int, mailbox: Mailbox) -> None:
    UserFactory(email=EMAIL)
    trusted = api.sign_in(trust_device=True)
    token = asked(api, trusted)
    challenge = api.challenge()
    code = mailbox.code()
    enter = lambda: Api().login(trust_token=trusted["trust_token"])  # noqa: E731 - one of the calls below
    refresh = lambda: Api().post("/auth/refresh", {"refresh_token": trusted["refresh_token"]})  # noqa: E731
    answers = race([enter, lambda: confirm(token), enter, lambda: Api().answer(challenge, code), refresh])
    assert answers[1].status_code == 200
    assert not [one for one in answers if one.status_code >= 500]
    assert not Session.objects.live(timezone.now()).exists()
    assert Api().login(EMAIL, PASSWORD).status_code == 401


@pytest.mark.parametrize("turn", range(6))
def test_an_address_that_is_left_at_this_moment_goes_to_nobody_else(api: Api, race: Any, turn: int) -> None:
    token = asked(api, signed_in(api))
    calls = [*_wanting(), lambda: confirm(token)]
    results = race(calls[turn % 4 :] + calls[: turn % 4])
    assert not [one for one in results if isinstance(one, Exception)], results
    assert list(User.objects.values_list("email", flat=True)) == [NEW]


@pytest.mark.parametrize("turn", range(6))
def test_the_way_back_beside_whoever_wants_the_address_wins(api: Api, race: Any, turn: int) -> None:
    confirm(asked(api, signed_in(api)))
    undoing = api.mailbox.token(EMAIL)
    calls = [*_wanting(), lambda: undo(undoing)]
    results = race(calls[turn % 4 :] + calls[: turn % 4])
    assert not [one for one in results if isinstance(one, Exception)], results
    assert results.count(True) == 1
    assert list(User.objects.values_list("email", "status")) == [(EMAIL, Status.ACTIVE)]


@pytest.mark.parametrize("turn", range(4))
def test_at_the_end_of_the_link_the_address_has_one_account(api: Api, race: Any, turn: int) -> None:
    """The link was open when it was looked at, and is over for whoever comes a moment later."""
    confirm(asked(api, signed_in(api)))
    undoing = api.mailbox.token(EMAIL)
    ends = timezone.now() + timedelta(milliseconds=10 * turn)
    Link.objects.filter(purpose=LinkPurpose.ADDRESS_UNDO).update(expires_at=ends)
    calls = [*_wanting(), lambda: undo(undoing)]
    results = race(calls[turn:] + calls[:turn])
    assert not [one for one in results if isinstance(one, Exception)], results
    assert User.objects.filter(email_key=EMAIL).count() <= 1
    back = [one for one in results if one is True or one in ("token_expired", "conflict")]
    assert len(back) == 1, results
    assert User.objects.filter(email_key=NEW).exists() == (back != [True])


def _wanting() -> list[Any]:
    """Return what others do to have EMAIL: two sign-ups and an import."""
    row = Row(1, {"email": EMAIL, "email_verified": True})
    run = Import([row], client=HERE, actor=Actor.command())

    def sign_up() -> None:
        registration.register(email=EMAIL, password="a stranger's password", accept_terms=True, client=HERE)

    return [sign_up, lambda: [refusal.code for step in run.steps() for refusal in step], sign_up]
