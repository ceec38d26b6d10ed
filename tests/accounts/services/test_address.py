"""Undoing a change of address by the link to the old one, before and after it took effect; and ways round it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts import passwords
from accounts.models import Challenge, Link, LinkPurpose, Mail, Status, User
from accounts.pages.overview import overview
from accounts.roles import Role
from accounts.services import address, address_links, ranks
from accounts.services.address_links import LinkState
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.factories import EMAIL, PASSWORD, Api, Mailbox, UserFactory, bearer, give_app, mark, problem, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]
NEW, NEWER = "new@example.org", "newer@example.net"
HERE = Client.local("test")


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def mailbox(api: Api) -> Mailbox:
    return api.mailbox


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def body(api: Api, user: User) -> dict[str, Any]:
    return api.sign_in()


def change(api: Api, body: dict[str, Any], email: str, old: str = EMAIL) -> str:
    """Ask for *email*, and return the token mailed to the *old* address."""
    assert api.post("/me/email", {"new_email": email}, **bearer(body)).status_code == 202
    return api.mailbox.token(old)


def take_effect(mailbox: Mailbox, email: str) -> None:
    address_links.confirm(token=mailbox.token(email), client=HERE)


def refusal(token: str) -> str:
    with pytest.raises(Problem) as refused:
        address_links.undo(token=token, client=HERE)
    return refused.value.code


def test_before_it_took_effect_the_old_address_cancels_it(api: Api, body: dict[str, Any], mailbox: Mailbox) -> None:
    token = change(api, body, NEW)
    confirming = mailbox.token(NEW)
    seen = address_links.peek_undo(token)
    assert (seen.state, seen.before, seen.after, seen.in_force) == (LinkState.OPEN, EMAIL, "n•••@e•••.org", False)
    since = mark()
    assert address_links.undo(token=token, client=HERE) is False
    assert trail(since) == [("user_email_change_cancelled",)]
    event = Event.objects.latest("id")
    assert (event.actor_type, event.details) == ("anonymous", {"by_link": True})
    problem("token_invalid", 400, api.post("/me/email/confirm", {"token": confirming}))
    assert api.get("/auth/session", **bearer(body)).status_code == 200
    assert not Mail.objects.filter(template="password_reset").exists()
    assert refusal(token) == "token_used"


def test_d15_after_it_took_effect_the_old_address_is_put_back(
    api: Api, user: User, body: dict[str, Any], mailbox: Mailbox
) -> None:
    """Whoever holds the new address is out: sessions, trust, half-done sign-ins and links end; a reset is mailed."""
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    assert mailbox.token(EMAIL) == token, "both mails carry the one link"
    thief = Api(user_agent="Wget/1.21")
    trusted = thief.answer(thief.challenge(NEW), mailbox.code(NEW), trust_device=True).json()
    half_done = thief.challenge(NEW)
    code = mailbox.code(NEW)
    since = mark()
    assert address_links.undo(token=token, client=HERE) is True
    assert [row[0] for row in trail(since)] == [
        *["authn_device_removed"] * 2,
        "session_revoked",
        "user_email_change_undone",
    ]
    for event in Event.objects.filter(pk__gt=since):
        assert (event.actor_type, event.user_id) == ("anonymous", str(user.pk))
    assert event.details == {"before": "n•••@e•••.org", "after": "j•••@e•••.com", "sessions_ended": 1}
    held = User.objects.get()
    assert (held.email, held.email_key, held.email_verified) == (EMAIL, EMAIL, True)
    assert not Session.objects.live(timezone.now()).exists()
    assert set(Session.objects.values_list("revoked_reason", flat=True)) == {"address_changed"}
    assert not Device.objects.trusted(timezone.now()).exists()
    problem("challenge_expired", 410, thief.answer(half_done, code))
    problem("session_revoked", 401, thief.post("/auth/refresh", {"refresh_token": trusted["refresh_token"]}))
    problem("invalid_credentials", 401, thief.login(NEW, trust_token=trusted["trust_token"]))
    mailbox.all()
    assert mailbox.subjects(NEW)[-1] == "A change of your Gatehouse address was undone"
    assert mailbox.subjects(EMAIL)[-2:] == [
        "A change of your Gatehouse address was undone",
        "Set a new password for Gatehouse",
    ]
    assert EMAIL not in mailbox.newest(NEW)
    reset = {"token": mailbox.token(EMAIL), "new_password": "a long and quiet river"}
    assert api.post("/auth/password/reset", reset).status_code == 200


def test_what_was_asked_for_under_the_new_address_goes_with_it(
    api: Api, user: User, body: dict[str, Any], mailbox: Mailbox
) -> None:
    """Whoever took the address away may have asked to erase the account: the mail about that went to the new one."""
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    thief = Api().sign_in(NEW)
    assert api.post("/me/deletion", **bearer(thief)).status_code == 202
    since = mark()
    assert address_links.undo(token=token, client=HERE) is True
    assert User.objects.get().erase_at is None
    assert ("user_deletion_undone",) in trail(since)
    assert "Your Gatehouse account stays" in mailbox.subjects(EMAIL)


def test_d01_it_works_once(api: Api, body: dict[str, Any], mailbox: Mailbox) -> None:
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    address_links.undo(token=token, client=HERE)
    since = mark()
    assert refusal(token) == "token_used"
    assert trail(since) == [("user_email_change_undone", "token_used")]


def test_d03_it_works_for_seven_days_from_when_the_change_took_effect(
    api: Api, body: dict[str, Any], mailbox: Mailbox
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        token = change(api, body, NEW)
        clock.shift(timedelta(hours=23))
        take_effect(mailbox, NEW)
        clock.shift(timedelta(days=7))
        assert address_links.peek_undo(token).state == LinkState.EXPIRED
        assert refusal(token) == "token_expired"
        clock.shift(timedelta(seconds=-1))
        assert address_links.undo(token=token, client=HERE) is True


def test_its_life_is_a_setting(api: Api, body: dict[str, Any], mailbox: Mailbox, settings: Any) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"ADDRESS_UNDO_TTL": timedelta(hours=1), "ADDRESS_TTL": timedelta(hours=2)}
    with time_machine.travel(timezone.now(), tick=False) as clock:
        token = change(api, body, NEW)
        clock.shift(timedelta(hours=1))
        assert refusal(token) == "token_expired"
        clock.shift(timedelta(minutes=59))
        take_effect(mailbox, NEW)
        assert mailbox.token(EMAIL) != token
        assert address_links.undo(token=mailbox.token(EMAIL), client=HERE) is True


def test_a_second_change_does_not_close_the_way_back_to_the_first_address(
    api: Api, body: dict[str, Any], mailbox: Mailbox
) -> None:
    """A thief who moves on keeps the owner from nothing, and gets no way back of his own."""
    first = change(api, body, NEW)
    take_effect(mailbox, NEW)
    thief = api.answer(api.challenge(NEW), mailbox.code(NEW)).json()
    second = change(api, thief, NEWER, old=NEW)
    take_effect(mailbox, NEWER)
    assert address_links.undo(token=first, client=HERE) is True
    assert User.objects.get().email == EMAIL
    assert refusal(second) == "token_invalid"


def test_a_change_of_the_password_does_not_close_it(api: Api, body: dict[str, Any], mailbox: Mailbox) -> None:
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    thief = api.answer(api.challenge(NEW), mailbox.code(NEW)).json()
    changed = {"current_password": PASSWORD, "new_password": "the thief's long password"}
    assert api.post("/me/password", changed, **bearer(thief)).status_code == 200
    assert address_links.undo(token=token, client=HERE) is True


def test_the_way_back_is_closed_where_one_came_back_by_oneself(
    api: Api, body: dict[str, Any], mailbox: Mailbox
) -> None:
    first = change(api, body, NEW)
    take_effect(mailbox, NEW)
    again = api.answer(api.challenge(NEW), mailbox.code(NEW)).json()
    second = change(api, again, EMAIL, old=NEW)
    take_effect(mailbox, EMAIL)
    assert refusal(first) == "token_invalid"
    assert address_links.undo(token=second, client=HERE) is True
    assert User.objects.get().email == NEW


def test_an_old_address_that_somebody_else_proved_is_not_taken_back(
    api: Api, body: dict[str, Any], mailbox: Mailbox
) -> None:
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    other = UserFactory(email=EMAIL)
    since = mark()
    assert refusal(token) == "conflict"
    assert trail(since) == [("user_email_change_undone", "conflict")]
    assert User.objects.get(pk=other.pk).email == EMAIL
    assert Link.objects.filter(purpose=LinkPurpose.ADDRESS_UNDO).open().exists()


def test_d14_a_sign_up_that_nobody_proved_does_not_stand_in_the_way(
    api: Api, user: User, body: dict[str, Any], mailbox: Mailbox
) -> None:
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    Api().register(EMAIL, "a stranger's long password")
    assert address_links.undo(token=token, client=HERE) is True
    assert list(User.objects.values_list("pk", "email")) == [(user.pk, EMAIL)]


@pytest.mark.parametrize("status", [Status.DISABLED, Status.DELETED])
def test_d08_an_account_that_is_not_active_stays_as_it_is(
    api: Api, body: dict[str, Any], mailbox: Mailbox, status: Status
) -> None:
    token = change(api, body, NEW)
    take_effect(mailbox, NEW)
    user = User.objects.get()
    user.set_status(status)
    user.save()
    assert address_links.peek_undo(token).state == LinkState.UNKNOWN
    assert refusal(token) == "token_invalid"
    assert trail()[-1] == ("user_email_change_undone", "not_permitted")


@pytest.mark.parametrize("token", ["", "x" * 43, "\x00", "é" * 43])
def test_d04_d05_what_is_no_token_is_refused(db: None, token: str) -> None:
    assert address_links.peek_undo(token).state == address_links.peek(token).state == LinkState.UNKNOWN
    assert refusal(token) == "token_invalid"


def test_a_change_that_ran_out_leaves_nothing_to_undo(api: Api, body: dict[str, Any]) -> None:
    token = change(api, body, NEW)
    with time_machine.travel(timezone.now() + timedelta(hours=25), tick=False):
        assert address_links.peek_undo(token).state == LinkState.SUPERSEDED
        assert refusal(token) == "token_invalid"


def test_a_sign_in_that_compared_the_password_before_is_overtaken(
    api: Api, body: dict[str, Any], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change takes effect between the look-up by the old address and the challenge for its mailbox."""
    change(api, body, NEW)
    confirming = mailbox.token(NEW)
    verify = passwords.verify

    def slowly(*given: Any) -> Any:
        monkeypatch.setattr(passwords, "verify", verify)
        address_links.confirm(token=confirming, client=HERE)
        return verify(*given)

    monkeypatch.setattr(passwords, "verify", slowly)
    problem("invalid_credentials", 401, api.login())
    assert not Challenge.objects.live(timezone.now(), 5).exists()


