"""Page 25 and the link of its mail: a lockout told alike to everybody, and one browser let past it."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from accounts.models import Link, LinkPurpose, Mail, Status, User
from audit.models import Event
from gatehouse import limits
from sessions_app.models import Device
from tests.accounts.pages.person import EMAIL, PASSWORD, Person, text_of
from tests.factories import UserFactory, mark, trail

WRONG = "a wrong but long password"
CONFIRM = "/account/unlock/confirm"
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.{}"
_LINK = re.compile(r"^http://testserver(/account/unlock/\S+)$", re.MULTILINE)


def tries(person: Person, number: int = 1, password: str = WRONG, ip: str = HERE, email: str = EMAIL) -> list[int]:
    data = {"email": email, "password": password}
    return [person.browser.post("/account/login", data, REMOTE_ADDR=ip).status_code for _turn in range(number)]


def storm(number: int = 25) -> None:
    """Let a stranger try from a network of his own each time."""
    for turn in range(number):
        tries(Person(), ip=ELSEWHERE.format(turn))


def link_in(text: str) -> str:
    found = _LINK.search(text)
    assert found, text
    return found[1]


@pytest.fixture
def owner(member: Person) -> Person:
    """The owner of an account that strangers have locked, at a browser that the account does not know."""
    assert tries(Person(), 11, ip=HERE) == [422] * 10 + [429]
    storm()
    return member


@pytest.fixture
def link(owner: Person) -> str:
    return link_in(owner.mail())


@pytest.fixture
def unlocked(owner: Person, link: str) -> Person:
    owner.browser.get(link)
    assert owner.post("unlock/confirm").status_code == 303
    return owner


def test_a05_the_page_of_a_lockout_is_the_same_for_an_address_that_nobody_has(member: Person) -> None:
    answers = []
    with time_machine.travel(timezone.now(), tick=False):
        for email, ip in ((EMAIL, "192.0.2.1"), ("nobody@example.com", "192.0.2.2")):
            stranger = Person()
            assert tries(stranger, 11, ip=ip, email=email) == [422] * 10 + [429]
            data = {"email": email, "password": PASSWORD}
            answers.append(stranger.browser.post("/account/login", data, REMOTE_ADDR=ip))
    known, unknown = answers
    bodies = [re.sub(rb"<code>[\w-]+</code>", b"", answer.content) for answer in answers]  # the reference
    assert bodies[0] == bodies[1]
    assert known.status_code == unknown.status_code == 429
    heads = [
        {name: re.sub(r"t=\d+", "", value) for name, value in answer.items() if name != "X-Request-ID"}
        for answer in answers
    ]  # t: a window of the cache begins where the key of a network says
    assert heads[0] == heads[1]
    assert known.cookies.keys() == unknown.cookies.keys()


def test_p25_the_page_says_until_when_without_a_script(member: Person) -> None:
    with time_machine.travel("2026-11-02T14:17:30+00:00", tick=False):
        tries(member, 11)
        page = member.browser.post("/account/login", {"email": EMAIL, "password": PASSWORD}, REMOTE_ADDR=HERE)
    text = " ".join(re.sub(r"<[^>]+>", "", text_of(page)).split())
    assert "Try again after 14:32 UTC (in 15 minutes)." in text
    assert "Or reset your password: that ends the wait." in text
    assert "If there is an account for this address, its owner has a mail from us." in text
    assert (page["Retry-After"], page["Cache-Control"]) == ("900", "no-store")
    assert EMAIL not in text


def test_the_request_of_a_lockout_looks_nobody_up_and_the_worker_tells_the_owner(member: Person) -> None:
    Mail.objects.all().delete()
    for email in (EMAIL, "nobody@example.com", "not an address"):
        tries(Person(), 13, email=email, ip=HERE)
    rows = [(row.template, row.to, row.user_id) for row in Mail.objects.order_by("created_at")]
    assert rows == [("lockout_request", EMAIL, None), ("lockout_request", "nobody@example.com", None)]
    since = mark()
    link_in(member.mail())
    assert sorted(Mail.objects.values_list("template", flat=True)) == ["locked", "lockout_request", "lockout_request"]
    assert trail(since) == [("authn_login_lock_told",), ("authn_login_lock_told",)]
    told = Event.objects.filter(action="authn_login_lock_told").order_by("pk")
    assert [row.details["outcome"] for row in told] == ["link", "nothing"]


def test_a_lockout_is_told_once_and_has_one_link(owner: Person) -> None:
    """Strangers of one network, then of all: two lockouts, two mails, and the newer one's link."""
    owner.mail()
    assert Mail.objects.filter(template="locked").count() == 2
    storm()
    owner.mail()
    assert Mail.objects.filter(template="locked").count() == 2
    assert Link.objects.filter(purpose=LinkPurpose.UNLOCK).open().count() == 1


