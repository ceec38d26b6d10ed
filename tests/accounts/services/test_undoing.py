"""What a thief did to the factors of an account is undone by whoever says that it was not theirs, and no more is."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts import links
from accounts.models import Link, LinkPurpose, Mail, RecoveryCode, TotpDevice, User
from accounts.roles import Role
from accounts.services import address, address_links, disavowal, factors, own_factors, undoing
from audit.models import Event
from gatehouse import cleaning
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, Mailbox, UserFactory, code_of, give_app, mark, problem, shown_by, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]

CLIENT = Client.local("test")
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile Safari/605"
NEW = "thief@example.net"
PASSWORD = "another horse battery staple"


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
def thief(api: Api, user: User) -> dict[str, Any]:
    """Who asks: somebody with the password and one mailed code, on a device of their own; the owner was there first."""
    api.sign_in()
    return asker(Api(user_agent=PHONE).sign_in(), user)


def asker(body: dict[str, Any], user: User) -> dict[str, Any]:
    return {"user": user, "session": Session.objects.get(pk=body["session"]["id"]), "client": CLIENT}


def add(asker: dict[str, Any], name: str = "Thief's phone") -> TotpDevice:
    """Set an app up as *asker* would."""
    setup = own_factors.begin_app(name=name, **asker)
    device = TotpDevice.objects.get(pk=setup.device_id)
    own_factors.confirm_app(app_id=device.pk, code=shown_by(device), **asker)
    return TotpDevice.objects.get(pk=setup.device_id)


def opened(user: User, app: TotpDevice | None = None, agent: str = "Wget/1.21", steps: int = 1) -> dict[str, Any]:
    """Sign in by *app*, or else the one in force, on one more device."""
    there = Api(user_agent=agent)
    shown = code_of(user, steps) if app is None else shown_by(app, steps)
    answer = there.answer(there.challenge(), shown)
    assert answer.status_code == 200, answer.content
    return asker(answer.json(), user)


def token_of_mail(template: str) -> str:
    """Return the token of the link that the mail of *template* carries."""
    from_mail = Mail.objects.filter(template=template).latest("created_at").context
    link = Link.objects.get(pk=from_mail.get("offered_link") or from_mail["link"])
    return links.token_of(link)


def changes(since: int) -> list[tuple[str, str, str]]:
    rows = Event.objects.filter(pk__gt=since, action="authn_factor_change").order_by("pk")
    return [(row.details["factor"], row.details["change"], row.actor_type) for row in rows]


def disavow(token: str) -> Any:
    return Api(user_agent="curl/8").post("/auth/disavow", {"token": token})


def reset(mailbox: Mailbox) -> Any:
    return Api().post("/auth/password/reset", {"token": mailbox.token(), "new_password": PASSWORD})


def test_v6_4_3_a_thief_s_app_goes_with_the_sign_in_and_the_owner_is_let_in(
    user: User, thief: dict[str, Any], mailbox: Mailbox
) -> None:
    token = mailbox.token()
    add(thief)
    assert Api().login().json()["challenge"]["method"] == "totp", "the owner is shut out"
    since = mark()
    assert disavow(token).status_code == 200
    assert not TotpDevice.objects.exists() and not RecoveryCode.objects.exists()
    assert changes(since) == [("totp", "removed", "anonymous"), ("recovery", "removed", "anonymous")]
    [told] = Mail.objects.filter(template="factors_undone")
    assert (told.context["removed"], told.context["restored"], told.context["left"]) == (1, 0, False)
    assert reset(mailbox).status_code == 200
    body = Api().login(password=PASSWORD).json()
    assert (body["status"], body["challenge"]["method"]) == ("otp_required", "email")
    subjects = mailbox.subjects()
    assert any("was undone" in subject for subject in subjects)


def test_v6_3_7_the_mail_about_the_app_says_so_too_where_no_new_device_was_told_of(
    api: Api, user: User, mailbox: Mailbox
) -> None:
    """A stolen session of the owner's own device leads to no mail about a sign-in."""
    stolen = asker(api.sign_in(), user)
    add(stolen)
    assert "This was not me:" in mailbox.newest()
    token = mailbox.token()
    assert disavow(token).status_code == 200
    assert not TotpDevice.objects.exists()
    assert reset(mailbox).status_code == 200
    problem("token_used", 400, disavow(token))


