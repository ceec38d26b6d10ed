"""Links mailed to an address that the account has left: none acts any more, but the one that puts it back."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts import links, mails
from accounts.conf import app_settings
from accounts.models import Link, LinkPurpose, Mail, TotpDevice, User
from accounts.services import address_links, deletion, disavowal, factors, lockouts, own_factors, registration, resets
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, mark, shown_by, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CLIENT = Client.local("test")
NEW = "new@example.org"
USES: dict[LinkPurpose, Callable[[str], Any]] = {
    LinkPurpose.RESET: lambda token: resets.reset_password(
        token=token, new_password="another horse battery", client=CLIENT
    ),
    LinkPurpose.DISAVOW: lambda token: disavowal.disavow(token=token, client=CLIENT),
    LinkPurpose.UNDO_DELETION: lambda token: deletion.undo_by_link(token=token, client=CLIENT),
    LinkPurpose.UNLOCK: lambda token: lockouts.unlock_browser(token=token, client=CLIENT),
    LinkPurpose.VERIFY: lambda token: registration.verify_email(token=token, client=CLIENT),
    LinkPurpose.ADDRESS: lambda token: address_links.confirm(token=token, client=CLIENT),
}


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
def session(api: Api, user: User) -> Session:
    api.sign_in()
    return Session.objects.get()


def issue(user: User, purpose: LinkPurpose, session: Session, email: str | None = None) -> str:
    """Make a link of *purpose*, as the mail to the address in force carries it, and return its token."""
    about = session.pk if purpose == LinkPurpose.DISAVOW else None
    life = app_settings().DISAVOW_TTL
    link = links.issue(
        user=user, purpose=purpose, life=life, client=CLIENT, now=timezone.now(), session_id=about, email=email
    )
    if purpose == LinkPurpose.RESET:
        mails.password_reset(link, CLIENT)
    return links.token_of(link)


def move(user: User, session: Session) -> str:
    """Give the account another address; return the token of the link that puts the old one back."""
    token = issue(user, LinkPurpose.ADDRESS, session, email=NEW)
    address_links.confirm(token=token, client=CLIENT, session=session)
    user.refresh_from_db()
    assert user.email == NEW
    return links.token_of(Link.objects.open().get(purpose=LinkPurpose.ADDRESS_UNDO))


@pytest.mark.parametrize("purpose", [*USES])
def test_d16_the_link_of_an_address_that_was_left_does_nothing(
    user: User, session: Session, purpose: LinkPurpose
) -> None:
    if purpose == LinkPurpose.UNDO_DELETION:
        deletion.request_deletion(user=user, session=session, client=CLIENT)
        token = links.token_of(Link.objects.open().get(purpose=purpose))
    elif purpose == LinkPurpose.ADDRESS:  # asked for at the old address, for another one than it got
        token = issue(user, purpose, session, email="third@example.org")
    else:
        token = issue(user, purpose, session)
    undo = move(user, session)
    since = mark()
    with pytest.raises(Problem) as refused:
        USES[purpose](token)
    assert refused.value.code == "token_invalid"
    [(_action, reason)] = trail(since)
    assert reason in {"token_superseded", "not_permitted"}
    held = User.objects.get()
    assert held.email == NEW and Session.objects.live(timezone.now()).filter(pk=session.pk).exists()
    assert held.is_leaving is (purpose == LinkPurpose.UNDO_DELETION)
    assert address_links.undo(token=undo, client=CLIENT) is True
    assert User.objects.get().email == EMAIL


def test_every_purpose_is_tried() -> None:
    """An enrolment has no link beside a change of the address: staff who owe an app change none."""
    assert USES.keys() | {LinkPurpose.ENROL, LinkPurpose.ADDRESS_UNDO} == set(LinkPurpose)


def test_a_link_that_disavows_works_again_once_the_address_is_back(
    user: User, session: Session, mailbox: Mailbox
) -> None:
    """A thief who changes the address closes no link that disavows the sign-in."""
    token = issue(user, LinkPurpose.DISAVOW, session)
    undo = move(user, session)
    assert disavowal.peek(token).state == "unknown"
    address_links.undo(token=undo, client=CLIENT)
    assert disavowal.peek(token).state == "open"
    assert disavowal.disavow(token=token, client=CLIENT).mailed


def test_one_that_was_mailed_to_the_new_address_is_another_and_closes_none(user: User, session: Session) -> None:
    """Prolonging the old one would let its mailbox act on what was done since; closing it would shut its owner out."""
    old = issue(user, LinkPurpose.DISAVOW, session)
    move(user, session)
    link = disavowal.link_for(user, session, CLIENT, timezone.now())
    assert link.email == NEW and links.token_of(link) != old
    assert Link.objects.open().filter(purpose=LinkPurpose.DISAVOW).count() == 2
    assert disavowal.peek(old).state == "unknown"
    assert disavowal.link_for(user, session, CLIENT, timezone.now()).pk == link.pk


def test_v6_4_3_a_thief_who_moves_the_address_first_closes_no_link_that_undoes_their_app(
    api: Api, user: User, session: Session
) -> None:
    """The app, the address, one more change that is told of at the new address; then the owner takes all of it back.

    Another session asks for the address: putting it back undoes what that one did, not what the first one did before.
    """
    by: dict[str, Any] = {"user": user, "session": session, "client": CLIENT}
    setup = own_factors.begin_app(name="Thief's phone", **by)
    app = TotpDevice.objects.get(pk=setup.device_id)
    own_factors.confirm_app(app_id=app.pk, code=shown_by(app), **by)
    [told] = Mail.objects.filter(template="factor_added")
    first = links.token_of(Link.objects.get(pk=told.context["offered_link"]))
    undo = move(user, session)
    session.refresh_from_db()
    own_factors.renew_recovery_codes(user=user, session=session, client=CLIENT)
    to_thief = Link.objects.open().get(purpose=LinkPurpose.DISAVOW, email=NEW)
    assert address_links.undo(token=undo, client=CLIENT) is True
    assert factors.has_app(user), "it was there before the change"
    with pytest.raises(Problem) as refused:
        disavowal.disavow(token=links.token_of(to_thief), client=CLIENT)
    assert refused.value.code == "token_invalid"
    disavowal.disavow(token=first, client=CLIENT)
    assert not factors.has_app(user)


def test_a_passed_lockout_ends_with_the_address(user: User, session: Session) -> None:
    given = lockouts.unlock_browser(token=issue(user, LinkPurpose.UNLOCK, session), client=CLIENT).token
    assert lockouts.let_past(user=user, token=given, now=timezone.now())
    move(user, session)
    assert lockouts.let_past(user=user, token=given, now=timezone.now()) is None