def test_d10_d11_looking_at_the_link_uses_nothing_up_and_takes_it_out_of_the_address_bar(link: str) -> None:
    scanner = Person()
    for ask in (scanner.browser.get, scanner.browser.head, scanner.browser.get):
        response = ask(link)
        assert (response.status_code, response["Location"]) == (302, CONFIRM)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
    page = scanner.get("unlock/confirm")
    assert page["Cache-Control"] == "no-store"
    assert "Sign in without waiting" in text_of(page)
    assert link.rsplit("/", 1)[1] not in text_of(page)
    assert link.rsplit("/", 1)[1] not in str([one.get_decoded() for one in BrowserSession.objects.all()])
    assert "unlock" not in scanner.browser.cookies
    assert Link.objects.get(purpose=LinkPurpose.UNLOCK, open_key__isnull=False).used_at is None


def test_a04_the_link_lets_its_browser_sign_in_and_asks_for_all_the_rest(owner: Person, link: str) -> None:
    assert tries(owner, password=PASSWORD) == [429]
    owner.browser.get(link)
    since = mark()
    response = owner.post("unlock/confirm")
    assert (response.status_code, response["Location"]) == (303, "/account/login")
    assert trail(since) == [("authn_login_unlocked",)]
    cookie = response.cookies["unlock"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"], cookie["path"]) == (True, "Strict", 3600, "/")
    assert "This browser can sign in for the next 1 hour." in text_of(owner.get("login"))
    assert tries(owner, password=PASSWORD, ip="203.0.113.5") == [303]  # the browser counts, wherever it is
    assert not Device.objects.exists()
    assert owner.post("otp", {"code": owner.code()}).status_code == 303
    assert owner.get("security").status_code == 200


def test_a04_a_stranger_who_goes_on_elsewhere_does_not_shut_the_browser_out_again(owner: Person, link: str) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=30)) as clock:
        owner.browser.get(link)
        owner.post("unlock/confirm")
        clock.shift(timedelta(minutes=31))
        storm()  # the strangers' hour is over, and they begin another one
        assert link_in(owner.mail()) != link  # a newer lockout, with a newer link
        assert tries(Person(), password=PASSWORD) == [429]
        assert tries(owner, 3) == [422] * 3
        assert tries(owner, password=PASSWORD) == [303]


def test_the_browser_has_ten_tries_of_its_own_and_changes_no_other_count(unlocked: Person) -> None:
    before = limits.peek("login_address", EMAIL)
    assert tries(unlocked, 12) == [422] * 10 + [429] * 2
    assert limits.peek("login_address", EMAIL).hits == before.hits  # type: ignore[union-attr]
    assert tries(unlocked, password=PASSWORD) == [429]
    assert "/account/unlock/" not in unlocked.mail()  # told, without endless tries for whoever reads the mailbox
    assert Mail.objects.filter(template="locked").count() == 3


def test_the_pass_ends_after_its_hour(owner: Person, link: str) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=30), tick=False) as clock:
        owner.browser.get(link)
        owner.post("unlock/confirm")
        clock.shift(timedelta(minutes=31))
        storm()
        clock.shift(timedelta(minutes=28, seconds=59))
        assert tries(owner) == [422]
        clock.shift(timedelta(seconds=1))
        assert tries(owner) == [429]


def test_d03_the_link_ends_after_its_hour(owner: Person, link: str) -> None:
    end = Link.objects.get(purpose=LinkPurpose.UNLOCK, open_key__isnull=False).expires_at
    with time_machine.travel(end - timedelta(seconds=1), tick=False) as clock:
        owner.browser.get(link)
        assert "Sign in without waiting" in text_of(owner.get("unlock/confirm"))
        clock.shift(timedelta(seconds=1))
        assert "This link has expired" in text_of(owner.get("unlock/confirm"))
        refused = owner.post("unlock/confirm")
    assert refused.status_code == 422
    assert "unlock" not in refused.cookies
    assert trail()[-1] == ("authn_login_unlocked", "token_expired")


def test_d01_a_used_link_lets_no_second_browser_past(unlocked: Person, link: str) -> None:
    other = Person()
    other.browser.get(link)
    assert "You have used this link" in text_of(other.get("unlock/confirm"))
    assert other.post("unlock/confirm").status_code == 422
    assert trail()[-1] == ("authn_login_unlocked", "token_used")
    assert tries(other, password=PASSWORD) == [429]
    assert tries(unlocked, password=PASSWORD) == [303]