def test_every_mail_of_one_session_carries_one_link_for_seven_days_from_the_last(
    user: User, thief: dict[str, Any], mailbox: Mailbox
) -> None:
    first = mailbox.token()
    with time_machine.travel(timezone.now() + timedelta(days=5)):
        Session.objects.update(idle_expires_at=timezone.now() + timedelta(days=9))
        add(thief)
        assert mailbox.token() == first
        own_factors.renew_recovery_codes(**thief)
        assert "This was not me:" in mailbox.newest() and mailbox.token() == first
    with time_machine.travel(timezone.now() + timedelta(days=11)):
        assert disavow(first).status_code == 200
        assert not TotpDevice.objects.exists()


def test_recovery_codes_that_a_thief_made_end_and_the_owner_s_app_stays(api: Api, user: User, mailbox: Mailbox) -> None:
    give_app(user)
    thief = opened(user)
    own_factors.renew_recovery_codes(**thief)
    since = mark()
    assert disavow(mailbox.token()).status_code == 200
    assert factors.has_app(user) and not RecoveryCode.objects.exists()
    assert changes(since) == [("recovery", "removed", "anonymous")]
    problem("factor_required", 403, reset(mailbox))


def test_an_app_that_a_thief_replaced_is_put_back_as_it_was(user: User, mailbox: Mailbox) -> None:
    give_app(user)
    own = factors.apps_of(user).get()
    thief = opened(user)
    add(thief)
    assert own_factors.remove_app(app_id=own.pk, **thief) is False
    assert [app.name for app in factors.apps_of(user)] == ["Thief's phone"]
    step = TotpDevice.objects.get(pk=own.pk).last_step
    since = mark()
    assert disavow(token_of_mail("factor_removed")).status_code == 200
    back = factors.apps_of(user).get()
    assert (back.pk, back.removed_at, back.removed_session_id, back.last_step) == (own.pk, None, None, step)
    assert changes(since) == [("totp", "removed", "anonymous"), ("totp", "restored", "anonymous")]
    assert factors.recovery_codes_left(user) == 10, "those of the first app, which the thief never saw"
    problem("factor_required", 403, reset(mailbox))


def test_a_removed_app_is_in_force_nowhere(user: User, api: Api) -> None:
    give_app(user)
    own = factors.apps_of(user).get()
    shown = shown_by(own, 1)
    here = opened(user)
    own_factors.remove_app(app_id=own.pk, **here)
    now = timezone.now()
    assert not factors.has_app(user) and own_factors.factors_of(user)[-1].type == "email"
    assert not factors.use_code(user=user, method="totp", code=shown, client=CLIENT, now=now)
    with pytest.raises(Problem) as refused:
        own_factors.confirm_app(app_id=own.pk, code=shown, **here)
    assert refused.value.code == "not_found"
    add(here)
    assert TotpDevice.objects.get(pk=own.pk).removed_at, "a new one does not take it away"


def test_the_clean_up_takes_removed_apps_once_nothing_puts_them_back(user: User) -> None:
    give_app(user)
    own_factors.remove_app(app_id=factors.apps_of(user).get().pk, **opened(user))
    chore = cleaning.chores()["removed-apps"]
    for days, left in ((6, 1), (8, 0)):
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            now = timezone.now()
            list(chore.remove(now - chore.age(), now, 100))
        assert TotpDevice.objects.count() == left
    assert undoing.kept_for() == timedelta(days=7)