def test_a_change_asked_for_before_a_promotion_is_given_up(
    api: Api, user: User, body: dict[str, Any], mailbox: Mailbox
) -> None:
    give_app(user)
    session = Session.objects.get()
    session.factors = ["password", "totp"]
    address.ask(user=user, session=session, new_email=NEW, client=HERE)
    token = mailbox.token(NEW)
    ranks.change_role(target=user, by=UserFactory(role=Role.SUPER_ADMIN), role=Role.ADMIN, reason="hired", client=HERE)
    with pytest.raises(Problem, match="token_invalid"):
        address_links.confirm(token=token, client=HERE)
    assert User.objects.get(pk=user.pk).email == EMAIL


def test_c18_asking_without_the_app_is_refused_and_recorded(user: User, body: dict[str, Any]) -> None:
    """Once proved by the app, then by the password alone: the newest proof counts."""
    give_app(user)
    session = Session.objects.get()
    for proved in (["password", "email"], ["password", "totp", "password"]):
        session.factors = proved
        with pytest.raises(Problem, match="factor_required"):
            address.ask(user=user, session=session, new_email=NEW, client=HERE)
        assert trail()[-1] == ("user_email_change_requested", "factor_missing")
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).exists()


def test_a_session_that_ended_meanwhile_asks_and_cancels_nothing(user: User, body: dict[str, Any]) -> None:
    session = Session.objects.select_related("user").get()
    Session.objects.update(revoked_at=timezone.now(), revoked_reason="staff")
    for call in (
        lambda: address.ask(user=user, session=session, new_email=NEW, client=HERE),
        lambda: address.cancel(user=user, session=session, client=HERE),
    ):
        with pytest.raises(Problem, match="session_revoked"):
            call()
    assert trail()[-2:] == [
        ("user_email_change_requested", "session_ended"),
        ("user_email_change_cancelled", "session_ended"),
    ]
    assert not Link.objects.filter(purpose=LinkPurpose.ADDRESS).exists()


def test_the_session_of_another_account_is_no_reason_to_keep_it_or_to_end_it(
    api: Api, user: User, body: dict[str, Any], mailbox: Mailbox
) -> None:
    other = UserFactory(email="other@example.com")
    Api().sign_in(other.email)
    theirs = Session.objects.get(user=other)
    change(api, body, NEW)
    address_links.confirm(token=mailbox.token(NEW), client=HERE, session=theirs)
    assert [one.pk for one in Session.objects.live(timezone.now())] == [theirs.pk]


def test_the_security_page_knows_what_waits(api: Api, user: User, body: dict[str, Any], mailbox: Mailbox) -> None:
    change(api, body, NEW)
    session = Session.objects.get()
    assert overview(user=user, current=session, now=timezone.now()).new_address == NEW
    take_effect(mailbox, NEW)
    assert overview(user=user, current=session, now=timezone.now()).new_address == ""