def change_password(user: User) -> None:
    Link.objects.filter(user=user).update(open_key=None)


def move_away(user: User) -> None:
    User.objects.filter(pk=user.pk).update(email="new@example.com")


def disable(user: User) -> None:
    user.set_status(Status.DISABLED)
    user.save()


def sign_in(user: User) -> None:
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())


@pytest.mark.parametrize("change", [change_password, move_away, disable, sign_in])
def test_d08_what_ends_the_link_ends_what_it_opened(owner: Person, link: str, change: Any) -> None:
    owner.browser.get(link)
    change(User.objects.get(email=EMAIL))
    assert "This link does not work any more" in text_of(owner.get("unlock/confirm"))
    assert owner.post("unlock/confirm").status_code == 422
    assert not Link.objects.filter(purpose=LinkPurpose.UNLOCK, used_at__isnull=False).exists()


@pytest.mark.parametrize("change", [change_password, move_away, disable, sign_in])
def test_d08_what_ends_the_link_ends_a_pass_too(unlocked: Person, change: Any) -> None:
    assert tries(unlocked) == [422]
    change(User.objects.get(email=EMAIL))
    assert tries(unlocked) == [429]


def test_d06_the_link_of_one_purpose_is_none_of_another(owner: Person, link: str) -> None:
    for purpose, page in (("disavow", "disavow/confirm"), ("password/reset", "password/reset/new")):
        owner.browser.get(link.replace("/unlock/", f"/{purpose}/"))
        assert owner.post(page, {"password": "a long and quiet river"}).status_code == 422
    owner.post("password/reset", {"email": EMAIL})
    owner.browser.get(owner.link().replace("/password/reset/", "/unlock/"))
    assert owner.post("unlock/confirm").status_code == 422


@pytest.mark.parametrize("token", ["x", "x" * 43, "a%00b", "..%2f..", "%E2%80%AE", "x" * 3000])
def test_d04_d05_a_made_up_token_is_told_off_quietly(person: Person, token: str) -> None:
    assert person.browser.get(f"/account/unlock/{token}").status_code in {302, 404}
    assert "This link does not work any more" in text_of(person.get("unlock/confirm"))
    assert person.post("unlock/confirm").status_code == 422


def test_d04_a_link_that_was_cut_short_is_none(owner: Person, link: str) -> None:
    owner.browser.get(link[:-1])
    assert owner.post("unlock/confirm").status_code == 422


def test_whoever_knows_the_address_or_the_row_makes_no_pass(unlocked: Person, member: Person) -> None:
    used = Link.objects.get(purpose=LinkPurpose.UNLOCK, used_at__isnull=False)
    good = unlocked.browser.cookies["unlock"].value
    proof = good.partition(".")[2]
    made_up = [
        str(used.pk),
        f"{used.pk}.",
        f"{used.pk}.{'0' * 64}",
        f"{uuid4()}.{proof}",
        f"{good}0",
        "",
        ".",
        "é.é",
        "x" * 5000,
    ]
    for value in [*made_up, used.token_hash, f"{used.pk}.{used.token_hash}"]:
        stranger = Person()
        stranger.browser.cookies["unlock"] = value
        assert tries(stranger, password=PASSWORD) == [429], value
    assert tries(unlocked, password=PASSWORD) == [303]


def test_a_pass_is_good_for_its_own_account_only(unlocked: Person) -> None:
    UserFactory(email="other@example.com")
    for email in ("other@example.com", "nobody@example.com"):
        assert tries(unlocked, 11, email=email, ip="203.0.113.77") == [422] * 10 + [429]


def test_g01_the_button_wants_a_csrf_token(owner: Person, link: str) -> None:
    owner.browser.get(link)
    owner.browser.handler.enforce_csrf_checks = True
    assert owner.post("unlock/confirm").status_code == 403
    assert not Link.objects.filter(purpose=LinkPurpose.UNLOCK, used_at__isnull=False).exists()


def test_tokens_that_are_tried_are_limited(person: Person, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 0.03}
    seen = [person.browser.get(f"/account/unlock/{'x' * 43}").status_code for _try in range(4)]
    assert seen == [302, 302, 302, 429]


def test_g15_over_https_the_cookie_is_bound_to_host_and_scheme(owner: Person, link: str, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "BASE_URL": "https://testserver"}
    owner.browser.get(link, secure=True)
    cookie = owner.browser.post(CONFIRM, secure=True, headers={"referer": "https://testserver/"}).cookies[
        "__Host-unlock"
    ]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