def test_what_other_sessions_set_up_stays(user: User, thief: dict[str, Any], mailbox: Mailbox) -> None:
    """Whoever reads an old mail gets rid of no app but that of the session which the mail is about."""
    token = mailbox.token()
    with_own = asker(Api().sign_in(), user)
    add(with_own, "Mine")
    assert disavow(token).status_code == 200
    assert [app.name for app in factors.apps_of(user)] == ["Mine"]
    assert factors.recovery_codes_left(user) == 10
    assert not Mail.objects.filter(template="factors_undone").exists()
    problem("factor_required", 403, reset(mailbox))


def test_a_mail_gets_rid_of_no_app_that_is_older_than_such_a_mail_may_be(
    user: User, thief: dict[str, Any], mailbox: Mailbox
) -> None:
    """The session lives on and makes new codes: the link of that mail is new, the app is not."""
    add(thief)
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        Session.objects.update(idle_expires_at=timezone.now() + timedelta(days=9))
        own_factors.renew_recovery_codes(**thief)
        assert disavow(mailbox.token()).status_code == 200
        assert factors.has_app(user) and not RecoveryCode.objects.exists()


@pytest.mark.parametrize("end", ["revoked", "purged"])
def test_a_session_that_ended_or_is_gone_is_undone_all_the_same(
    user: User, thief: dict[str, Any], mailbox: Mailbox, end: str
) -> None:
    add(thief)
    token = mailbox.token()
    if end == "purged":
        Session.objects.filter(pk=thief["session"].pk).delete()
    else:
        Session.objects.update(revoked_at=timezone.now(), revoked_reason="signed_out")
    assert disavowal.peek(token).state == "open"
    assert disavow(token).status_code == 200
    assert not factors.has_app(user)


def test_an_app_of_an_enrolment_link_belongs_to_no_session(thief: dict[str, Any], user: User, mailbox: Mailbox) -> None:
    token = mailbox.token()
    give_app(user)
    assert TotpDevice.objects.get().session_id is None
    assert disavow(token).status_code == 200
    assert factors.has_app(user)


def test_staff_left_without_an_app_are_mailed_the_link_that_sets_one_up(
    thief: dict[str, Any], user: User, mailbox: Mailbox
) -> None:
    """The app was a customer's who has become staff: a reset alone would let nobody in."""
    add(thief)
    token = mailbox.token()
    held = User.objects.get()
    held.set_role(Role.MODERATOR)
    held.save()
    assert disavow(token).status_code == 200
    assert not factors.has_app(user)
    assert Mail.objects.filter(template="staff_enrolment").count() == 1
    assert not Mail.objects.filter(template="password_reset").exists()
    assert [link.purpose for link in Link.objects.open()] == [LinkPurpose.ENROL]


