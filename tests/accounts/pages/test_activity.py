"""The page of one's own activity, and "This wasn't me" beside each thing that somebody else may have done."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Challenge, Mail, TotpDevice, User
from accounts.services import disavowal
from audit.models import Event
from gatehouse.client import Client
from gatehouse.problems import Problem
from sessions_app.models import Device, Session
from tests.accounts.pages.person import EMAIL, Person, text_of
from tests.factories import Api, mark, shown_by, trail


@pytest.fixture
def stranger(at_home: Person) -> dict[str, Any]:
    """Somebody elsewhere who came in as well."""
    return Api().sign_in(EMAIL, trust_device=True)


def sign_in_of(body: dict[str, Any]) -> str:
    """Return the path of "This wasn't me" beside the sign-in that opened the session in *body*."""
    item = next(
        one for one in rows() if one.session_id == body["session"]["id"] and one.action == "authn_login_success"
    )
    return f"activity/{item.pk}/disavow"


def rows() -> list[Any]:
    return list(Event.objects.order_by("-pk"))


def test_the_page_tells_in_words_and_the_security_page_leads_to_it(at_home: Person) -> None:
    at_home.give_password("not the password at all")
    page = text_of(at_home.get("activity"))
    assert page.count("<h1>") == 1 and "Activity" in page
    assert "Signed in from a new device" in page and "Firefox 142 on Windows" in page
    assert "Email address confirmed" in page and "Account created" in page
    security = text_of(at_home.get("security"))
    assert 'href="/account/activity">See all activity</a>' in security and "Signed in from a new device" in security


def test_one_kind_alone(at_home: Person) -> None:
    page = text_of(at_home.get("activity", show="account"))
    assert "Account created" in page and "Signed in" not in page.partition("<ol")[2].partition("</ol>")[0]
    assert "<strong>Signed in from a new device</strong>" in text_of(at_home.get("activity", show="nonsense"))
    assert "There is nothing to show here." in text_of(at_home.get("activity", show="credentials"))


def test_pages_beside_it_keep_what_is_shown(at_home: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.pages.views.activity.DEFAULT_LIMIT", 1)
    page = text_of(at_home.get("activity", show="account"))
    address = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert address.startswith("?show=account&cursor=")
    older = text_of(at_home.browser.get(f"/account/activity{address}"))
    assert "Account created" in older and 'rel="prev"' in older
    assert at_home.get("activity", cursor="nonsense").status_code == 404


def test_whoever_is_not_signed_in_comes_back_after_it(person: Person) -> None:
    assert person.get("activity")["Location"] == "/account/login?next=%2Faccount%2Factivity"


def test_what_was_not_me_is_undone_and_this_session_goes_on(at_home: Person, stranger: dict[str, Any]) -> None:
    path = sign_in_of(stranger)
    shown = text_of(at_home.get(path))
    assert "Was this not you?" in shown and "curl" in shown and "You stay signed in here." in shown
    assert Session.objects.live(timezone.now()).count() == 2, "looking undoes nothing"
    since = mark()
    mail.outbox.clear()
    response = at_home.post(path)
    assert (response.status_code, response["Location"]) == (303, "/account/activity")
    page = text_of(at_home.get("activity"))
    assert "We signed that device out. We sent you a link to set a new password." in page
    assert "A session was ended: You did not recognise it" in page
    assert Session.objects.get(pk=stranger["session"]["id"]).revoked_reason == "disavowed"
    assert Session.objects.live(timezone.now()).count() == 1
    assert not Device.objects.filter(trusted_until__gt=timezone.now()).exists()
    assert {action for (action,) in trail(since)} >= {"authn_login_disavowed", "session_revoked"}
    assert "/account/password/reset/" in at_home.mail()
    again = Api().get("/auth/session", authorization=f"Bearer {stranger['access_token']}")
    assert again.json()["code"] == "session_revoked"


def test_an_old_proof_is_asked_for_again_first(at_home: Person, stranger: dict[str, Any]) -> None:
    path = sign_in_of(stranger)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=6))
    for response in (at_home.get(path), at_home.post(path)):
        assert response["Location"] == f"/account/reauthenticate?next=%2Faccount%2F{path.replace('/', '%2F')}"
    assert "Confirm your password to undo what was not you." in text_of(at_home.browser.get(response["Location"]))
    assert Session.objects.live(timezone.now()).count() == 2


def test_a_half_done_sign_in_of_a_stranger_ends_every_other_session(at_home: Person, stranger: dict[str, Any]) -> None:
    Api().challenge(EMAIL)
    Api().login(EMAIL, "not the password at all")
    failed = next(one for one in rows() if one.action == "authn_login_fail")
    assert "signs you out everywhere but here" in text_of(at_home.get(f"activity/{failed.pk}/disavow"))
    at_home.post(f"activity/{failed.pk}/disavow")
    assert [one.door for one in Session.objects.live(timezone.now())] == ["page"]
    assert not Challenge.objects.live(timezone.now(), 5).exists()


def test_a_deletion_that_a_stranger_asked_for_is_called_off(at_home: Person, stranger: dict[str, Any]) -> None:
    bearer = {"authorization": f"Bearer {stranger['access_token']}"}
    assert Api().post("/me/deletion", **bearer).status_code == 202
    at_home.post(sign_in_of(stranger))
    assert User.objects.get().erase_at is None
    assert "Your Gatehouse account stays" in [one.subject for one in (at_home.mail() and mail.outbox)]


def test_a_session_that_ended_meanwhile_undoes_nothing(at_home: Person, stranger: dict[str, Any]) -> None:
    path = sign_in_of(stranger)
    row = Session.objects.exclude(pk=stranger["session"]["id"]).select_related("user").get()
    Session.objects.filter(pk=row.pk).update(revoked_at=timezone.now(), revoked_reason="staff")
    with pytest.raises(Problem) as refused:
        disavowal.disavow_own(user=row.user, session=row, session_id=stranger["session"]["id"], client=Client(ip=None))
    assert refused.value.code == "session_revoked"
    assert at_home.post(path)["Location"].startswith("/account/login")
    assert Session.objects.live(timezone.now()).count() == 1


def test_the_session_at_hand_says_so_and_goes_on(at_home: Person) -> None:
    own = next(one for one in rows() if one.action == "authn_login_success")
    path = f"activity/{own.pk}/disavow"
    assert "the session that you are using now" in text_of(at_home.get(path))
    assert at_home.post(path).status_code == 303
    assert at_home.get("security").status_code == 200


@pytest.mark.parametrize("action", ["user_registered", "authn_password_accepted"])
def test_what_needs_no_undoing_offers_none(at_home: Person, action: str) -> None:
    event = next(one for one in rows() if one.action == action)
    assert at_home.get(f"activity/{event.pk}/disavow").status_code == 404
    assert at_home.post(f"activity/{event.pk}/disavow").status_code == 404


def test_i03_another_ones_event_is_none(at_home: Person) -> None:
    other = Person("other@example.com")
    other.sign_up()
    other.confirm()
    other.sign_in()
    theirs = next(one for one in rows() if one.action == "authn_login_success")
    assert str(User.objects.get(email="other@example.com").pk) == theirs.user_id
    assert at_home.get(f"activity/{theirs.pk}/disavow").status_code == 404
    assert at_home.post(f"activity/{theirs.pk}/disavow").status_code == 404
    assert Session.objects.live(timezone.now()).count() == 2


def test_saying_so_again_and_again_is_limited_apart_from_other_acts(
    at_home: Person, stranger: dict[str, Any], settings: Any
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 0.5}
    path, since = sign_in_of(stranger), mark()
    statuses = [at_home.post(path).status_code for _turn in range(7)]
    assert statuses == [303] * 5 + [429] * 2
    assert Mail.objects.filter(template="password_reset").count() == 2, "and the mails like every other reset"
    assert trail(since).count(("authn_login_disavowed",)) == 5
    assert at_home.post("name", {"display_name": "Mary"}).status_code != 429


def test_where_no_further_reset_is_mailed_none_is_promised(at_home: Person, stranger: dict[str, Any]) -> None:
    path = sign_in_of(stranger)
    for _turn in range(4):
        at_home.post(path)
    assert "We sent you links to set a new password before: the newest one works." in text_of(at_home.get("activity"))


def test_v7_5_1_an_app_stays_where_the_proof_was_made_without_it(at_home: Person) -> None:
    """The session at hand is shared with somebody who set an app up in it: the mail about it undoes that."""
    at_home.post("2fa/totp/add", {"name": "Phone"})
    at_home.post("2fa/totp/confirm", {"code": shown_by(TotpDevice.objects.get())})
    added = next(one for one in rows() if one.details.get("change") == "added")
    path = f"activity/{added.pk}/disavow"
    assert "confirm with your app first" in text_of(at_home.get(path))
    at_home.post(path)
    page = text_of(at_home.get("activity"))
    assert "The link in the mail about that change undoes it." in page
    assert TotpDevice.objects.get().confirmed
    Session.objects.update(factors=["password", "totp"])
    assert "Authenticator apps that were set up there go" in text_of(at_home.get(path))
    at_home.post(path)
    assert not TotpDevice.objects.exists()