def test_a_fault_half_way_undoes_nothing(
    user: User, thief: dict[str, Any], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(thief)
    token = mailbox.token()

    def fail(**_given: Any) -> None:
        raise RuntimeError("no mail")

    monkeypatch.setattr("accounts.services.undoing.queue_reset", fail)
    assert disavow(token).status_code == 500
    assert factors.has_app(user) and RecoveryCode.objects.count() == 10
    assert Link.objects.filter(purpose=LinkPurpose.DISAVOW).open().exists()


def test_from_the_activity_with_the_app_at_hand_the_same_is_undone(user: User) -> None:
    give_app(user)
    thief = opened(user)
    add(thief)
    own = asker(signed_in_by_recovery_code(user), user)
    done = disavowal.disavow_own(user=user, session=own["session"], session_id=str(thief["session"].pk), client=CLIENT)
    assert (done.mailed, done.keeps_factors) == (True, False)
    assert [app.name for app in factors.apps_of(user)] == ["Phone"]


def test_v7_4_3_no_session_that_a_thief_s_app_opened_outlives_the_app(
    user: User, thief: dict[str, Any], mailbox: Mailbox
) -> None:
    """It would confirm itself by the password alone, and add the next app."""
    token = mailbox.token()
    add(thief)
    again = opened(user)
    since = mark()
    assert disavow(token).status_code == 200
    ended = {row.pk: row.revoked_reason for row in Session.objects.filter(revoked_at__isnull=False)}
    assert (ended[thief["session"].pk], ended[again["session"].pk]) == ("disavowed", "factors_changed")
    assert not Session.objects.live(timezone.now()).exists()
    assert Event.objects.get(pk__gt=since, action="authn_login_disavowed").details == {"sessions_ended": 2}
    with pytest.raises(Problem) as refused:
        add(again, "Next one")
    assert refused.value.code == "session_revoked"


def test_v7_4_3_from_the_activity_nor_does_it_and_the_owner_s_own_goes_on(user: User) -> None:
    give_app(user)
    thief = opened(user)
    new = add(thief)
    there = Api(user_agent="HTTPie/3.2.1")
    again = there.answer(there.challenge(), shown_by(new, 1)).json()["session"]["id"]
    own = asker(signed_in_by_recovery_code(user), user)["session"]
    disavowal.disavow_own(user=user, session=own, session_id=str(thief["session"].pk), client=CLIENT)
    assert Session.objects.get(pk=again).revoked_reason == "factors_changed"
    assert [session.pk for session in Session.objects.live(timezone.now())] == [own.pk]


def test_v7_5_1_from_the_activity_without_the_app_no_factor_changes(user: User, api: Api) -> None:
    """A stranger with the password in a session of the owner's is not rid of the owner's app by saying that."""
    session = asker(api.sign_in(), user)
    add(session, "Mine")
    here = session["session"]
    since = mark()
    done = disavowal.disavow_own(user=user, session=here, session_id=str(here.pk), client=CLIENT)
    assert done.keeps_factors and factors.has_app(user) and factors.recovery_codes_left(user) == 10
    assert changes(since) == []
    assert not Mail.objects.filter(template="factors_undone").exists()


def test_d17_what_is_undone_from_the_activity_mails_three_resets_an_hour(
    user: User, api: Api, mailbox: Mailbox
) -> None:
    here = asker(api.sign_in(), user)["session"]
    done = [disavowal.disavow_own(user=user, session=here, session_id=None, client=CLIENT).mailed for _turn in range(5)]
    assert done == [True, True, True, False, False]
    assert Mail.objects.filter(template="password_reset").count() == 3


def moved(user: User, by: dict[str, Any], mailbox: Mailbox) -> None:
    """Change the address to that of a thief, who keeps the session."""
    address.ask(user=user, session=by["session"], new_email=NEW, client=CLIENT)
    address_links.confirm(token=mailbox.token(NEW), client=CLIENT, session=by["session"])
    user.refresh_from_db()


def test_v6_4_3_the_old_address_put_back_undoes_what_came_with_the_change(
    user: User, thief: dict[str, Any], mailbox: Mailbox
) -> None:
    """An app before the change, by the session that asked for it, and one after it, told of to the thief alone."""
    add(thief)
    Session.objects.update(factors=["password", "totp"])
    thief["session"].refresh_from_db()
    moved(user, thief, mailbox)
    undo = token_of_mail("address_left")
    code = code_of(user, 1)
    later = Api(user_agent="HTTPie/3.2.1")
    add(asker(later.answer(later.challenge(NEW), code).json(), user), "One more")
    since = mark()
    assert address_links.undo(token=undo, client=CLIENT) is True
    assert not TotpDevice.objects.exists() and not RecoveryCode.objects.exists()
    assert changes(since) == [("totp", "removed", "anonymous")] * 2 + [("recovery", "removed", "anonymous")]
    assert Mail.objects.get(template="factors_undone").to == EMAIL
    assert reset(mailbox).status_code == 200


def test_the_old_address_put_back_keeps_the_apps_that_the_account_had(user: User, mailbox: Mailbox) -> None:
    """Whoever reads the mail of an address that was left does not get past the app, replaced since or not."""
    give_app(user)
    own = factors.apps_of(user).get()
    here = opened(user)
    moved(user, here, mailbox)
    undo = token_of_mail("address_left")
    add(here, "New phone")
    own_factors.remove_app(app_id=own.pk, **here)
    assert address_links.undo(token=undo, client=CLIENT) is True
    assert [app.pk for app in factors.apps_of(user)] == [own.pk]
    problem("factor_required", 403, reset(mailbox))


def test_the_old_address_put_back_knows_no_device_any_more(
    user: User, thief: dict[str, Any], mailbox: Mailbox, settings: Any
) -> None:
    """Where a known device owes no code, the thief's own would else sign in until the password is another."""
    settings.ACCOUNTS = settings.ACCOUNTS | {"OTP_POLICY": "new_device"}
    moved(user, thief, mailbox)
    assert Device.objects.count() == 2
    since = mark()
    assert address_links.undo(token=token_of_mail("address_left"), client=CLIENT) is True
    assert not Device.objects.exists()
    assert trail(since).count(("authn_device_removed",)) == 2
    assert Api(user_agent=PHONE).login().json()["status"] == "otp_required"


def replaced(user: User, first: dict[str, Any]) -> tuple[TotpDevice, TotpDevice]:
    """Change phones in two sessions, as an owner would: set the new app up in *first*, then remove the old one."""
    old = factors.apps_of(user).get()
    new = add(first, "New phone")
    own_factors.remove_app(app_id=old.pk, **opened(user, new, "HTTPie/3.2.1"))
    assert [app.pk for app in factors.apps_of(user)] == [new.pk]
    return old, new


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_v6_4_3_a_mailbox_alone_gets_past_no_app_whose_owner_changed_phones_in_two_sessions(
    user: User, mailbox: Mailbox, role: Role
) -> None:
    give_app(user)
    old, _new = replaced(user, opened(user))
    token = token_of_mail("factor_added")
    user.set_role(role)
    user.save()
    since = mark()
    assert disavow(token).status_code == 200
    assert [app.pk for app in factors.apps_of(user)] == [old.pk]
    assert changes(since) == [("totp", "removed", "anonymous"), ("totp", "restored", "anonymous")]
    assert not Mail.objects.filter(template="staff_enrolment").exists()
    problem("factor_required", 403, reset(mailbox))


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_v6_4_3_nor_does_it_by_putting_the_address_back(user: User, mailbox: Mailbox, role: Role) -> None:
    give_app(user)
    here = opened(user)
    old, _new = replaced(user, here)
    Session.objects.filter(pk=here["session"].pk).update(revoked_at=None, revoked_reason="")
    moved(user, here, mailbox)
    user.set_role(role)
    user.save()
    assert address_links.undo(token=token_of_mail("address_left"), client=CLIENT) is True
    assert [app.pk for app in factors.apps_of(user)] == [old.pk]
    assert not Mail.objects.filter(template="staff_enrolment").exists()
    problem("factor_required", 403, reset(mailbox))


def test_v6_4_3_nor_by_the_links_of_many_sessions_one_after_another(user: User, mailbox: Mailbox) -> None:
    """The first link takes the row of the app between away; the one before stands in for it."""
    give_app(user)
    old, between = replaced(user, opened(user))
    first = token_of_mail("factor_added")
    Mail.objects.filter(template="factor_added").delete()
    between.refresh_from_db()
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        replaced(user, opened(user, between, "curl/8", 0))
        assert disavow(first).status_code == 200
        assert disavow(token_of_mail("factor_added")).status_code == 200
        assert [app.pk for app in factors.apps_of(user)] == [old.pk]


def test_an_app_that_was_removed_before_the_one_that_goes_was_set_up_stays_removed(user: User) -> None:
    give_app(user)
    here = opened(user)
    own_factors.remove_app(app_id=factors.apps_of(user).get().pk, **here)
    add(asker(Api(user_agent=PHONE).sign_in(), user))
    assert disavow(token_of_mail("factor_added")).status_code == 200
    assert not factors.has_app(user)


def signed_in_by_recovery_code(user: User) -> dict[str, Any]:
    [code] = factors.new_recovery_codes(user=user, client=CLIENT, now=timezone.now())[:1]
    there = Api()
    body: dict[str, Any] = there.answer(there.challenge(), code, method="recovery").json()
    return body
